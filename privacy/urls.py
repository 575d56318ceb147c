"""The public pages about privacy."""

from django.urls import path

from privacy import deletion_views, end_user_views, views
from privacy.exports import views as exports
from privacy.registration.api import news

app_name = "privacy"
urlpatterns = [
    path("privacy/", views.document, {"kind": "privacy"}, name="policy"),
    path("privacy/history/", views.history, {"kind": "privacy"}, name="policy_history"),
    path(
        "privacy/history/<slug:version>/", views.version, {"kind": "privacy"}, name="policy_version"
    ),
    path("privacy/subprocessors/", views.subprocessors, name="subprocessors"),
    path("privacy/cookies/", views.cookie_choices, name="cookies"),
    path("privacy/request/", views.data_request, name="request"),
    path("privacy/request/sent/", views.request_sent, name="request_sent"),
    path("privacy/request/confirmed/", views.request_confirmed, name="request_confirmed"),
    path("privacy/request/<slug:token>/", views.request_link, name="request_link"),
    path("privacy/deleted/", deletion_views.person_deleted, name="person_deleted"),
    path("security/", views.security, name="security"),
    path(".well-known/security.txt", views.security_txt, name="security_txt"),
    path("contact/", views.contact, name="contact"),
    path("contact/sent/", views.contact_sent, name="contact_sent"),
    path("account/data/", views.data, name="data"),
    path("account/data/requests/", views.member_request, name="member_request"),
    path("account/data/requests/<slug:reference>/", views.own_request, name="own_request"),
    path("account/data/exports/", exports.exports, name="exports"),
    path("account/data/exports/<uuid:export>.zip", exports.download, name="export_file"),
    path("account/data/about-me.json", exports.about_me, name="about_me"),
    path("account/data/user/", end_user_views.end_user, name="end_user"),
    path("account/data/user/calls/", end_user_views.calls, name="end_user_calls"),
    path("account/data/user/readmission/", end_user_views.readmission, name="readmission"),
    path("account/data/erase/", deletion_views.erase_user, name="erase_user"),
    path("account/data/retention/", deletion_views.keep_shorter, name="retention"),
    path("account/data/delete/", deletion_views.delete_span, name="delete_span"),
    path("account/data/delete-account/", deletion_views.delete_account, name="delete_account"),
    path("account/deletion/", deletion_views.delete_person, name="delete_person"),
    path("account/data/deletions/", deletion_views.deletions, name="deletions"),
    path(
        "account/data/deletions/<int:number>/",
        deletion_views.receipt_page,
        name="receipt",
    ),
    path(
        "account/data/deletions/<int:number>.json", deletion_views.receipt, name="deletion_receipt"
    ),
    path("registrations/<str:token>/news/", news, name="news"),
    path("terms/", views.document, {"kind": "terms"}, name="terms"),
    path("terms/history/", views.history, {"kind": "terms"}, name="terms_history"),
    path("terms/history/<slug:version>/", views.version, {"kind": "terms"}, name="terms_version"),
]
