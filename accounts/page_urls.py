"""The signed-in pages of a person and of an account, below /account/."""

from django.urls import URLPattern, path

from accounts.company import views as company
from accounts.person import views as person
from accounts.sso import views as sso
from accounts.support import views as support
from accounts.team import views as team
from accounts.trail import views as trail

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("", person.profile, name="profile"),
    path("security/sso/", sso.single_sign_on, name="sso"),
    path("security/sso/remove/", sso.remove_single_sign_on, name="remove_sso"),
    path("security/sessions/end/", person.end_others, name="end_other_sessions"),
    path("security/sessions/<slug:handle>/end/", person.end, name="end_session"),
    path("security/support/", support.support, name="support"),
    path("security/support/end/", support.support_end, name="support-end"),
    # --- The account ------------------------------------------------------------------------
    path("switch/", team.switch, name="switch"),
    path("team/", team.members, name="team"),
    path("team/invitations/", team.invitations, name="invitations"),
    path("team/invitations/<int:invitation>/resending/", team.resending, name="resend"),
    path("team/invitations/<int:invitation>/withdrawal/", team.withdrawal, name="withdraw"),
    path("team/members/<int:member>/role/", team.role, name="role"),
    path("team/members/<int:member>/removal/", team.removal, name="remove"),
    path("team/leaving/", team.leaving, name="leave"),
    path("team/ownership/", team.ownership, name="ownership"),
    path("audit/", trail.trail, name="audit"),
    path("audit/export/", trail.export, name="audit_export"),
    path("company/", company.company, name="company"),
    path("close/", company.close, name="close"),
    path("close/reopening/", company.reopening, name="reopen"),
]
