"""The projects of an account: the page that lists them, and a new one."""

from django.urls import path

from projects import project_views

app_name = "all_projects"
urlpatterns = [
    path("", project_views.projects, name="projects"),
    path("opening/", project_views.opening, name="open"),
]
