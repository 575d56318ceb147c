"""Sign-up, sign-in and the person's pages that are allauth's: the names are the ones by which its
code finds them. Pages of our own about a person stand in `page_urls`.
"""

from allauth.account import views as allauth
from allauth.socialaccount import views as social
from allauth.socialaccount.providers.github import views as github
from allauth.socialaccount.providers.google import views as google
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.urls import path, re_path

from accounts.access import person_page
from accounts.person import views as person
from accounts.sign_in import views as sign_in
from accounts.sso import views as sso
from accounts.team import views as team

personal, fresh = person_page(), person_page(fresh=True)

urlpatterns = [
    path("signup/", sign_in.SignUpView.as_view(), name="account_signup"),
    path("login/", sign_in.SignInView.as_view(), name="account_login"),
    path("login/second-factor/", sign_in.SecondFactorView.as_view(), name="mfa_authenticate"),
    path("login/passkey/", sign_in.PasskeySignInView.as_view(), name="mfa_login_webauthn"),
    path("login/sso/", sso.start, name="sso_start"),
    path("login/sso/needed/", sso.needed, name="sso_needed"),
    path("login/google/", sign_in.start_provider(google.oauth2_login), name="google_login"),
    path(
        "login/google/callback/",
        sign_in.end_provider(google.oauth2_callback),
        name="google_callback",
    ),
    path("login/github/", sign_in.start_provider(github.oauth2_login), name="github_login"),
    path(
        "login/github/callback/",
        sign_in.end_provider(github.oauth2_callback),
        name="github_callback",
    ),
    path(
        "login/with/<slug:provider_id>/",
        sign_in.start_provider(openid_connect.login),
        name="openid_connect_login",
    ),
    path(
        "login/with/<slug:provider_id>/callback/",
        sign_in.end_provider(openid_connect.callback),
        name="openid_connect_callback",
    ),
    path("login/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("login/failed/", social.login_error, name="socialaccount_login_error"),
    path("signup/finish/", sign_in.ProviderSignUpView.as_view(), name="socialaccount_signup"),
    path("logout/", allauth.logout, name="account_logout"),
    path("invitation/<str:token>/", team.invitation, name="invitation"),
    path(
        "invitation/<str:token>/signup/",
        team.InvitedSignUpView.as_view(),
        name="invited_signup",
    ),
    path("inactive/", allauth.account_inactive, name="account_inactive"),
    path("confirm-email/", allauth.email_verification_sent, name="account_email_verification_sent"),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)/$", allauth.confirm_email, name="account_confirm_email"
    ),
    path("password/reset/", sign_in.ResetView.as_view(), name="account_reset_password"),
    path("password/reset/done/", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        sign_in.NewPasswordView.as_view(),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    # --- Is it still you? -------------------------------------------------------------------
    path("reauthenticate/", sign_in.PasswordAgainView.as_view(), name="account_reauthenticate"),
    path("reauthenticate/code/", sign_in.CodeAgainView.as_view(), name="mfa_reauthenticate"),
    path(
        "reauthenticate/passkey/",
        sign_in.PasskeyAgainView.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    # --- The person's own pages -------------------------------------------------------------
    path("account/email/", fresh(person.EmailView.as_view()), name="account_email"),
    path(
        "account/password/",
        personal(person.PasswordChangeView.as_view()),
        name="account_change_password",
    ),
    path(
        "account/password/set/",
        fresh(person.PasswordSetView.as_view()),
        name="account_set_password",
    ),
    path("account/security/", person.security, name="mfa_index"),
    path("account/security/", person.security, name="mfa_list_webauthn"),
    path(
        "account/security/app/",
        fresh(person.AuthenticatorView.as_view()),
        name="mfa_activate_totp",
    ),
    path(
        "account/security/app/remove/",
        fresh(person.NoAuthenticatorView.as_view()),
        name="mfa_deactivate_totp",
    ),
    path(
        "account/security/recovery-codes/",
        fresh(person.RecoveryCodesView.as_view()),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/security/recovery-codes/new/",
        fresh(person.NewRecoveryCodesView.as_view()),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/security/providers/",
        fresh(person.ProvidersView.as_view()),
        name="socialaccount_connections",
    ),
    path(
        "account/security/passkeys/add/",
        fresh(person.NewPasskeyView.as_view()),
        name="mfa_add_webauthn",
    ),
    path(
        "account/security/passkeys/<int:pk>/",
        fresh(person.RenamePasskeyView.as_view()),
        name="mfa_edit_webauthn",
    ),
    path(
        "account/security/passkeys/<int:pk>/remove/",
        fresh(person.RemovePasskeyView.as_view()),
        name="mfa_remove_webauthn",
    ),
]
