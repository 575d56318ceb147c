"""An OpenID Connect provider of its own: it signs, checks what it is asked, and can be made to lie."""

import base64
import hashlib
import html
import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

CLIENT_ID, CLIENT_SECRET = "llmcost", "a secret of the client: + & ="

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """What it says of the person, and what it was asked."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {}
        self.lies: dict[str, Any] = {}  # claims of the id token that are not true
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def is_(self, sub: str, email: str, **more: Any) -> None:
        """Whoever signs in next is this person."""
        self.person = {"sub": sub, "email": email, "name": "Pat Example", **more}

    # --- Answers -----------------------------------------------------------------------------
    def description(self, _asked: dict[str, str]) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Sign the person in without asking, and send them back."""
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return f"{asked['redirect_uri']}?{back}"

    def token(self, asked: dict[str, str]) -> dict[str, Any] | None:
        first = self.codes.pop(asked.get("code", ""), None)
        if first is None or asked["client_secret"] != CLIENT_SECRET:
            return None
        assert asked["redirect_uri"] == first["redirect_uri"]
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == first["code_challenge"]
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": int(time.time()),
            "exp": int(time.time()) + 60,
            **self.person,
            **self.lies,
        }
        signed = jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "1"})
        return {"access_token": "CANARY-TOKEN", "token_type": "Bearer", "id_token": signed}

    def userinfo(self, _asked: dict[str, str]) -> dict[str, Any]:
        return self.person | {"picture": "https://example.com/CANARY", "locale": "CANARY"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def _answer(self, form: str) -> None:
                path = urlsplit(self.path).path
                provider.asked.append(path)
                asked = {name: values[0] for name, values in parse_qs(form).items()}
                answers = {
                    "/.well-known/openid-configuration": provider.description,
                    "/authorize": provider.authorize,
                    "/token": provider.token,
                    "/userinfo": provider.userinfo,
                }
                answer = answers[path](asked) if path in answers else None
                if isinstance(answer, str):
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                    return
                self.send_response(200 if answer is not None else 400)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider that answers for the length of a test."""
    provider = Provider()
    try:
        yield provider
    finally:
        provider.stop()


def through(client: Client, start) -> object:
    """From our page to the provider and back, as a browser goes."""
    target = html.unescape(re.search(r'url=([^"]+)"', start.content.decode())[1])
    back = urlsplit(httpx.get(target).headers["Location"])
    return client.get(f"{back.path}?{back.query}")
