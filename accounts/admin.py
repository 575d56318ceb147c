"""Our staff's pages of accounts and of its own acts; what this app puts on an account's page."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core import context
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Collate, Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from accounts import audit
from accounts.models import Account, Membership, StaffAct, User
from accounts.support import grants
from accounts.support.desk import (
    ACTS,
    FINDERS,
    MOST_FOUND,
    PANELS,
    Act,
    CannotAct,
    Choices,
    Done,
    Panel,
    find,
    offer,
    perform,
)
from accounts.support.duties import Power
from llmcost.admin import LARGEST_ID, ReadOnlyAdmin
from llmcost.errors import AppError, NotFound
from llmcost.tenancy.context import support_staff

# What an account's page shows of what staff did; the rest is in the list of acts.
ACTS_SHOWN = 20
LONGEST_REASON = 500


class ActForm(forms.Form):
    """What to do it to, if there is a choice, and why."""

    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The customer reads this in their audit trail.",
        error_messages={"required": "Say why: the customer reads it."},
    )

    def __init__(self, act: Act, choices: Choices, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id=f"id_{act.name}_%s", **kwargs)
        if act.choices:
            self.fields["target"] = forms.ChoiceField(
                label=act.choice_label,
                choices=choices,
                error_messages={"invalid_choice": "This is no choice any more. Choose again."},
            )
            self.order_fields(["target", "reason"])


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Staff find an account, see what its apps offer to show, and act on it with a reason."""

    needs = Power.FIND_ACCOUNTS
    icon = "user"
    list_display = ["name", "id", "state", "created_at"]
    fields = ["id", "public_id", "created_at", "state"]
    row_template = "admin/account.html"
    search_label = "E-mail address, company, Stripe customer or key hint"
    empty = "No account yet."

    @admin.display(description="State")
    def state(self, account: Account) -> str:
        """Say in a word whether the account works."""
        if account.closed_at:
            return f"closed, deleted on {account.purge_due_at:%-d %b %Y}"
        return "suspended" if account.suspended_at else "active"

    def search(self, rows: QuerySet[Account], text: str) -> QuerySet[Account]:
        """Return the accounts that any app's finder finds."""
        return rows.filter(pk__in=find(text))

    def get_urls(self) -> list[URLPattern]:
        """Add the acts, and the way to the customer's pages and back."""
        act_view = self.admin_site.act_view
        return [
            *super().get_urls(),
            path("<int:pk>/acts/<slug:name>/", act_view(self.act_page), name="account_act"),
            path("<int:pk>/look/", act_view(self.look), name="account_look"),
            path("look/end/", act_view(self.look_end), name="account_look_end"),
        ]

    def row_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show an account with all that this member of staff may see of it and do."""
        return self._account_page(request, pk)

    def act_page(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """POST …/acts/<name>/: do it, or say what is missing."""
        act = ACTS.get(name)
        if request.method != "POST" or act is None or act.power not in request.powers:
            raise NotFound
        with support_staff():
            account = self.row(request, pk)
            form = ActForm(act, act.choices(pk) if act.choices else [], request.POST)
            if not form.is_valid():
                response = self._account_page(request, pk, refused=(act, form))
                response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
                return response.render()
        reason, target = form.cleaned_data["reason"], form.cleaned_data.get("target", "")
        try:
            perform(act, account.pk, target=target, reason=reason, by=request.user)
        except AppError as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"Done: {act.label.lower()}.")
        return redirect("admin:accounts_account_change", pk)

    def look(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST …/look/: go to the customer's pages, under their grant."""
        if request.method != "POST" or Power.LOOK not in request.powers or pk > LARGEST_ID:
            raise NotFound
        if grants.begin_look(request, pk):
            return redirect("events:overview")
        messages.error(request, "The customer has not granted this, or it has ended.")
        return redirect("admin:accounts_account_change", pk)

    def look_end(self, request: HttpRequest) -> HttpResponse:
        """POST …/look/end/: leave the customer's pages."""
        if request.method != "POST":
            raise NotFound
        account_id = grants.end_look(request)
        if account_id is None:
            return redirect("admin:index")
        return redirect("admin:accounts_account_change", account_id)

    def _account_page(
        self, request: HttpRequest, pk: int, refused: tuple[Act, ActForm] | None = None
    ) -> Any:
        account = self.row(request, pk)
        acts = []
        for act in ACTS.values():
            choices = act.choices(pk) if act.choices else []
            if act.power in request.powers and (choices or not act.choices):
                is_refused = refused is not None and refused[0] is act
                form = refused[1] if refused and is_refused else ActForm(act, choices)
                acts.append({"act": act, "form": form, "is_refused": is_refused})
        panels = [
            {"panel": panel, **panel.context(pk)}
            for panel in PANELS
            if panel.power in request.powers
        ]
        return self.show_row(
            request,
            account,
            panels=panels,
            acts=acts,
            may_look=Power.LOOK in request.powers,
            grant=grants.grant_in_force(pk),
        )


