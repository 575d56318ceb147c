"""What an installation with a public https address sends with every answer and cookie."""

import json
import subprocess
import sys

import pytest

from tests.up.site import REPOSITORY, environment

VISIT = """
import json, django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
client = Client(headers={"host": "costs.example"})
secure = client.get("/healthz", secure=True)
plain = client.get("/login/")
from django.conf import settings
print(json.dumps({
    "hsts": secure["Strict-Transport-Security"],
    "plain": [plain.status_code, plain["Location"]],
    "names": [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME],
    "secure": [settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE],
    "scripts": [not settings.SESSION_COOKIE_HTTPONLY, not settings.CSRF_COOKIE_HTTPONLY],
    "same_site": [settings.SESSION_COOKIE_SAMESITE, settings.CSRF_COOKIE_SAMESITE],
    "shared": [settings.SESSION_COOKIE_DOMAIN, settings.CSRF_COOKIE_DOMAIN],
}))
"""


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    made = subprocess.run(
        [sys.executable, "-c", VISIT],
        cwd=REPOSITORY,
        env=environment(
            tmp_path_factory.mktemp("public"),
            8000,
            PUBLIC_URL="https://costs.example",
            TRUSTED_PROXY_COUNT="1",
            EMAIL_URL="smtp://user:password@mail.example:587",
            DJANGO_SETTINGS_MODULE="llmcost.settings",
        ),
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(made.stdout)


def test_browsers_are_told_to_come_by_tls_for_two_years(public):
    assert public["hsts"] == "max-age=63072000; includeSubDomains; preload"
    assert public["plain"] == [301, "https://costs.example/login/"]


def test_cookies_are_of_this_host_alone_and_out_of_reach_of_scripts(public):
    assert public["names"] == ["__Host-session", "__Host-csrf"]
    assert public["secure"] == [True, True]
    assert public["scripts"] == [False, False]
    assert public["same_site"] == ["Lax", "Lax"]
    assert public["shared"] == [None, None]
