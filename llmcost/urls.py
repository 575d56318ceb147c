"""The table of contents of all pages and endpoints."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from llmcost.web import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("v1/", include("events.api_urls")),
    path("v1/", include("projects.api_urls")),
    path("v1/", include("privacy.api_urls")),
    path("api/schema/", SpectacularAPIView.as_view(**health.OPEN), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(**health.OPEN), name="api-docs"),
    path("admin/", admin.site.urls),
    path("", include("llmcost.web.urls")),
    path("", include("accounts.urls")),
    path("account/", include("accounts.page_urls")),
    path("account/billing/", include("billing.page_urls")),
    path("account/projects/", include("projects.account_urls")),
    path("billing/", include("billing.urls")),
    path("", include("privacy.urls")),
    path("app/", include("events.urls")),
    path("app/", include("projects.urls")),
]

handler400 = "llmcost.errors.bad_request"
handler403 = "llmcost.errors.permission_denied"
handler404 = "llmcost.errors.not_found"
handler429 = "accounts.sign_in.views.too_many_attempts"  # where allauth looks for it
handler500 = "llmcost.errors.server_error"
