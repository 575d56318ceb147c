"""What an installation that others reach refuses to run without."""

import os
import subprocess
import sys

import pytest

from llmcost.public import missing
from tests.up.site import REPOSITORY, environment, free_port, run_up

GOOD = {
    "PUBLIC_URL": "https://cost.example.com",
    "TRUSTED_PROXY_COUNT": "1",
    "EMAIL_URL": "smtp://user:password@mail.example.com:587",
}
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SECRETS = {"secret_key": "0123456789abcdef" * 4, "encryption_keys": [KEY]}


def test_a_good_public_installation_lacks_nothing():
    assert missing(GOOD, **SECRETS) == []
    assert missing({}, secret_key="", encryption_keys=[]) == []  # local mode


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"PUBLIC_URL": "http://cost.example.com"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL"),
        ({"TRUSTED_PROXY_COUNT": "x"}, "TRUSTED_PROXY_COUNT"),
        ({"EMAIL_URL": ""}, "EMAIL_URL"),
        ({"secret_key": "short"}, "SECRET_KEY"),
        ({"secret_key": "a" * 60}, "SECRET_KEY"),
        ({"encryption_keys": []}, "ENCRYPTION_KEYS"),
        ({"encryption_keys": [KEY, "nonsense"]}, "ENCRYPTION_KEYS"),
    ],
)
def test_each_missing_thing_is_one_sentence(wrong, named):
    secrets = {name: wrong.get(name, value) for name, value in SECRETS.items()}
    [said] = missing({**GOOD, **wrong}, **secrets)

    assert named in said


def test_up_names_all_that_is_missing_at_once(place):
    done = run_up(place / "data", free_port(), PUBLIC_URL="http://cost.example.com")

    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.strip().splitlines()] == [
        "PUBLIC_URL", "Set", "Set",
    ]  # fmt: skip


def manage(place, *arguments, **extra):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env=environment(place / "data", free_port(), **extra),
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_process_starts_without_it(place):
    done = manage(place, "check", PUBLIC_URL="https://cost.example.com")

    assert done.returncode == os.EX_CONFIG
    assert done.stderr.count("\n") == 2


def test_no_process_starts_with_analytics_that_the_policy_does_not_name(place):
    done = manage(
        place,
        "check",
        ANALYTICS_SCRIPT="https://stats.example.org/script.js",
        ANALYTICS_NAME="Stats",
    )

    assert done.returncode == os.EX_CONFIG
    assert [line.split()[0] for line in done.stderr.splitlines()] == [
        "The",
        "privacy/policy/subprocessors.toml",
    ]


@pytest.mark.parametrize("role", ["app", "worker"])
def test_a_public_installation_passes_djangos_check_of_a_deployment(place, role):
    done = manage(
        place, "check", "--deploy", "--fail-level", "WARNING", LLMCOST_DATABASE_ROLE=role, **GOOD
    )

    assert done.returncode == 0, done.stderr
