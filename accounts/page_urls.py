"""The signed-in pages of a person and of an account, below /account/."""

from django.urls import URLPattern, path

from accounts import account_views, audit_views, person_views, support_views, team_views

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("", person_views.profile, name="profile"),
    path("security/sso/", person_views.single_sign_on, name="sso"),
    path("security/sso/remove/", person_views.remove_single_sign_on, name="remove_sso"),
    path("security/sessions/end/", person_views.end_others, name="end_other_sessions"),
    path("security/sessions/<slug:handle>/end/", person_views.end, name="end_session"),
    path("security/support/", support_views.support, name="support"),
    path("security/support/end/", support_views.support_end, name="support-end"),
    # --- The account ------------------------------------------------------------------------
    path("switch/", team_views.switch, name="switch"),
    path("team/", team_views.members, name="team"),
    path("team/invitations/", team_views.invitations, name="invitations"),
    path("team/invitations/<int:invitation>/resending/", team_views.resending, name="resend"),
    path("team/invitations/<int:invitation>/withdrawal/", team_views.withdrawal, name="withdraw"),
    path("team/members/<int:member>/role/", team_views.role, name="role"),
    path("team/members/<int:member>/removal/", team_views.removal, name="remove"),
    path("team/leaving/", team_views.leaving, name="leave"),
    path("team/ownership/", team_views.ownership, name="ownership"),
    path("audit/", audit_views.trail, name="audit"),
    path("audit/export/", audit_views.export, name="audit_export"),
    path("company/", account_views.company, name="company"),
    path("close/", account_views.close, name="close"),
    path("close/reopening/", account_views.reopening, name="reopen"),
]
