"""Our staff's pages of data requests, letters and promises.

They run as the application without any account set, so no row of a customer is seen from here;
who may read and who may answer stands in accounts.support.duties.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from accounts.models import Membership, User
from accounts.support.desk import Panel, offer
from accounts.support.duties import Power
from llmcost.admin import ReadOnlyAdmin
from llmcost.errors import AppError, NotFound
from privacy import report
from privacy.correspondence import services as letters
from privacy.models import DataRequest, Kind, Publication, State, Thread
from privacy.people import delete_child
from privacy.policy.tables import holdings
from privacy.queries import use_of_days
from privacy.requests import services, texts
from privacy.requests.services import STEPS, days_left

CLOSED_SHOWN = THREADS_SHOWN = 50
PANEL_SHOWN = 20


def _of_account(account_id: int) -> dict[str, Any]:
    """Requests and letters of an account's members, the newest first, without their words."""
    members = Membership.objects.filter(account_id=account_id).values("user_id")
    asked = DataRequest.objects.filter(user_id__in=members).order_by("-pk")
    threads = Thread.objects.filter(user_id__in=members).order_by("-last_at")
    return {
        "requests": asked.only("reference", "kind", "state", "due_at", "closed_at")[:PANEL_SHOWN],
        "threads": threads.only("reference", "topic", "last_at", "waiting_since")[:PANEL_SHOWN],
    }


offer(
    Panel(
        title="Data requests and letters",
        template="admin/panels/requests.html",
        power=Power.READ_REQUESTS,
        context=_of_account,
    )
)


class TextForm(forms.Form):
    """What is written to the person."""

    text = forms.CharField(
        label="Letter",
        widget=forms.Textarea(attrs={"rows": 12}),
        error_messages={"required": "Write what the person shall read."},
    )


class ReferForm(forms.Form):
    """To which customer a request is passed on."""

    account = forms.IntegerField(
        label="Number of the customer's account",
        min_value=1,
        help_text="Its owners get the request by mail; the person is told so.",
    )


class ChildForm(forms.Form):
    """Whom a report of a child is about."""

    email = forms.EmailField(
        label="Address of the account", help_text="Deleted at once and for good."
    )


class KindForm(forms.Form):
    """What a letter asks for."""

    kind = forms.ChoiceField(label="What is asked for", choices=Kind.choices)


class LinkForm(forms.Form):
    """Nothing but a button."""


def _text(act: Callable[..., None]) -> Callable[..., None]:
    return lambda request, data, by: act(request, data["text"], by=by)


# What can be done with a request: its form, its button and what it does.
ACTS: Mapping[str, tuple[type[forms.Form], str, Callable[[DataRequest, Any, User], Any]]] = {
    "answer": (TextForm, "Answer and close", _text(services.answer)),
    "extend": (TextForm, "Take two months more", _text(services.extend)),
    "refuse": (TextForm, "Refuse and close", _text(services.refuse)),
    "link": (
        LinkForm,
        "Send a new link",
        lambda request, _data, by: services.send_link_again(request, by=by),
    ),
    "refer": (
        ReferForm,
        "Pass on to the customer",
        lambda request, data, by: services.refer(request, data["account"], by=by),
    ),
    "child": (
        ChildForm,
        "Delete this person",
        lambda request, data, by: delete_child(request, data["email"], by=by),
    ),
}


