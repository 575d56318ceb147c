"""An HTTP server that answers as Stripe's API does, from objects in a dictionary.

Not a mock of our code: dj-stripe and Stripe's client speak to it over a socket.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KINDS = {
    "accounts": "account",
    "sources": "source",
    "customers": "customer",
    "invoices": "invoice",
    "invoiceitems": "invoiceitem",
    "payment_methods": "payment_method",
    "prices": "price",
    "products": "product",
    "subscriptions": "subscription",
    "subscription_items": "subscription_item",
    "tax_ids": "tax_id",
}


class StripeDouble:
    """What is at Stripe: `objects` by id. `is_down` makes every request fail."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.is_down = False
        self.url = ""

    def put(self, *objects: dict[str, Any]) -> None:
        for one in objects:
            self.objects[one["id"]] = one

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self.is_down:
            return 500, {"error": {"type": "api_error", "message": "CANARY-down"}}
        if path == "/v1/account":
            return 200, {"id": "acct_1", "object": "account", "email": "CANARY"}
        *_, collection, last = path.strip("/").split("/")
        if last in KINDS:
            wanted = query.get("customer", [collection if collection.startswith("cus_") else None])
            found = [
                one
                for one in self.objects.values()
                if one["object"] == KINDS[last] and wanted[0] in (None, one.get("customer"))
            ]
            return 200, {"object": "list", "data": found, "has_more": False, "url": path}
        if (one := self.objects.get(last)) is not None:
            return 200, one
        message = f"No such {collection}: '{last}' CANARY-error"
        return 404, {
            "error": {
                "type": "invalid_request_error",
                "code": "resource_missing",
                "message": message,
            }
        }


@contextmanager
def serving(double: StripeDouble) -> Iterator[StripeDouble]:
    """Serve it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, found = double.answer(parts.path, parse_qs(parts.query))
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield double
    server.shutdown()
    thread.join()
    server.server_close()
