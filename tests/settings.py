"""The product's settings for tests: its own data directory, nothing else changed that matters.

The database is the embedded PostgreSQL with `fsync` on, and every test is the application role.
"""

import os

from tests.slot import take_slot

# Set once, in the process that starts; xdist's workers inherit it.
os.environ.setdefault("LLMCOST_DATA", str(take_slot()))
# The browser tests' Playwright keeps an event loop in this thread, which Django takes for async code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
for name in ("DATABASE_URL", "APP_DATABASE_URL", "OWNER_DATABASE_URL", "PUBLIC_URL", "PORT"):
    os.environ.pop(name, None)

from llmcost.settings import *  # noqa: E402, F403

# Argon2 is slow on purpose; the tests of sign-in turn the real one on.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A broker in this process's memory: who publishes is answered at once. The real one is used by the
# tests that start a group.
CELERY_BROKER_URL = "memory://"
