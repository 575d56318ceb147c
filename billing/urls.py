from django.urls import path

from billing.stripe.webhook import webhook

urlpatterns = [path("webhook/", webhook, name="stripe-webhook")]
