"""Second factors: sealed in the database, called what they are."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import qrcode
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from qrcode.image.svg import SvgPathImage

from accounts.models import User
from llmcost.vault import seal, unseal


class FactorAdapter(DefaultMFAAdapter):
    """allauth's second factors, with their secrets sealed and our own words."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This did not match. Use the newest code, each only once.",
    }

    def encrypt(self, text: str) -> str:
        """Seal a secret before it is stored."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a stored secret. Raises Unsealable."""
        return unseal(encrypted_text)

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002 - allauth's
        """Suggest a name for a new passkey."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {count + 1}" if count else "Passkey"

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """Name the person to their own device, as the list of passkeys there shows it."""
        return super().get_public_key_credential_user_entity(user) | {"display_name": user.name}

    def _get_site_name(self) -> str:
        return "LLM Cost Tracker"


def qr_code(text: str) -> str:
    """Draw `text` as a QR code: the address of an SVG image that needs no request."""
    drawing = BytesIO()
    qrcode.make(text, image_factory=SvgPathImage, border=2).save(drawing)
    return f"data:image/svg+xml;base64,{b64encode(drawing.getvalue()).decode()}"
