"""The page on which a customer lets our support look, and sees what it looked at."""

from http import HTTPStatus

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.access import member_page
from accounts.models import AuditEvent, User
from accounts.rights import Right
from accounts.support import grants

# What the page shows of the trail; all of it is in the audit trail.
SHOWN = 50


class GrantForm(forms.Form):
    """For how long, and what for."""

    duration = forms.ChoiceField(
        label="For how long",
        choices=[(name, words) for name, (_, words) in grants.DURATIONS.items()],
        error_messages={"invalid_choice": "Choose one of the times in the list."},
    )
    reason = forms.CharField(
        label="What for",
        max_length=200,
        help_text="A ticket's number or a few words. Our staff reads this.",
        error_messages={"required": "Say in a few words what support shall look at."},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Right.MANAGE_SECURITY, fresh=True)
def support(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/security/support/"""
    form = GrantForm(request.POST or None, initial={"duration": "24h"})
    if request.method == "POST":
        if form.is_valid():
            grants.grant_access(request.account, by=request.user, **form.cleaned_data)
            messages.success(request, "Our support may look now. You can end it at any time.")
            return redirect("accounts:support")
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(request, form, HTTPStatus.OK)


@require_POST
@member_page(Right.MANAGE_SECURITY, while_read_only=True)
def support_end(request: HttpRequest) -> HttpResponse:
    """POST /account/security/support/end/: without a password first, because ending is urgent."""
    if grants.end_access(request.account, by=request.user):
        messages.success(request, "Support access has ended.")
    return redirect("accounts:support")


def _page(request: HttpRequest, form: GrantForm, status: int) -> HttpResponse:
    acts = AuditEvent.objects.made_here().filter(
        account_id=request.account.pk, action__startswith="support."
    )
    lines = acts.order_by("-at", "-pk")[:SHOWN]
    people = User.objects.in_bulk({line.user_id for line in lines if line.user_id})
    page = {
        "section": "Security",
        "form": form,
        "grant": grants.grant_in_force(request.account.pk),
        "lines": [
            {
                "at": line.at,
                "who": _who(line, people),
                "what": audit.ACTIONS[line.action],
                "subject": line.subject,
                "reason": line.details.get("reason", ""),
            }
            for line in lines
        ],
    }
    return render(request, "accounts/support.html", page, status=status)


def _who(line: AuditEvent, people: dict[int, User]) -> str:
    """Name who acted: a colleague in full, our staff by the first name, the service as such."""
    person = people.get(line.user_id)
    if line.actor == "support":
        return f"{person.name.split()[0]} of our support" if person else "Our support"
    return person.name if person else line.get_actor_display()
