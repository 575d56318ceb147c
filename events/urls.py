"""The pages of what calls cost."""

from django.urls import URLPattern

app_name = "events"
urlpatterns: list[URLPattern] = []
