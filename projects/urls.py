"""The pages of one project: onboarding and keys."""

from django.urls import URLPattern

app_name = "projects"
urlpatterns: list[URLPattern] = []
