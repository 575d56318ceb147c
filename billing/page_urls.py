"""The billing pages, below /account/billing/."""

from django.urls import path

from billing import views

app_name = "billing"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("trial/", views.trial, name="trial"),
    path("limit/", views.limit, name="limit"),
    path("plans/<slug:code>/", views.plan, name="plan"),
    path("card/", views.card, name="card"),
    path("card/setup/", views.card_setup, name="card_setup"),
    path("payment/", views.payment, name="payment"),
    path("cancellation/", views.cancellation, name="cancellation"),
    path("resumption/", views.resumption, name="resumption"),
    path("address/", views.address, name="address"),
    path("invoices/<slug:stripe_id>/", views.invoice, name="invoice"),
]
