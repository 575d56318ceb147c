"""The endpoints below /v1/."""

from django.urls import path

from events import api

urlpatterns = [
    path("events", api.EventsApi.as_view(), name="api-events"),
    path("usage", api.UsageApi.as_view(), name="api-usage"),
]