@admin.register(StaffAct)
class StaffActAdmin(ReadOnlyAdmin):
    """Our side of the trail: what staff did and looked at, by number."""

    needs = Power.READ_LOG
    icon = "clock"
    list_display = ["at", "staff_id", "account_id", "what", "subject", "reason"]
    empty = "Nobody did anything yet."

    @admin.display(description="What")
    def what(self, act: StaffAct) -> str:
        """Say it in the words of the customer's trail."""
        return audit.ACTIONS[act.action]


# --- Ways to find an account -----------------------------------------------------------------
def by_company(text: str) -> Iterable[int]:
    """Find accounts whose company begins with `text`."""
    named = Account.objects.annotate(begins=Collate(Lower("name"), "C"))
    found = named.filter(begins__startswith=text.lower()).order_by("begins")
    return found.values_list("pk", flat=True)[:MOST_FOUND]


def by_email(text: str) -> Iterable[int]:
    """Find accounts with a member whose address begins with `text`."""
    people = User.objects.annotate(begins=Collate("email", "C"))
    found = people.filter(begins__startswith=text.lower()).order_by("begins")
    users = list(found.values_list("pk", flat=True)[:MOST_FOUND])
    return Membership.objects.filter(user_id__in=users).values_list("account_id", flat=True)


def by_number(text: str) -> Iterable[int]:
    """Find the account of that number, as our own log names it."""
    return [int(text)] if text.isascii() and text.isdecimal() and int(text) <= LARGEST_ID else []


FINDERS += [by_company, by_email, by_number]


# --- What the page of an account shows -------------------------------------------------------
def _members(account_id: int) -> dict[str, Any]:
    members = Membership.objects.filter(account_id=account_id).order_by("pk")
    people = User.objects.only("email", "name", "is_active", "last_login").in_bulk(
        [member.user_id for member in members]
    )
    return {"rows": [(member, people[member.user_id]) for member in members]}


def _acts_of_staff(account_id: int) -> dict[str, Any]:
    acts = list(StaffAct.objects.filter(account_id=account_id).order_by("-pk")[:ACTS_SHOWN])
    people = User.objects.only("name").in_bulk({act.staff_id for act in acts})
    return {
        "rows": [
            (act, audit.ACTIONS[act.action], getattr(people.get(act.staff_id), "name", "somebody"))
            for act in acts
        ]
    }


offer(
    Panel(
        title="Members",
        template="admin/panels/members.html",
        power=Power.FIND_ACCOUNTS,
        context=_members,
    ),
    Panel(
        title="Notes and acts of our staff",
        template="admin/panels/acts.html",
        power=Power.FIND_ACCOUNTS,
        context=_acts_of_staff,
    ),
)


# --- What staff may do with an account -------------------------------------------------------
def _note(_account: Account, _target: str, _by: User) -> Done:
    return Done()


def _waiting_addresses(account_id: int) -> Choices:
    """Members who have not confirmed their address yet."""
    members = Membership.objects.filter(account_id=account_id).values("user_id")
    waiting = EmailAddress.objects.filter(user_id__in=members, verified=False).order_by("pk")
    return [(str(pk), email) for pk, email in waiting.values_list("pk", "email")]


def _send_verification(account: Account, target: str, _by: User) -> Done:
    members = Membership.objects.filter(account_id=account.pk).values("user_id")
    address = EmailAddress.objects.filter(pk=int(target), user_id__in=members).first()
    if address is None or address.verified:
        raise CannotAct("This address is confirmed already.")
    address.send_confirmation(context.request)
    return Done(member=address.user)


offer(
    Act(
        name="note",
        label="Leave a note",
        explains="For colleagues and for the customer: it stands on this page and in their trail.",
        action="support.noted",
        power=Power.NOTE,
        run=_note,
    ),
    Act(
        name="verification",
        label="Send the verification mail again",
        explains="To a member who has not confirmed their address.",
        action="support.verification_sent",
        power=Power.VERIFY,
        choices=_waiting_addresses,
        choice_label="To whom",
        run=_send_verification,
    ),
)
