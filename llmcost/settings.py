"""All settings. What differs between installations comes from the environment.

Without any variable set this is the local mode of `make up`: embedded PostgreSQL, secrets and
mails in `.data/`.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE as CSP_NONCE
from csp.constants import NONE as CSP_NONE
from csp.constants import SELF as CSP_SELF
from environs import Env, validate

from llmcost import public
from llmcost.installation import local_stripe_url, open_installation
from llmcost.logs import logging_config
from llmcost.tenancy import roles
from llmcost.up.postgres import socket_dir

env = Env()

# --- This installation -----------------------------------------------------------------------
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("LLMCOST_DATA", str(BASE_DIR / ".data"))).absolute()
PORT = env.int("PORT", 8000)
PUBLIC_URL = env.str("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
# Local mode: no public address was given, so this is somebody's own machine.
LOCAL_MODE = "PUBLIC_URL" not in os.environ
# `self-hosted`: somebody runs this for their own company, so there is no public sign-up and
# nothing is sold. `service`: ours.
DEPLOYMENT = env.str("DEPLOYMENT", "service", validate=validate.OneOf(["service", "self-hosted"]))
SELF_HOSTED = DEPLOYMENT == "self-hosted"
# Where `manage.py register` sends e-mail and plan; nothing else is ever sent there.
REGISTRATION_URL = env.str("REGISTRATION_URL", "https://llmcosttracker.com/v1/registrations")
installation = open_installation(DATA_DIR)

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", installation.secret_key)
ALLOWED_HOSTS = (
    ["127.0.0.1", "localhost", "[::1]"] if LOCAL_MODE else [urlsplit(PUBLIC_URL).hostname]
)
# Every key's hash is keyed with one of these; the newest stands last, older ones still verify.
KEY_PEPPERS = env.list("KEY_PEPPERS", installation.key_peppers)
# What must be kept readable (secrets of second factors, of OpenID Connect) is sealed with the last
# of these (Fernet keys); older ones still open.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", installation.encryption_keys)
public.refuse_if_missing(os.environ, secret_key=SECRET_KEY, encryption_keys=ENCRYPTION_KEYS)
# As whom this process logs in to the database: app, worker or owner.
DATABASE_ROLE = env.str(
    "LLMCOST_DATABASE_ROLE", "app", validate=validate.OneOf(("app", "worker", "owner"))
)
# With this, receipts of deletions are signed and what was erased is named without being readable.
ERASURE_SECRET = env.str("ERASURE_SECRET", installation.erasure_secret)
# What was erased, so that a restored backup is made to forget it again: keep it apart from backups.
ERASURE_LOG = Path(env.str("ERASURE_LOG", str(DATA_DIR / "erasures.jsonl")))
# Promised in the privacy policy: what is erased is gone from backups after so many days.
BACKUP_DIR = Path(env.str("BACKUP_DIR", str(DATA_DIR / "backups")))
BACKUP_DAYS = env.int("BACKUP_DAYS", 30)
# Where exports wait for their seven days; with several machines, storage that all of them share.
EXPORT_DIR = Path(env.str("EXPORT_DIR", str(DATA_DIR / "exports")))

# --- Apps and requests -----------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "llmcost.apps.AdminConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "template_partials",
    "csp",
    "llmcost",
    "accounts",
    "projects",
    "events",
    "billing",
    "privacy",
]
if DATABASE_ROLE != "app":
    # The web role has no right on dj-stripe's tables, so web processes do not load it either
    # (18 MB and half a second each).
    INSTALLED_APPS.insert(0, "djstripe")
MIDDLEWARE = [
    "llmcost.logs.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "llmcost.web.middleware.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "llmcost.web.middleware.ExpectedFailureMiddleware",
    "privacy.analytics.middleware.CountUseMiddleware",
]
ROOT_URLCONF = "llmcost.urls"
WSGI_APPLICATION = "llmcost.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["accounts.templatetags.marked_forms"],
        },
    }
]
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database --------------------------------------------------------------------------------
# Web and scheduler connect as llmcost_app, the worker as llmcost_worker: they own nothing and are
# bound by row-level security. Migrations alone connect as llmcost_owner.
DATABASE_ADMIN_URL = env.str("DATABASE_URL", "")
# Whether connections keep plans by name. A pooler in transaction mode may not; our own server does.
PREPARED_STATEMENTS = env.bool(
    "DATABASE_PREPARED_STATEMENTS",
    not (DATABASE_ADMIN_URL or "APP_DATABASE_URL" in os.environ),
)


def _database(role: str) -> dict[str, Any]:
    password = getattr(installation, f"{role}_password")
    url = env.str(f"{role.upper()}_DATABASE_URL", "") or (
        DATABASE_ADMIN_URL and roles.login_url(DATABASE_ADMIN_URL, f"llmcost_{role}", password)
    )
    if url:
        parts = urlsplit(url)
        where = {
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
        }
        extra = dict(part.split("=", 1) for part in parts.query.split("&") if "=" in part)
        if "host" in extra:
            where["HOST"] = unquote(extra.pop("host"))
    else:
        where = {
            "HOST": str(socket_dir(DATA_DIR)),
            "PORT": "",
            "NAME": "llmcost",
            "USER": f"llmcost_{role}",
            "PASSWORD": password,
        }
        extra = {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **where,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # a transaction-mode pooler keeps no cursor
        "OPTIONS": {
            # Values travel beside the statement, so that a failing one leaves none in a log.
            "server_side_binding": True,
            "connect_timeout": 5,
            **extra,
        },
    }


DATABASES = {"default": _database(DATABASE_ROLE)}
CACHES = {
    # Shared by every process, because rate limits must be.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "llmcost_cache",
        "KEY_FUNCTION": "llmcost.web.cache.hashed_key",
    }
}

# --- Sign-in (django-allauth) ----------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/app/"
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = "/"
PASSWORD_RESET_TIMEOUT = 3600  # seconds; the mail says one hour
# Messages wait in the session, so that signing in needs no cookie beside it.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_ENGINE = "accounts.sign_in.sessions"
ACCOUNT_ADAPTER = "accounts.sign_in.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.sign_in.forms.SignInForm",
    "signup": "accounts.sign_in.forms.SignUpForm",
    "reset_password": "accounts.sign_in.forms.ResetForm",
    "reset_password_from_key": "accounts.sign_in.forms.NewPasswordForm",
    "reauthenticate": "accounts.sign_in.forms.PasswordAgainForm",
    "add_email": "accounts.person.forms.ChangeEmailForm",
    "change_password": "accounts.person.forms.ChangePasswordForm",
    "set_password": "accounts.person.forms.SetPasswordForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser of the sign-up only
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True
# A known address is answered like an unknown one; the difference is in the mail alone.
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_CHANGE_EMAIL = True  # one address a person; the old one holds until the new is confirmed
# How long after signing in, or proving it again, somebody may do dangerous things.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if PUBLIC_URL.startswith("http://") else "https"
# Letters and requests to us: of one address of the network, of one e-mail address; choices about
# cookies.
ACCOUNT_RATE_LIMITS = {"write_to_us": "10/m/ip,10/h/key", "choose_cookies": "30/m/ip"}
# How many proxies stand before us. With too few, everybody shares one address's rate limit;
# with too many, anybody can invent an address.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)

# Sign-in through others: those that this installation has registered with, and each account's own
# single sign-on. Nobody is signed in because an address matches: see accounts/sign_in/providers.py.
SOCIALACCOUNT_ADAPTER = "accounts.sign_in.providers.ProviderAdapter"
SOCIALACCOUNT_FORMS = {"signup": "accounts.sign_in.forms.ProviderSignUpForm"}
SOCIALACCOUNT_AUTO_SIGNUP = False  # the name, the company and the box are still asked
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS = {}
if _google := env.str("GOOGLE_CLIENT_ID", ""):
    SOCIALACCOUNT_PROVIDERS["google"] = {
        "APPS": [{"client_id": _google, "secret": env.str("GOOGLE_CLIENT_SECRET")}],
        "SCOPE": ["openid", "profile", "email"],
        "OAUTH_PKCE_ENABLED": True,
    }
if _github := env.str("GITHUB_CLIENT_ID", ""):
    SOCIALACCOUNT_PROVIDERS["github"] = {
        "APPS": [{"client_id": _github, "secret": env.str("GITHUB_CLIENT_SECRET")}],
        "SCOPE": ["user:email"],
        "OAUTH_PKCE_ENABLED": True,
    }
SOCIALACCOUNT_PROVIDERS["openid_connect"] = {"OAUTH_PKCE_ENABLED": True}
if _issuer := env.str("OIDC_ISSUER", ""):
    SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"] = [
        {
            "provider_id": "oidc",
            "name": env.str("OIDC_NAME", "single sign-on"),
            "client_id": env.str("OIDC_CLIENT_ID"),
            "secret": env.str("OIDC_CLIENT_SECRET"),
            "settings": {"server_url": _issuer},
        }
    ]
# Whether the providers asked on sign-in may stand in a private network or have no TLS.
SSO_PRIVATE_NETWORK = env.bool("SSO_PRIVATE_NETWORK", LOCAL_MODE)
# Second factors, and passkeys that sign in by themselves.
MFA_ADAPTER = "accounts.sign_in.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_FORMS = {
    "authenticate": "accounts.sign_in.forms.CodeForm",
    "reauthenticate": "accounts.sign_in.forms.CodeAgainForm",
    "activate_totp": "accounts.person.forms.AuthenticatorForm",
    "add_webauthn": "accounts.person.forms.PasskeyForm",
    "edit_webauthn": "accounts.person.forms.PasskeyNameForm",
}
MFA_TOTP_ISSUER = "LLM Cost Tracker"
MFA_TOTP_TOLERANCE = 1  # a phone's clock may be half a minute off
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True
# Browsers take a passkey without TLS on localhost only, which is local mode.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = LOCAL_MODE
# Nobody signs in here with an address that is not confirmed, so an address that waits for its
# confirmation (a change of e-mail) is no reason to refuse a second factor, or the other way round.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# --- Content-Security-Policy -----------------------------------------------------------------
# Nothing from another host, nothing inline. A script with the request's nonce may run too; the
# nonce is in the header only if a template asks for it.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [CSP_NONE],
        "script-src": [CSP_SELF, CSP_NONCE],
        "style-src": [CSP_SELF],
        "img-src": [CSP_SELF, "data:"],
        "font-src": [CSP_SELF],
        "connect-src": [CSP_SELF],
        "form-action": [CSP_SELF],
        "base-uri": [CSP_NONE],
        "frame-ancestors": [CSP_NONE],
    }
}

# --- Cookies and transport -------------------------------------------------------------------
# Without TLS (local mode) a browser refuses Secure cookies and the __Host- prefix.
_TLS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_NAME = "__Host-session" if _TLS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if _TLS else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _TLS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_AGE = None  # a session cookie: it protects forms, it need not outlive the visit
CSRF_TRUSTED_ORIGINS = [] if LOCAL_MODE else [PUBLIC_URL]
CSRF_FAILURE_VIEW = "llmcost.errors.csrf_failure"
SECURE_HSTS_SECONDS = 63_072_000 if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _TLS else None
SECURE_SSL_REDIRECT = _TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
X_FRAME_OPTIONS = "DENY"

# --- Static files ----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "llmcost.web.static.SiteStaticStorage"},
}

# --- Mail ------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "LLM Cost Tracker <hello@llmcosttracker.com>")
# smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. Without it mails are
# files, readable at /dev/mail/ in local mode.
_mail = urlsplit(env.str("EMAIL_URL", ""))
MAIL_DIR = "" if _mail.hostname else DATA_DIR / "mail"
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if _mail.hostname
    else "llmcost.web.mail.FileBackend"
)
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_HOST, EMAIL_PORT = _mail.hostname, _mail.port or (465 if EMAIL_USE_SSL else 587)
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_TLS = _mail.scheme == "smtp" and _mail.hostname not in ("localhost", "127.0.0.1")
EMAIL_TIMEOUT = 10

# --- Payment (Stripe by dj-stripe) -----------------------------------------------------------
# Stripe's keys live in the environment only. Without a secret key nothing is sold and Stripe is
# never called.
STRIPE_SECRET_KEY = "" if SELF_HOSTED else env.str("STRIPE_SECRET_KEY", "")
STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", "")
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
# What signs webhooks; while one is being replaced both stand here.
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", [])
# Another server that speaks Stripe's API: the stand-in of local mode and tests.
STRIPE_API_HOST = env.str("STRIPE_API_HOST", "https://api.stripe.com").rstrip("/")
# The script that takes a card's number; on the card page alone, from Stripe and nobody else.
STRIPE_JS_URL = "https://js.stripe.com/v3/"
STRIPE_CSP = {
    "script-src": ["https://js.stripe.com"],
    "frame-src": ["https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"],
    "connect-src": ["https://api.stripe.com"],
}
LOCAL_STRIPE = False
if LOCAL_MODE and not (SELF_HOSTED or STRIPE_SECRET_KEY) and (_local := local_stripe_url(DATA_DIR)):
    # The Stripe that `make up` runs beside us; its keys only have to look like keys.
    LOCAL_STRIPE = True
    STRIPE_API_HOST = _local
    STRIPE_SECRET_KEY = "sk_test_" + "local0" * 4
    STRIPE_PUBLISHABLE_KEY = "pk_test_" + "local0" * 4
    STRIPE_WEBHOOK_SECRETS = [installation.secret_for("stripe webhooks")]
    STRIPE_JS_URL = f"{_local}/js.stripe.com/v3/"
    STRIPE_CSP = {"script-src": [_local], "connect-src": [_local]}
# How long invoices are kept when their account is gone: tax law, ten years at most in the EU.
BILLING_RETENTION_YEARS = env.int("BILLING_RETENTION_YEARS", 10)
# As receipts name it; § 147 AO and § 14b UStG, say.
BILLING_RETENTION_LAW = env.str("BILLING_RETENTION_LAW", "tax law of our country")
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
# dj-stripe wants to know whose a customer is by a foreign key. Ours say it in `billing_account`,
# under row security, so this key points where it is never set and in nobody's way.
DJSTRIPE_SUBSCRIBER_MODEL = "djstripe.Account"
SILENCED_SYSTEM_CHECKS = [
    "djstripe.W002",  # about the host above, for those who set it by mistake
    "auth.W004",  # an address is unique in any case, by a constraint on lower(email)
]
# Its own migrations take 40 s on a new database, the same tables in one step 4 s.
MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}

# --- Mail that comes in ----------------------------------------------------------------------
# Signs the mails that a mail service delivers to /v1/inbound-mail; without it there is no such
# address, and mail comes in by `manage.py inbound_mail`.
INBOUND_MAIL_SECRET = env.str("INBOUND_MAIL_SECRET", "")

# --- API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["projects.keys.auth.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["projects.keys.auth.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "llmcost.api.views.JsonAlways",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "llmcost.api.errors.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "LLM Cost Tracker",
    "DESCRIPTION": "Send what each LLM call used; read what it cost. Prompts are never accepted.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
# The largest body of a request, and the most events in it; part of the public contract.
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_EVENTS = 10_000
# Requests a second that one process takes for one key; beyond it `429 rate_limited`.
RATE_LIMIT_PER_KEY = env.int("RATE_LIMIT_PER_KEY", 2_000)
# Who may report keys found in public: addresses of lists of public keys, and such a list itself.
# Without either nobody may, and nothing is ever fetched.
LEAK_REPORT_KEYS_URLS = env.list("LEAK_REPORT_KEYS_URLS", [])
LEAK_REPORT_KEYS = env.json("LEAK_REPORT_KEYS", {"public_keys": []})

# --- Our own analytics -----------------------------------------------------------------------
# How often a web process writes down the page views that it has counted; 0: it never does.
COUNT_USE_EVERY_SECONDS = env.int("COUNT_USE_EVERY_SECONDS", 60)

# --- Analytics of somebody else --------------------------------------------------------------
# A provider's script that sets cookies, on pages that are only read and after consent alone. The
# policy in force must name the provider, or no process starts (privacy/consent.py).
ANALYTICS_SCRIPT = env.str("ANALYTICS_SCRIPT", "")
ANALYTICS_NAME = env.str("ANALYTICS_NAME", "")
CONSENT_COOKIE_NAME = "__Host-consent" if _TLS else "consent"
if ANALYTICS_SCRIPT:
    MIDDLEWARE.append("privacy.consent.ConsentMiddleware")

# --- Background work -------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "")

# --- Logs ------------------------------------------------------------------------------------
LOGGING_CONFIG = "llmcost.logs.configure"
LOGGING = logging_config(json=not LOCAL_MODE)
