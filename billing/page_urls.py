"""The billing pages, below /account/billing/."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from billing import views
from llmcost.errors import NotFound

View = Callable[..., HttpResponse]


def where_sold(view: View) -> View:
    """Hide a page where a company runs this for itself: there is nothing to buy."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.SELF_HOSTED:
            raise NotFound
        return view(request, *args, **kwargs)

    return shown


def page(route: str, view: View, name: str) -> URLPattern:
    """A billing page and its address."""
    return path(route, where_sold(view), name=name)


app_name = "billing"
urlpatterns = [
    page("", views.overview, "overview"),
    page("trial/", views.trial, "trial"),
    page("limit/", views.limit, "limit"),
    page("plans/<slug:code>/", views.plan, "plan"),
    page("card/", views.card, "card"),
    page("card/setup/", views.card_setup, "card_setup"),
    page("payment/", views.payment, "payment"),
    page("cancellation/", views.cancellation, "cancellation"),
    page("resumption/", views.resumption, "resumption"),
    page("address/", views.address, "address"),
    page("invoices/<slug:stripe_id>/", views.invoice, "invoice"),
]
