"""What several files about people have set up."""

import pytest

from tests.accounts.oneself import turn_on_app
from tests.oidc import running_provider


@pytest.fixture
def app(acme, django_capture_on_commit_callbacks):
    """Alice's authenticator app, with her ten recovery codes."""
    return turn_on_app(acme.client, django_capture_on_commit_callbacks)


@pytest.fixture
def provider():
    with running_provider() as running:
        yield running
