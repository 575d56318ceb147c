"""Scenes that all tests of a module share: made once, and each test plays in a savepoint.

For modules of hundreds of small tests. Where tests commit there is no outer transaction to stay
in, so that a module with the fixture `committed` cannot keep anything.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django.db import transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.conftest import prove_again


@contextmanager
def kept(blocker: DjangoDbBlocker, make: Callable[[], Any]) -> Iterator[Any]:
    """What `make` makes, in a transaction that lasts as long as this.

    A test's own transaction begins inside it and is rolled back to where it began.
    """
    with blocker.unblock(), transaction.atomic():
        yield make()
        transaction.set_rollback(True)


def same_company(company: SimpleNamespace) -> SimpleNamespace:
    """A kept company for one test, which may change its objects and its browser."""
    made = {name: value for name, value in vars(company).items() if name != "client"}
    client = same_browser(company.client, company.owner)
    return SimpleNamespace(**copy.deepcopy(made), client=client)


def same_browser(browser: Client, person: Any) -> Client:
    """A browser with the cookies of a kept one, whose person has just proved again who it is."""
    client = Client()
    client.cookies = copy.deepcopy(browser.cookies)
    prove_again(client, person)
    return client
