"""Second factors and passkeys as a person uses them, with Chromium's virtual authenticator."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.oidc import CLIENT_ID, CLIENT_SECRET, running_provider

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROSA = "rosa@acme.example"
PASSWORD = "correct horse battery"


@pytest.fixture
def page(site, visit) -> Page:
    """A window at the site's name, because passkeys need one, of a device that holds passkeys."""
    page = visit(base_url=f"http://localhost:{site.port}")
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    return page


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def enter(page: Page) -> None:
    page.goto("/login/")
    page.get_by_label("Email").fill(ROSA)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.goto("/account/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/")


def test_an_app_and_a_passkey_from_setting_up_to_signing_in(site, page):
    site.open_company(ROSA)
    enter(page)
    page.goto("/account/security/")

    # The app: its key, a code, the recovery codes once.
    page.get_by_role("link", name="Set up app").click()
    secret = page.locator("#totp-secret").inner_text()
    drawn = page.get_by_alt_text(re.compile("QR code"))
    assert drawn.evaluate("image => image.naturalWidth") > 100
    page.get_by_role("textbox", name="Code").fill(code_of(secret))
    page.get_by_role("button", name="Turn on").click()
    codes = page.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().split() == codes
    page.get_by_role("link", name="I have kept them").click()

    # A passkey.
    page.get_by_role("link", name="Add passkey").click()
    page.get_by_role("textbox", name="Name").fill("My laptop")
    page.get_by_role("button", name="Make passkey").click()
    expect(page.get_by_text("The passkey is made.")).to_be_visible()
    expect(page.get_by_role("heading", name="My laptop")).to_be_visible()
    sign_out(page)

    # The password asks for the second factor; the passkey is one.
    enter(page)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/app/**")
    sign_out(page)

    # So is a recovery code, once.
    enter(page)
    page.get_by_role("textbox", name="Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/app/**")
    sign_out(page)

    # And the passkey needs no password, and leads where one wanted to go.
    page.goto("/account/security/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Security")).to_be_visible()
    expect(page.get_by_text(re.compile("by passkey"))).to_be_visible()

    # It also proves that it is still them.
    page.goto("/reauthenticate/passkey/?next=/account/email/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="E-mail address")).to_be_visible()

    page.goto("/account/security/")
    page.get_by_role("link", name="Remove My laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("No passkey yet")).to_be_visible()
    sign_out(page)

    page.goto("/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("This did not match.")).to_be_visible()


def test_single_sign_on_from_setting_it_up_to_joining_by_it(site, visit, complaints):
    with running_provider() as provider:
        company = site.open_company("owner@sso.example")
        page = visit(1440)
        page.context.add_cookies([{"name": "session", "value": company.session, "url": site.url}])
        page.goto("/account/security/")
        page.get_by_role("link", name="Set up…").click()
        page.get_by_label("Issuer").fill(provider.issuer)
        page.get_by_label("Client ID").fill(CLIENT_ID)
        page.get_by_label("Client secret").fill(CLIENT_SECRET)
        page.get_by_label("E-mail domains").fill("sso.example")
        page.get_by_label("Who comes new").select_option(label="joins as Read-only")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Single sign-on is saved.")).to_be_visible()

        provider.is_("77", "nell@sso.example")
        member = visit(390, color_scheme="dark")
        member.goto("/login/")
        member.get_by_role("link", name="Single sign-on of your company").click()
        member.get_by_label("Email").fill("nell@sso.example")
        member.get_by_role("button", name="Continue").click()
        # There and back without a click, past the policy that lets no form go elsewhere.
        expect(member.get_by_role("textbox", name="Name")).to_have_value("Pat Example")
        member.get_by_label(re.compile("I am 16 or older")).check()
        member.get_by_role("button", name="Create account").click()
        member.wait_for_url("**/app/**")

        # The provider is the one place elsewhere that the browser went to.
        assert {line for line in complaints if provider.issuer not in line} == set()
        complaints.clear()
