"""The pages of one project."""

from django.urls import path

from projects import views

app_name = "projects"
urlpatterns = [
    path("<slug:project>/keys/", views.keys, name="keys"),
    path("<slug:project>/keys/<int:key_id>/rotation/", views.rotation, name="rotation"),
    path("<slug:project>/keys/<int:key_id>/revocation/", views.revocation, name="revocation"),
]
