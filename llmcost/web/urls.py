"""The landing page and the two pages of local mode."""

from django.urls import path

from llmcost.web import views

urlpatterns = [
    path("", views.landing, name="landing"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("dev/mail/", views.mail_list, name="dev_mail_list"),
    path("dev/mail/<slug:name>/", views.mail, name="dev_mail"),
    path("dev/mail/<slug:name>/html/", views.mail_html, name="dev_mail_html"),
    path("dev/components/", views.components, name="dev_components"),
]