class PrivacyAdmin(ReadOnlyAdmin):
    """What the pages of this app share: they run as the application."""

    needs = Power.READ_REQUESTS
    name: str

    @property
    def title(self) -> str:
        """What the side bar calls them."""
        return self.name

    def act_urls(self) -> dict[str, Callable[..., HttpResponse]]:
        """Return a page's further addresses, by route."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        """Return the list, one row, and what a page adds."""
        wrap = self.admin_site.act_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", wrap(self.list_page), name=f"{name}_changelist"),
            path("<int:pk>/", wrap(self.row_page), name=f"{name}_change"),
            *(
                path(route, wrap(view), name=f"{name}_{view.__name__}")
                for route, view in self.act_urls().items()
            ),
        ]

    def page(self, request: HttpRequest, template: str, **page: Any) -> HttpResponse:
        """Show a page to whoever may read it."""
        self._permit(request)
        status = page.pop("status", HTTPStatus.OK)
        page |= {"admin": self, "section": self.title}
        page["may_act"] = Power.ANSWER_REQUESTS in request.powers
        return render(request, template, page, status=status)

    def permit_act(self, request: HttpRequest) -> None:
        """Raise NotFound unless this is a POST of somebody who may answer."""
        if request.method != "POST" or Power.ANSWER_REQUESTS not in request.powers:
            raise NotFound


@admin.register(DataRequest)
class DataRequestAdmin(PrivacyAdmin):
    """The queue: what is open by the time that is left, then what was closed last."""

    name, icon = "Data requests", "inbox"

    def act_urls(self) -> dict[str, Callable[..., HttpResponse]]:
        """Return where a request is acted upon."""
        return {"<int:pk>/acts/<slug:name>/": self.act}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show the queue."""
        waiting = DataRequest.objects.filter(closed_at=None).order_by("due_at", "pk")
        closed = DataRequest.objects.exclude(closed_at=None).order_by("-closed_at")
        return self.page(
            request,
            "privacy/admin/requests.html",
            waiting=[(one, days_left(one)) for one in waiting],
            closed=closed[:CLOSED_SHOWN],
        )

    def row_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a request, its letters and steps, and what can be done."""
        return self._row(request, self.row(request, pk))

    def act(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """POST …/acts/<name>/: do it; the service decides whether it may be done."""
        self.permit_act(request)
        asked = self.row(request, pk)
        if name not in ACTS:
            raise NotFound
        form_class, label, act = ACTS[name]
        form = form_class(request.POST)
        if not form.is_valid():
            return self._row(request, asked, refused=(name, form))
        try:
            act(asked, form.cleaned_data, request.user)
        except AppError as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"Done: {label.lower()}.")
        return redirect("admin:privacy_datarequest_change", pk)

    def _row(
        self, request: HttpRequest, asked: Any, refused: tuple[str, forms.Form] | None = None
    ) -> HttpResponse:
        thread = asked.thread
        chosen = texts.ANSWERS.get(request.GET.get("text", ""), ("", ""))[1]
        shown = {}
        for name in _possible(asked):
            form_class, label, _ = ACTS[name]
            form = form_class(initial={"text": chosen}, auto_id=f"id_{name}_%s")
            shown[name] = (refused[1] if refused and refused[0] == name else form, label)
        return self.page(
            request,
            "privacy/admin/request.html",
            asked=asked,
            left=days_left(asked),
            person=letters.person_of(thread) if thread else None,
            letters=letters.letters_of(thread) if thread else (),
            steps=[
                (step.at, STEPS[step.what], step.by_user_id) for step in asked.steps.order_by("pk")
            ],
            acts=shown,
            texts=[(name, label) for name, (label, _) in texts.ANSWERS.items()],
            status=HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK,
        )


def _possible(asked: DataRequest) -> list[str]:
    """Return the acts to offer; the service has the last word."""
    if asked.closed_at is not None:
        return []
    if asked.state in services.UNVERIFIED:
        return ["link", "refuse"]
    more = ["child"] if asked.kind == Kind.CHILD else ["refer"]
    return ["answer", *(["extend"] if asked.state == State.IN_PROGRESS else []), "refuse", *more]


@admin.register(Thread)
class ThreadAdmin(PrivacyAdmin):
    """Letters to us: those that wait for an answer first."""

    name, icon = "Letters", "mail"

    def act_urls(self) -> dict[str, Callable[..., HttpResponse]]:
        """Return where a letter is answered, and where it becomes a request."""
        return {"<int:pk>/answer/": self.answer, "<int:pk>/request/": self.make_request}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show what waits, then the newest."""
        waiting = Thread.objects.exclude(waiting_since=None).order_by("waiting_since")
        quiet = Thread.objects.filter(waiting_since=None).order_by("-last_at")
        found = [*waiting[:THREADS_SHOWN], *quiet[:THREADS_SHOWN]]
        return self.page(
            request,
            "privacy/admin/letters.html",
            threads=[(one, letters.person_of(one)) for one in found],
        )

    def row_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show one thread."""
        return self._row(request, self.row(request, pk), TextForm())

    def answer(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST …/answer/"""
        self.permit_act(request)
        thread = self.row(request, pk)
        form = TextForm(request.POST)
        if not form.is_valid():
            return self._row(request, thread, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        letters.answer(thread, form.cleaned_data["text"], by=request.user)
        messages.success(request, "Sent.")
        return redirect("admin:privacy_thread_change", pk)

    def make_request(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST …/request/: a link goes to the address, because a sender can be forged."""
        self.permit_act(request)
        form = KindForm(request.POST)
        if not form.is_valid():
            raise NotFound
        try:
            made = services.open_from_thread(
                self.row(request, pk), kind=form.cleaned_data["kind"], by=request.user
            )
        except AppError as refusal:
            messages.error(request, refusal.message)
            return redirect("admin:privacy_thread_change", pk)
        return redirect("admin:privacy_datarequest_change", made.pk)

    def _row(
        self, request: HttpRequest, thread: Any, form: forms.Form, **more: Any
    ) -> HttpResponse:
        return self.page(
            request,
            "privacy/admin/letter.html",
            thread=thread,
            person=letters.person_of(thread),
            letters=letters.letters_of(thread),
            asked=thread.requests.first(),
            form=form,
            kinds=KindForm(),
            **more,
        )


@admin.register(Publication)
class PromisesAdmin(PrivacyAdmin):
    """What we promise: whether it holds, the record of processing, what is used how often."""

    name, icon = "Promises", "shield"

    def act_urls(self) -> dict[str, Callable[..., HttpResponse]]:
        """Return the record of processing and the page of use."""
        return {"record/": self.record, "use/": self.use}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show the report of every promise."""
        return self.page(request, "privacy/admin/promises.html", lines=report.report())

    def row_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """There is nothing more to a publication."""
        raise NotFound

    def record(self, request: HttpRequest) -> HttpResponse:
        """GET …/record/: the record of processing activities (GDPR art. 30)."""
        return self.page(request, "privacy/admin/record.html", holdings=holdings())

    def use(self, request: HttpRequest) -> HttpResponse:
        """GET …/use/: page views and features used in the last thirty days."""
        return self.page(request, "privacy/admin/use.html", use=use_of_days(30))


def _broken_promises(request: HttpRequest) -> str:
    """Say on the admin's front page which promises do not hold now."""
    if Power.READ_REQUESTS not in request.powers:
        return ""
    broken = [line.name for line in report.report() if not line.holds]
    return f"Does not hold (see Promises): {'; '.join(broken)}." if broken else ""


admin.site.warnings.append(_broken_promises)
