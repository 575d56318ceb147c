"""The billing pages. Whatever asks Stripe runs outside of a transaction."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import member_page
from accounts.rights import Right, may
from billing.errors import (
    CardDeclined,
    CardNotUsable,
    PaymentFailing,
    PlanNotPossible,
    TaxIdRefused,
)
from billing.forms import (
    AddressForm,
    CardForm,
    LimitForm,
    PurchaseForm,
    bought_plan,
    quote,
    quoted,
)
from billing.models import AtLimit, Invoice, Status
from billing.plans import PAID, TEAM, TRIAL_DAYS
from billing.quotas import usage_of
from billing.services import changes, failure, purchase
from billing.services.limits import choose_at_limit
from billing.standing import GRACE, is_bought, is_on_trial, plan_in_force, standing_of
from billing.stripe import checkout, client
from llmcost import clock
from llmcost.errors import NotFound
from llmcost.tenancy.context import tenant

INVOICES_SHOWN = 24
billing_page = member_page(Right.READ_BILLING)
# Paying must be possible while the account is read-only for not having paid.
payer_page = member_page(Right.MANAGE_BILLING, own_transactions=True, while_read_only=True)
fresh_payer_page = member_page(
    Right.MANAGE_BILLING, own_transactions=True, while_read_only=True, fresh=True
)


@require_safe
@never_cache
@billing_page
def overview(request: HttpRequest) -> HttpResponse:
    """GET /account/billing/: plan, use, invoices; nothing here waits for Stripe."""
    billing, now = standing_of(request.account.pk), clock.now()
    plan = plan_in_force(billing, now)
    usage = usage_of(request.account.pk, plan, now)
    page = {
        "section": "Billing",
        "billing": billing,
        "plan": plan,
        "usage": usage,
        "overage": plan.overage(usage.beyond) if billing.at_limit == AtLimit.PAY else None,
        "is_bought": is_bought(billing),
        "is_on_trial": is_on_trial(billing, now),
        "may_try": not is_bought(billing) and billing.trial_until is None,
        "trial": TEAM,
        "trial_days": TRIAL_DAYS,
        "read_only_at": billing.past_due_since and billing.past_due_since + GRACE,
        "waits_for_bank": billing.status == Status.INCOMPLETE,
        "may_change": may(request.membership.role, Right.MANAGE_BILLING),
        "sells": client.is_on(),
        "paid": PAID,
        "limit_form": LimitForm(initial={"at_limit": billing.at_limit}),
        "invoices": Invoice.objects.filter(account_id=request.account.pk).order_by("-issued_at")[
            :INVOICES_SHOWN
        ],
    }
    return render(request, "billing/overview.html", page)


@require_POST
@payer_page
def trial(request: HttpRequest) -> HttpResponse:
    """POST /account/billing/trial/"""
    if purchase.start_trial(request.account, by=request.user):
        messages.success(request, f"You have {TEAM.name} for {TRIAL_DAYS} days. No card, no bill.")
    else:
        messages.info(request, "This account has had its trial.")
    return redirect("billing:overview")


@require_POST
@payer_page
def limit(request: HttpRequest) -> HttpResponse:
    """POST /account/billing/limit/"""
    form = LimitForm(request.POST)
    if not form.is_valid():
        raise NotFound
    choose_at_limit(request.account, form.cleaned_data["at_limit"], by=request.user)
    messages.success(request, "Saved.")
    return redirect("billing:overview")


# --- Buying ----------------------------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@fresh_payer_page
def plan(request: HttpRequest, code: str) -> HttpResponse:
    """GET, POST /account/billing/plans/<plan>/: buy it, or move to it."""
    wanted = bought_plan(code)
    if wanted is None:
        raise NotFound
    with tenant(request.account.pk):
        billing = standing_of(request.account.pk)
    if is_bought(billing) or billing.past_due_since is not None:
        return _change(request, wanted)
    if request.method != "POST":
        form = PurchaseForm(initial={"name": request.account.name, **billing.billing_address})
        return _purchase_page(request, wanted, form)
    form = PurchaseForm(request.POST)
    if not form.is_valid() or not _save_address(request, form):
        return _purchase_page(request, wanted, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        purchase.use_card(request.account, form.cleaned_data["setup_intent"], by=request.user)
        payment = purchase.buy(
            request.account,
            wanted,
            occasion=form.cleaned_data["setup_intent"],
            by=request.user,
        )
    except (CardDeclined, CardNotUsable) as error:
        form.data = form.data.copy()
        form.data["setup_intent"] = ""
        form.add_error(None, error.message)
        return _purchase_page(request, wanted, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if payment.needs_confirmation:
        return redirect("billing:payment")
    messages.success(request, f"Thank you. You have {wanted.name} from now on.")
    return redirect("billing:overview")


@require_POST
@payer_page
def card_setup(request: HttpRequest) -> HttpResponse:
    """POST /account/billing/card/setup/: begin to take a card; our own script asks."""
    secret = purchase.begin_card(request.account, by=request.user)
    return JsonResponse({"client_secret": secret})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@fresh_payer_page
def card(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/billing/card/: another card; what is overdue is paid with it at once."""
    form = CardForm(request.POST or None)
    if request.method != "POST":
        return _card_page(request, form)
    if not form.is_valid():
        return _card_page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        used = purchase.use_card(
            request.account, form.cleaned_data["setup_intent"], by=request.user
        )
        payment = failure.pay_overdue(request.account, by=request.user)
    except (CardDeclined, CardNotUsable) as error:
        form.data = form.data.copy()
        form.data["setup_intent"] = ""
        form.add_error(None, error.message)
        return _card_page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if payment is not None and payment.needs_confirmation:
        return redirect("billing:payment")
    paid = " What was overdue is paid." if payment is not None else ""
    messages.success(request, f"Payments are made with •••• {used.last4} from now on.{paid}")
    return redirect("billing:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@payer_page
def payment(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/billing/payment/: the bank asks the card's holder (3-D Secure)."""
    if request.method != "POST":
        waiting = purchase.waiting_payment(request.account)
        if waiting is None:
            return redirect("billing:overview")
        page = {"section": "Billing", "payment": waiting, **_stripe_js()}
        return _with_stripe(_page(request, "billing/payment.html", page))
    try:
        found = purchase.confirm_payment(request.account, by=request.user)
    except CardDeclined:
        messages.error(
            request,
            "Your bank did not confirm the payment. Nothing was charged, and your plan is as it"
            " was: try again, or use another card.",
        )
        return redirect("billing:overview")
    if found is not None and found.needs_confirmation:
        return redirect("billing:payment")
    if found is not None:
        messages.success(request, "Thank you. Your payment is confirmed.")
    return redirect("billing:overview")


# --- Changing --------------------------------------------------------------------------------
def _change(request: HttpRequest, wanted: Any) -> HttpResponse:
    try:
        if request.method == "POST":
            return _change_now(request, wanted)
        at = clock.now().replace(microsecond=0)
        preview = changes.preview_change(request.account, wanted, at=at)
    except (PaymentFailing, PlanNotPossible) as error:
        messages.warning(request, error.message)
        return redirect("billing:overview")
    page = {
        "section": "Billing",
        "plan": wanted,
        "preview": preview,
        "quote": quote(wanted, int(at.timestamp())),
    }
    return _page(request, "billing/change.html", page)


def _change_now(request: HttpRequest, wanted: Any) -> HttpResponse:
    shown = quoted(request.POST.get("quote", ""))
    if shown is None or shown[0] != wanted.code:
        messages.warning(request, "The amounts have changed meanwhile. Look at them once more.")
        return redirect("billing:plan", code=wanted.code)
    at = datetime.fromtimestamp(shown[1], UTC)
    try:
        paid = changes.change_plan(request.account, wanted, at=at, by=request.user)
    except CardDeclined:
        messages.error(
            request,
            "Your bank declined the card, so the plan stays as it was and nothing was charged."
            " Try another card.",
        )
        return redirect("billing:overview")
    if paid.needs_confirmation:
        return redirect("billing:payment")
    messages.success(request, f"You have {wanted.name} from now on.")
    return redirect("billing:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@fresh_payer_page
def cancellation(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/billing/cancellation/"""
    with tenant(request.account.pk):
        billing = standing_of(request.account.pk)
    if request.method != "POST":
        return _page(
            request, "billing/cancellation.html", {"section": "Billing", "billing": billing}
        )
    try:
        changes.cancel(request.account, by=request.user)
    except PlanNotPossible as error:
        messages.info(request, error.message)
    else:
        messages.success(request, "Canceled. Your plan stays until the month you paid for ends.")
    return redirect("billing:overview")


@require_POST
@payer_page
def resumption(request: HttpRequest) -> HttpResponse:
    """POST /account/billing/resumption/"""
    try:
        changes.resume(request.account, by=request.user)
    except PlanNotPossible as error:
        messages.info(request, error.message)
    else:
        messages.success(request, "Your plan goes on.")
    return redirect("billing:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@payer_page
def address(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/billing/address/"""
    if request.method != "POST":
        with tenant(request.account.pk):
            billing = standing_of(request.account.pk)
        customer = billing.stripe_customer_id
        initial = {
            "name": request.account.name,
            **billing.billing_address,
            "tax_id": checkout.tax_id_of(customer) if customer else "",
        }
        return _address_page(request, AddressForm(initial=initial))
    form = AddressForm(request.POST)
    if not form.is_valid() or not _save_address(request, form):
        return _address_page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    messages.success(request, "Saved. It stands on your next invoice.")
    return redirect("billing:overview")


@require_safe
@never_cache
@member_page(Right.READ_BILLING, own_transactions=True)
def invoice(request: HttpRequest, stripe_id: str) -> HttpResponse:
    """GET /account/billing/invoices/<id>/: on to Stripe, by a link that we do not keep."""
    with tenant(request.account.pk):
        billing = standing_of(request.account.pk)
    if not billing.stripe_customer_id:
        raise NotFound
    return HttpResponseRedirect(checkout.invoice_page(billing.stripe_customer_id, stripe_id))


# --- Pages -----------------------------------------------------------------------------------
def _save_address(request: HttpRequest, form: AddressForm) -> bool:
    """Save address and VAT id; False, with the form saying so, if Stripe refuses the id."""
    account, by = request.account, request.user
    purchase.save_address(account, name=form.cleaned_data["name"], address=form.address, by=by)
    try:
        purchase.save_tax_id(account, kind=form.kind, value=form.cleaned_data["tax_id"], by=by)
    except TaxIdRefused as error:
        form.add_error("tax_id", error.message)
        return False
    return True


def _purchase_page(
    request: HttpRequest, wanted: Any, form: PurchaseForm, *, status: int = 200
) -> HttpResponse:
    page = {"section": "Billing", "plan": wanted, "form": form, **_stripe_js()}
    return _with_stripe(_page(request, "billing/purchase.html", page, status=status))


def _card_page(request: HttpRequest, form: CardForm, *, status: int = 200) -> HttpResponse:
    page = {"section": "Billing", "form": form, **_stripe_js()}
    return _with_stripe(_page(request, "billing/card.html", page, status=status))


def _address_page(request: HttpRequest, form: AddressForm, *, status: int = 200) -> HttpResponse:
    page = {"section": "Billing", "form": form}
    return _page(request, "billing/address.html", page, status=status)


def _page(
    request: HttpRequest, template: str, page: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    with tenant(request.account.pk):  # what every page shows of the account comes from there
        return render(request, template, page, status=status)


def _stripe_js() -> dict[str, Any]:
    return {
        "local_stripe": settings.LOCAL_STRIPE,
        "stripe_js": settings.STRIPE_JS_URL,
        "stripe_key": settings.STRIPE_PUBLISHABLE_KEY,
    }


def _with_stripe(response: HttpResponse) -> HttpResponse:
    """Let this one page load Stripe's script and what that talks to; no other page may."""
    response._csp_update = settings.STRIPE_CSP  # noqa: SLF001 - as csp's decorators do
    return response
