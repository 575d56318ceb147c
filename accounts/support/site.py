"""The admin for our own staff: who gets in, and as which database role its pages run."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import include, path, reverse
from django.utils.http import urlencode

from accounts.models import User
from accounts.support.duties import powers_of
from llmcost.admin import ReadOnlyAdmin
from llmcost.errors import NotFound, answer
from llmcost.tenancy.context import support_staff

View = Callable[..., HttpResponse]
Warn = Callable[[HttpRequest], str]
# Recovery codes stand in for these when a device is lost; alone they are no second factor.
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class StaffSite(admin.AdminSite):
    """The admin for our staff. Sign-in is the product's own, so that its limits hold here."""

    site_header = site_title = "LLM Cost Tracker support"
    # What apps want said to whoever comes in: each returns a sentence, or nothing.
    warnings: list[Warn] = []

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own read-only pages; what third-party apps offer is not for support.

        Raises ImproperlyConfigured for a page that does not say which power it needs.
        """
        if admin_class is None or not issubclass(admin_class, ReadOnlyAdmin):
            return
        if getattr(admin_class, "needs", None) is None:
            raise ImproperlyConfigured(f"{admin_class.__name__} does not say what it `needs`.")
        super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[Any]:
        """The way in, and the addresses of each registered page; nothing else of Django's admin."""
        urls: list[Any] = [
            path("", self.act_view(self.index), name="index"),
            path("login/", self.login, name="login"),
        ]
        for page in self._registry.values():
            prefix = f"{page.opts.app_label}/{page.opts.model_name}/"
            urls.append(path(prefix, include(page.urls)))
        return urls

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the accounts, where work begins, with what should be looked at first."""
        for warn in self.warnings:
            if said := warn(request):
                messages.warning(request, said)
        return redirect("admin:accounts_account_changelist")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let active staff with a duty in; being a superuser is no way in and gives nothing."""
        return bool(powers_of(request.user)) if request.user.is_authenticated else False

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the product's sign-in page; a signed-in customer finds nothing here."""
        if request.user.is_authenticated:
            return answer(request, NotFound())
        return redirect(f"{reverse('account_login')}?next={reverse('admin:index')}")

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap each page, rendering included, into a transaction of the staff role."""

        def as_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            with support_staff():
                response = view(request, *args, **kwargs)
                if isinstance(response, TemplateResponse):
                    response.render()
                return response

        return self.act_view(wraps(view)(as_staff))

    def act_view(self, view: View) -> View:
        """Let in who may come in, and run the view as the application, which may act.

        Whoever has no second factor, or has not shown it in this session, is led there first.
        """

        @wraps(view)
        def inside(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                return self.login(request)
            if (first := _missing_proof(request)) is not None:
                return first
            # Read here, because neither groups nor sessions are open to the staff role.
            request.powers = powers_of(request.user)
            request.pages = [
                page for page in self._registry.values() if page.needs in request.powers
            ]
            return view(request, *args, **kwargs)

        return inside


def _missing_proof(request: HttpRequest) -> HttpResponse | None:
    """Return the way to what is still missing: a second factor, or showing it in this session."""
    user: User = request.user
    if not Authenticator.objects.filter(user=user, type__in=SECOND_FACTORS).exists():
        messages.info(request, "Our staff signs in with a second factor. Set one up to go on.")
        return redirect("mfa_activate_totp")
    records = get_authentication_records(request, user)
    if not any(record["method"] == "mfa" for record in records):
        return redirect(
            f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"
        )
    return None
