"""Sealed secrets open with every key of the ring, and with nothing else."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from llmcost import vault
from llmcost.installation import open_installation


@given(st.text())
def test_what_is_sealed_opens_again(secret):
    sealed = vault.seal(secret)

    assert vault.unseal(sealed) == secret
    assert sealed != vault.seal(secret)


def test_a_new_key_seals_and_the_old_one_still_opens(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    sealed = vault.seal("secret")

    settings.ENCRYPTION_KEYS = [old, new]
    again = vault.reseal(sealed)

    assert vault.unseal(sealed) == vault.unseal(again) == "secret"
    settings.ENCRYPTION_KEYS = [new]
    assert vault.unseal(again) == "secret"
    with pytest.raises(vault.Unsealable):
        vault.unseal(sealed)


@pytest.mark.parametrize("text", ["", "gAAAA", "é", "x" * 500])
def test_what_was_not_sealed_does_not_open(text):
    with pytest.raises(vault.Unsealable):
        vault.unseal(text)
    with pytest.raises(vault.Unsealable):
        vault.reseal(text)


def test_an_older_installation_gets_what_it_lacks_and_keeps_the_rest(tmp_path):
    import json

    before = open_installation(tmp_path)
    file = tmp_path / "secrets.json"
    stored = json.loads(file.read_text())
    del stored["encryption_keys"]
    file.write_text(json.dumps(stored))

    healed = open_installation(tmp_path)

    assert healed.secret_key == before.secret_key
    assert healed.encryption_keys
    assert open_installation(tmp_path) == healed
    assert file.stat().st_mode & 0o777 == 0o600
