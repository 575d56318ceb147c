"""Whatever is stored sealed is declared so, takes part when a key is replaced, and opens after."""

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import SsoConnection
from accounts.sso import connections
from llmcost import vault
from llmcost.tenancy.context import tenant
from privacy.correspondence.services import letters_of, person_of
from privacy.inventory.registry import inventory
from privacy.models import Thread
from privacy.requests.services import ask_by_form

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TEXTS = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
      AND c.data_type IN ('text', 'character varying', 'jsonb')
      AND has_table_privilege(format('%%I.%%I', c.table_schema, c.table_name), 'SELECT')
"""


@pytest.fixture
def secrets(acme, globex, settings):
    """One of each secret that is stored, in two accounts where it is an account's."""
    settings.ENCRYPTION_KEYS = [OLD]
    totp = generate_totp_secret()
    TOTP.activate(acme.owner, totp)
    codes = RecoveryCodes.activate(acme.owner).get_unused_codes()
    for company in (acme, globex):
        wanted = connections.SsoSettings(
            issuer="https://id.example",
            client_id="c",
            client_secret=f"secret of {company.account.pk}",
            domains=[],
            default_role="member",
            required=False,
        )
        with tenant(company.account.pk):
            connections.save(company.account, wanted, by=company.owner)
    ask_by_form(address="a@b.example", name="Anna", kind="access", text="What do you hold?")
    return {"totp": totp, "codes": codes}


def sealed_columns(companies) -> dict[str, list[str]]:
    """Every column in which something sealed is found, and what."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(TEXTS, [])
        columns = cursor.fetchall()
    for company in companies:
        with tenant(company.account.pk), connection.cursor() as cursor:
            for table, column in columns:
                cursor.execute(
                    f'SELECT "{column}"::text FROM "{table}" WHERE "{column}" IS NOT NULL'
                )
                texts = [text for (text,) in cursor.fetchall()]
                if seals := [one for text in texts for one in vault.SEALED.findall(text)]:
                    found.setdefault(f"{table}.{column}", []).extend(seals)
    return found


def declared() -> set[str]:
    return {
        f"{table}.{column}"
        for table, columns in inventory().items()
        for column, one in columns.items()
        if one.is_sealed
    }


def test_what_is_stored_sealed_is_declared_and_nothing_else(secrets, acme, globex):
    assert set(sealed_columns([acme, globex])) == declared()


def test_after_a_key_was_replaced_the_old_one_is_needed_nowhere(
    secrets, acme, globex, settings, capsys
):
    settings.ENCRYPTION_KEYS = [OLD, NEW]

    call_command("reseal")
    first = capsys.readouterr().out
    call_command("reseal")
    again = capsys.readouterr().out

    settings.ENCRYPTION_KEYS = [NEW]
    for column, seals in sealed_columns([acme, globex]).items():
        assert all(vault.has_newest_key(one) for one in seals), column
    for column in declared():
        assert f"{column}: 0 of 0" not in first
        assert column in first
    assert "(0 sealed anew)" not in first
    assert "(0 sealed anew)" in again
    app = acme.owner.authenticator_set.get(type="totp")
    assert vault.unseal(app.data["secret"]) == secrets["totp"]
    codes = RecoveryCodes(acme.owner.authenticator_set.get(type="recovery_codes"))
    assert codes.get_unused_codes() == secrets["codes"]
    for company in (acme, globex):
        with tenant(company.account.pk):
            kept = SsoConnection.objects.get(account_id=company.account.pk)
        assert vault.unseal(kept.client_secret) == f"secret of {company.account.pk}"
    thread = Thread.objects.get()
    assert person_of(thread).name == "Anna"
    assert [one.text for one in letters_of(thread)] == ["What do you hold?"]


def test_a_secret_that_no_key_opens_is_left_as_it_is_and_named(secrets, acme, globex, settings):
    before = sealed_columns([acme, globex])
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(CommandError, match="open with no key of ENCRYPTION_KEYS"):
        call_command("reseal")

    assert sealed_columns([acme, globex]) == before
