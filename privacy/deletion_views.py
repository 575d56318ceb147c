"""Pages that delete: first what would go and how much, then, confirmed by a word, the request."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import member_page, person_page
from accounts.rights import Right
from llmcost.errors import AppError
from privacy import erasure, people, purge, receipt_words, receipts, retention
from privacy.deletion_api import receipt_json
from privacy.deletion_forms import (
    WRONG_WORD,
    ConfirmForm,
    DeleteSpanForm,
    EraseUserForm,
    RetentionForm,
)
from privacy.queries import accounts_of, erasures_of
from projects.access import all_projects_of
from projects.models import Project


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.ERASE_DATA, fresh=True)
def erase_user(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/erase/"""
    own = list(all_projects_of(request))
    if request.method != "POST":
        return _page(request, "erase_user", EraseUserForm(projects=own))
    form = EraseUserForm(request.POST, projects=own)
    if not form.is_valid():
        return _page(request, "erase_user", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    user_id = form.cleaned_data["user_id"]
    calls = erasure.preview(form.chosen, user_id=user_id)
    if not calls:
        form.add_error("user_id", erasure.NothingHeld.message)
        return _page(request, "erase_user", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if not form.is_confirmed:
        return _shown_first(request, "erase_user", form, calls)
    erasure.erase_user(
        form.chosen,
        user_id,
        mode=form.cleaned_data["mode"],
        refuse_later=form.cleaned_data["refuse_later"],
        by=request.user,
    )
    return _asked(request)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.ERASE_DATA, fresh=True)
def delete_span(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/delete/"""
    own = list(all_projects_of(request))
    if request.method != "POST":
        return _page(request, "delete_span", DeleteSpanForm(projects=own))
    form = DeleteSpanForm(request.POST, projects=own)
    if not form.is_valid():
        return _page(request, "delete_span", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    everything = form.cleaned_data["everything"]
    calls = erasure.preview(form.chosen, *(() if everything else form.span))
    if not calls and not everything:
        form.add_error(None, "No call of this project lies in these days.")
        return _page(request, "delete_span", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if not form.is_confirmed:
        return _shown_first(request, "delete_span", form, calls)
    try:
        if everything:
            erasure.erase_project(form.chosen, by=request.user)
        else:
            erasure.erase_span(form.chosen, *form.span, by=request.user)
    except AppError as refused:
        form.add_error(None, refused.message)
        return _page(request, "delete_span", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _asked(request)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.ERASE_DATA, fresh=True)
def keep_shorter(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/retention/"""
    form = RetentionForm(request.POST or None, projects=list(all_projects_of(request)))
    if request.method != "POST":
        return _page(request, "retention", form)
    if not form.is_valid():
        return _page(request, "retention", form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    for project, days in form.changes:
        retention.set_retention(project, days, by=request.user)
    messages.success(request, "Saved. What is older is deleted from tonight on.")
    return redirect("privacy:data")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.OWN_ACCOUNT, fresh=True, while_read_only=True)
def delete_account(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/delete-account/: the purge of a closed account, at once."""
    form = ConfirmForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        purge.purge_now(request.account.pk, by=request.user)
        messages.success(request, "It has begun. In a few minutes nothing of the account is left.")
        return redirect("privacy:data")
    page = {"section": "Data & privacy", "form": form}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "privacy/delete_account.html", page, status=status)


@never_cache
@person_page(fresh=True)
def delete_person(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/deletion/: what we hold of whoever asks, at once and for good."""
    form = ConfirmForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        people.forget_on_request(request.user)
        logout(request)
        return redirect("privacy:person_deleted")
    accounts = accounts_of(request.user)
    page = {
        "section": "Your profile",
        "form": form,
        "owned": [account for account, is_own in accounts if is_own],
        "left": [account for account, is_own in accounts if not is_own],
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "privacy/delete_person.html", page, status=status)


@require_safe
def person_deleted(request: HttpRequest) -> HttpResponse:
    """GET /privacy/deleted/"""
    return render(request, "privacy/person_deleted.html")


@require_safe
@never_cache
@member_page(Right.READ_AUDIT)
def deletions(request: HttpRequest) -> HttpResponse:
    """GET /account/data/deletions/: what was asked, how far it is, and the receipts."""
    asked = erasures_of(request.account.pk)[:100]
    projects = Project.objects.filter(account_id=request.account.pk).in_bulk()
    page = {
        "section": "Data & privacy",
        "asked": [(one, projects.get(one.project_id)) for one in asked],
        "receipts": receipts.receipts_of(request.account.public_id)[:100],
        "is_busy": any(one.state in ("queued", "running") for one in asked),
    }
    is_part = request.htmx and not request.htmx.history_restore_request
    template = "privacy/deletions.html#progress" if is_part else "privacy/deletions.html"
    return render(request, template, page)


@require_safe
@never_cache
@member_page(Right.READ_AUDIT)
def receipt(request: HttpRequest, number: int) -> HttpResponse:
    """GET /account/data/deletions/<number>.json"""
    one = receipts.receipt_of(request.account.public_id, number)
    answer = JsonResponse(receipt_json(one), json_dumps_params={"indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="receipt-{number}.json"'
    return answer


@require_safe
@never_cache
@member_page(Right.READ_AUDIT)
def receipt_page(request: HttpRequest, number: int) -> HttpResponse:
    """GET /account/data/deletions/<number>/: the same for people, to read and to print."""
    one = receipts.receipt_of(request.account.public_id, number)
    page = {
        "section": "Data & privacy",
        "here": f"No. {number}",
        "receipt": one,
        "read": receipt_words.read(one),
        "public_key": receipts.public_key(),
    }
    return render(request, "privacy/receipt.html", page)


def _page(
    request: HttpRequest, name: str, form: Any, *, status: int = 200, calls: int | None = None
) -> HttpResponse:
    page = {"section": "Data & privacy", "form": form, "calls": calls}
    return render(request, f"privacy/{name}.html", page, status=status)


def _shown_first(request: HttpRequest, name: str, form: Any, calls: int) -> HttpResponse:
    """Show what would go and ask for the word; say so when another one was typed."""
    status = HTTPStatus.OK
    if form.cleaned_data["confirmation"]:
        form.add_error("confirmation", WRONG_WORD)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, name, form, status=status, calls=calls)


def _asked(request: HttpRequest) -> HttpResponse:
    messages.success(request, "It has begun. The receipt stands here when it is done and checked.")
    return redirect("privacy:deletions")
