"""The product's settings for tests: its own data directory, nothing else changed that matters.

The database is the embedded PostgreSQL with `fsync` on, and every test is the application role.
"""

import os

from tests.slot import take_slot

# Set once, in the process that starts; xdist's workers inherit it.
os.environ.setdefault("LLMCOST_DATA", str(take_slot()))
# The browser tests' Playwright keeps an event loop in this thread, which Django takes for async code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# As `up` does: system checks are for developers, and dj-stripe's look into the database.
os.environ["CELERY_SKIP_CHECKS"] = "1"
for name in ("DATABASE_URL", "PUBLIC_URL", "PORT", "STRIPE_SECRET_KEY"):
    os.environ.pop(name, None)
for role in ("APP", "WORKER", "OWNER"):
    os.environ.pop(f"{role}_DATABASE_URL", None)

from llmcost.settings import *  # noqa: E402, F403

# What the worker loads besides: its tests run in the same process.
INSTALLED_APPS = ["djstripe", *INSTALLED_APPS]  # noqa: F405
# Argon2 is slow on purpose; the tests of sign-in turn the real one on.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A broker in this process's memory: who publishes is answered at once. The real one is used by the
# tests that start a group.
CELERY_BROKER_URL = "memory://"
# The tests of page views write them down themselves.
COUNT_USE_EVERY_SECONDS = 0
