"""The endpoints of privacy below /v1/."""

from django.urls import path

from privacy import api, deletion_api
from privacy.registration.api import RegistrationsApi

urlpatterns = [
    path("inbound-mail", api.InboundMailApi.as_view(), name="api-inbound-mail"),
    path("registrations", RegistrationsApi.as_view(), name="api-registrations"),
    # A user id is the customer's own and may hold a slash.
    path("users/<path:user_id>", deletion_api.UserApi.as_view(), name="api-user"),
    path("jobs/<uuid:job_id>", deletion_api.JobApi.as_view(), name="api-job"),
    path("receipts/key", deletion_api.ReceiptKeyApi.as_view(), name="api-receipt-key"),
]
