# SPDX-License-Identifier: GPL-3.0-or-later
"""localstripe for this product: on 127.0.0.1, with a state that lasts, in today's dialect.

`python devtools/localstripe --port 8420 --state FILE --webhook URL`; the secret that signs
webhooks is read from the variable LOCAL_STRIPE_WEBHOOK_SECRET.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import html
import json
import os
import pickle
import random
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import behaviour
import dialect
from aiohttp import web
from localstripe import resources, server, webhooks
from localstripe.errors import UserError
from localstripe.resources import Plan, Subscription

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RENEW_EVERY_SECONDS = 60
# Before the first webhook of a request leaves, its answer should have.
WEBHOOK_DELAYS = (0.1, 1.0, 5.0, 30.0, 120.0)
ACCOUNT = {
    "id": "acct_local0000000000",
    "object": "account",
    "business_profile": {"name": "LLM Cost Tracker (local)"},
    "charges_enabled": True,
    "country": "US",
    "created": 1_700_000_000,
    "default_currency": "usd",
    "details_submitted": True,
    "email": None,
    "metadata": {},
    "payouts_enabled": True,
    "settings": {"branding": {}, "dashboard": {"display_name": "local"}},
    "type": "standard",
}
_one_at_a_time = asyncio.Lock()


# --- Every request ---------------------------------------------------------------------------
@web.middleware
async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in today's dialect be understood, and its answer be one."""
    if request.path.startswith("/invoices/"):  # for people, who have no key
        return await invoice_page(request)
    if not request.path.startswith("/v1/"):
        return await handler(request)
    try:
        async with _one_at_a_time:
            return await _translated(request, handler)
    except UserError as error:
        return error.to_response()


async def _translated(request: web.Request, handler: Handler) -> web.StreamResponse:
    writes = request.method == "POST"
    data = await server.get_post_data(request, remove_auth=False) if writes else None
    # Not `request.query`, which remembers what it was when it was first asked.
    data = data or server.unflatten_data(request._rel_url.query)
    key = request.headers.get("Idempotency-Key")
    asked = hashlib.sha256(json.dumps([request.path, data], sort_keys=True).encode()).hexdigest()
    if writes and key and (before := resources.store.get(f"idempotency:{key}")):
        return _replay(before, asked)
    paths = data.pop("expand", [])
    _put_back(request, dialect.to_old(data) if request.path not in UNTRANSLATED else data)
    response = await handler(request)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    base_url = str(request.url.origin())
    answer = dialect.to_new(json.loads(response.body), base_url)
    if response.status == 200:
        answer = dialect.expanded(answer, paths, base_url)
    text = json.dumps(answer)
    if writes and key and response.status < 500:
        resources.store[f"idempotency:{key}"] = (asked, response.status, text)
        resources.store.dump_to_disk()
    return web.Response(status=response.status, text=text, content_type="application/json")


def _put_back(request: web.Request, data: Json) -> None:
    """Have localstripe read these parameters instead of those that were sent."""
    if request.method == "POST":
        request._read_bytes = json.dumps(data).encode()
    else:
        request._rel_url = request.rel_url.with_query(dialect.flatten(data))


def _replay(before: tuple[str, int, str], asked: str) -> web.Response:
    first, status, text = before
    if first != asked:
        error = {
            "type": "idempotency_error",
            "message": "Keys for idempotent requests can only be used with the same parameters.",
        }
        return web.json_response({"error": error}, status=400)
    headers = {"Idempotent-Replayed": "true"}
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


# --- What localstripe does not have ----------------------------------------------------------
async def account(request: web.Request) -> web.Response:
    """GET /v1/account, /v1/accounts/<id>"""
    return web.json_response(ACCOUNT)


async def prices(request: web.Request) -> web.Response:
    """GET /v1/prices?lookup_keys[]="""
    wanted = server.unflatten_data(request.query).get("lookup_keys")
    wanted = list(wanted.values()) if isinstance(wanted, dict) else wanted
    found = [
        dialect.price(one)
        for key, one in resources.store.items()
        if key.startswith("plan:") and (not wanted or one.metadata.get("lookup_key") in wanted)
    ]
    return web.json_response(
        {"object": "list", "url": "/v1/prices", "has_more": False, "data": found}
    )


async def price(request: web.Request) -> web.Response:
    """GET /v1/prices/<id>"""
    return web.json_response(dialect.price(Plan._api_retrieve(request.match_info["id"])))


async def create_price(request: web.Request) -> web.Response:
    """POST /v1/prices"""
    data = await server.get_post_data(request)
    plan = Plan(
        id="price_" + "".join(random.choices(string.ascii_letters + string.digits, k=24)),
        amount=data["unit_amount"],
        currency=data["currency"],
        product=data["product"],
        interval=data["recurring"]["interval"],
        metadata={**data.get("metadata", {}), "lookup_key": data.get("lookup_key")},
    )
    resources.store.dump_to_disk()
    return web.json_response(dialect.price(plan))


