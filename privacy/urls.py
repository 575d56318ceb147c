"""The public pages about privacy."""

from django.urls import path

from privacy import views

app_name = "privacy"
urlpatterns = [
    path("privacy/", views.document, {"kind": "privacy"}, name="policy"),
    path("privacy/history/", views.history, {"kind": "privacy"}, name="policy_history"),
    path(
        "privacy/history/<slug:version>/", views.version, {"kind": "privacy"}, name="policy_version"
    ),
    path("privacy/subprocessors/", views.subprocessors, name="subprocessors"),
    path("terms/", views.document, {"kind": "terms"}, name="terms"),
    path("terms/history/", views.history, {"kind": "terms"}, name="terms_history"),
    path("terms/history/<slug:version>/", views.version, {"kind": "terms"}, name="terms_version"),
]
