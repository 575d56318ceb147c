"""One end user of a customer: what is held, all of it as a file, their later calls let in again.

The user id is the customer's own and may be somebody's address: it travels in the bodies of
POSTs only, so that no address, history or log has it, and the audit trail has a keyed hash.
"""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import member_page
from accounts.rights import Right
from events.reports.end_user import end_user as what_is_held
from llmcost import clock
from llmcost.api.throttle import take_turn
from llmcost.errors import NotFound
from privacy import receipts, refusals
from privacy.deletion_forms import EndUserForm, EraseUserForm
from privacy.erasure import NothingHeld
from privacy.exports import persons
from privacy.models import Erasure
from projects.access import all_projects_of
from projects.models import Project

# For one member in one process: nobody types faster, and nobody shall try ids by the thousand.
LOOKS_PER_SECOND = 5


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_page(Right.EXPORT_DATA, fresh=True, while_read_only=True)
def end_user(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/data/user/: type an id, see what is held."""
    own = list(all_projects_of(request))
    if request.method != "POST":
        return _page(request, EndUserForm(projects=own), own)
    form = _checked(request, own)
    if form.errors:
        return _page(request, form, own)
    user_id, user_ref = form.cleaned_data["user_id"], _reference(request, form)
    held = what_is_held(request.account.pk, form.chosen.pk, user_id)
    erasing = Erasure.objects.open().filter(
        account_id=request.account.pk, project_id=form.chosen.pk, user_ref=user_ref
    )
    found = {
        "held": held,
        "user_id": user_id,
        "project_of_user": form.chosen,
        "erasing": erasing.first(),
        "refused_since": refusals.refused_since(form.chosen, user_ref),
    }
    if not (held.calls or found["erasing"] or found["refused_since"]):
        form.add_error("user_id", NothingHeld.message)
        return _page(request, form, own)
    return _page(request, form, own, **found, erase=EraseUserForm(projects=own))


@require_POST
@never_cache
@member_page(Right.EXPORT_DATA, fresh=True, while_read_only=True)
def calls(request: HttpRequest) -> HttpResponseBase:
    """POST /account/data/user/calls/: all calls as a file, in the form that the button names."""
    own = list(all_projects_of(request))
    form = _checked(request, own)
    try:
        written = persons.Form(request.POST.get("format", persons.Form.JSON))
    except ValueError:
        form.add_error(None, "Choose JSON or CSV.")
    if form.errors:
        return _page(request, form, own)
    try:
        parts = persons.hand_out(
            form.chosen, form.cleaned_data["user_id"], written, by=request.user
        )
    except NothingHeld as none:
        form.add_error("user_id", none.message)
        return _page(request, form, own)
    answer = StreamingHttpResponse(parts, content_type=written.content_type)
    name = f"end-user-{clock.now():%Y-%m-%d}.{'csv' if written is persons.Form.CSV else 'jsonl'}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_POST
@never_cache
@member_page(Right.ERASE_DATA, fresh=True)
def readmission(request: HttpRequest) -> HttpResponse:
    """POST /account/data/user/readmission/: take later calls of an erased user again."""
    own = list(all_projects_of(request))
    form = _checked(request, own)
    if form.errors:
        return _page(request, form, own)
    try:
        refusals.readmit(form.chosen, _reference(request, form), by=request.user)
    except NotFound as not_refused:
        form.add_error("user_id", not_refused.message)
        return _page(request, form, own)
    messages.success(request, "Later calls of this user id are taken again, in a few seconds.")
    return redirect("privacy:end_user")


def _checked(request: HttpRequest, own: list[Project]) -> EndUserForm:
    """Return the form that was sent, checked. Raises RateLimited."""
    take_turn(("end user", request.user.pk), LOOKS_PER_SECOND)
    form = EndUserForm(request.POST, projects=own)
    form.full_clean()
    return form


def _reference(request: HttpRequest, form: EndUserForm) -> str:
    return receipts.reference(
        "user", request.account.public_id, form.chosen.pk, form.cleaned_data["user_id"]
    )


def _page(
    request: HttpRequest, form: EndUserForm, own: list[Project], **found: Any
) -> HttpResponse:
    numbers = refusals.numbers(request.account.pk)
    page = {
        "section": "Data & privacy",
        "form": form,
        "refused": [(one, numbers[one.pk]) for one in own if one.pk in numbers],
        **found,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "privacy/end_user.html", page, status=status)
