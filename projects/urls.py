"""The pages of one project."""

from django.urls import path

from projects import project_views, views

app_name = "projects"
urlpatterns = [
    path("<slug:project>/settings/", project_views.settings, name="settings"),
    path("<slug:project>/settings/archiving/", project_views.archiving, name="archive"),
    path("<slug:project>/settings/restoring/", project_views.restoring, name="restore"),
    path("<slug:project>/keys/", views.keys, name="keys"),
    path("<slug:project>/keys/<int:key_id>/rotation/", views.rotation, name="rotation"),
    path("<slug:project>/keys/<int:key_id>/revocation/", views.revocation, name="revocation"),
]
