"""The pages of what calls cost."""

from django.urls import path

from events import views

app_name = "events"
urlpatterns = [
    path("", views.home, name="overview"),
    path("<slug:project>/", views.overview_page, name="overview"),
    path("<slug:project>/start/", views.start, name="start"),
    path("<slug:project>/start/key/", views.first_key, name="first-key"),
    path("<slug:project>/start/arrival/", views.arrival, name="arrival"),
]