async def update_subscription(request: web.Request) -> web.Response:
    """POST /v1/subscriptions/<id>: with `items` a change of plan, else localstripe's own."""
    data = await server.get_post_data(request)
    subscription = Subscription._api_retrieve(request.match_info["id"])
    if items := data.pop("items", None):
        at = int(data.get("proration_date") or time.time())
        behaviour.change(subscription, items[0]["plan"], at)
    else:
        subscription._update(**data)
    resources.schedule_webhook(resources.Event("customer.subscription.updated", subscription))
    resources.store.dump_to_disk()
    return web.json_response(subscription._export())


async def preview(request: web.Request) -> web.Response:
    """POST /v1/invoices/create_preview"""
    data = await server.get_post_data(request)
    details = data["subscription_details"]
    at = int(details.get("proration_date") or time.time())
    subscription = Subscription._api_retrieve(data["subscription"])
    return web.json_response(behaviour.preview(subscription, details["items"][0]["price"], at))


async def renew(request: web.Request) -> web.Response:
    """POST /_config/renew/<subscription>: end its period now."""
    subscription = Subscription._api_retrieve(request.match_info["id"])
    behaviour.renew(subscription)
    resources.store.dump_to_disk()
    return web.json_response(dialect.to_new(subscription, str(request.url.origin())))


async def invoice_page(request: web.Request) -> web.Response:
    """GET /invoices/<id>: what Stripe shows at `hosted_invoice_url`."""
    found = resources.Invoice._api_retrieve(request.match_info["id"])
    invoice = dialect.to_new(found, str(request.url.origin()))
    lines = [(one["description"], one["amount"]) for one in invoice["lines"]["data"]]
    rows = "".join(
        f"<tr><td>{html.escape(text)}<td align=right>${amount / 100:,.2f}"
        for text, amount in [*lines, ("Total", invoice["total"])]
    )
    return web.Response(
        content_type="text/html",
        text="<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>Invoice {invoice['number']}</title><h1>Invoice {invoice['number']}</h1>"
        f"<p>{invoice['status']} · from the Stripe on this machine, no money moved</p>"
        f"<table cellpadding=6>{rows}</table>",
    )


UNTRANSLATED = {"/v1/invoices/create_preview", "/v1/prices"}
ROUTES = [
    web.get("/v1/account", account),
    web.get("/v1/accounts/{id}", account),
    web.get("/v1/prices", prices),
    web.post("/v1/prices", create_price),
    web.get("/v1/prices/{id}", price),
    web.post("/v1/subscriptions/{id}", update_subscription),
    web.post("/v1/invoices/create_preview", preview),
    web.post("/v1/setup_intents/{id}/confirm", server.api_extra(
        lambda **data: resources.SetupIntent._api_confirm(**data), "")),
    web.post("/_config/renew/{id}", renew),
    web.get("/invoices/{id}", invoice_page),
]  # fmt: skip


# --- State and webhooks ----------------------------------------------------------------------
def keep_state(path: Path | None) -> None:
    """Keep localstripe's objects in a file of ours, written once a request; None: in memory."""
    store = resources.Store

    def save(self: resources.Store) -> None:
        if path is not None:
            draft = path.with_suffix(".new")
            draft.write_bytes(pickle.dumps(dict(self)))
            draft.replace(path)

    store.dump_to_disk = save
    store.__setitem__, store.__delitem__ = dict.__setitem__, dict.__delitem__
    if path is not None and path.exists():
        resources.store.update(pickle.loads(path.read_bytes()))


async def send_webhook(event: resources.Event) -> None:
    """Sign an event, as Stripe does, and deliver it; try again when nobody takes it."""
    body = json.dumps(dialect.to_new(event, "")).encode()
    for webhook in webhooks._webhooks.values():
        for delay in WEBHOOK_DELAYS:
            await asyncio.sleep(delay)
            now = int(time.time())
            signed = hmac.new(webhook.secret.encode(), b"%d.%s" % (now, body), hashlib.sha256)
            headers = {
                "Content-Type": "application/json; charset=utf-8",
                "Stripe-Signature": f"t={now},v1={signed.hexdigest()}",
            }
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(webhook.url, data=body, headers=headers) as answer,
                ):
                    if answer.status < 300:
                        break
            except aiohttp.ClientError:
                continue


async def _renewals(app: web.Application) -> AsyncIterator[None]:
    async def for_ever() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_SECONDS)
            if behaviour.renew_due():
                resources.store.dump_to_disk()

    task = asyncio.create_task(for_ever())
    yield
    task.cancel()


def main() -> None:
    """Serve until somebody stops us."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--webhook", default="")
    arguments = parser.parse_args()

    behaviour.teach()
    keep_state(arguments.state)
    webhooks._send_webhook = send_webhook
    if arguments.webhook:
        secret = os.environ["LOCAL_STRIPE_WEBHOOK_SECRET"]
        webhooks.register_webhook("product", arguments.webhook, secret, None)
    server.app.middlewares.insert(0, translate)
    application = web.Application(middlewares=server.app.middlewares)
    application.add_routes(ROUTES)  # before localstripe's, so that ours are found first
    application.add_routes(
        [
            web.route(one.method, one.resource.canonical, one.handler)
            for one in server.app.router.routes()
            if one.method != "HEAD"  # comes with GET
        ]
    )
    application.on_response_prepare.append(server.add_cors_headers)
    application.cleanup_ctx.append(_renewals)
    web.run_app(application, host="127.0.0.1", port=arguments.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
