"""The endpoints of keys below /v1/."""

from django.urls import path

from projects import api

urlpatterns = [
    path("keys/leaked", api.LeakedKeysApi.as_view(), name="api-leaked-keys"),
]
