"""The signed-in pages of a person and of an account, below /account/."""

from django.urls import URLPattern

app_name = "accounts"
urlpatterns: list[URLPattern] = []
