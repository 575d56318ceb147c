"""The endpoint below /v1/ at which mail comes in."""

from django.urls import path

from privacy import api

urlpatterns = [path("inbound-mail", api.InboundMailApi.as_view(), name="api-inbound-mail")]
