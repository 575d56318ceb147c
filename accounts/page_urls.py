"""The signed-in pages of a person and of an account, below /account/."""

from django.urls import URLPattern, path

from accounts import person_views, support_views

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("", person_views.profile, name="profile"),
    path("security/sessions/end/", person_views.end_others, name="end_other_sessions"),
    path("security/sessions/<slug:handle>/end/", person_views.end, name="end_session"),
    path("security/support/", support_views.support, name="support"),
    path("security/support/end/", support_views.support_end, name="support-end"),
]
