"""People of a company, and what they do to become it."""

import re
from threading import Barrier, Thread

from django.db import connections
from django.test import Client

from accounts.models import AuditEvent, Membership, User
from llmcost.errors import AppError
from llmcost.models import OutgoingMail
from llmcost.tenancy.context import tenant

PASSWORD = "four grey horses run"


def link_to(address):
    """The link of the newest mail to an address, as a path."""
    mail = OutgoingMail.objects.filter(recipient=address).order_by("-pk").first()
    return re.search(r"http://127\.0\.0\.1:8000(/invitation/\S+)", mail.text)[1]


def invite(company, email="bob@acme.example", role="member"):
    answer = company.client.post("/account/team/invitations/", {"email": email, "role": role})
    assert answer.status_code == 302, answer.content.decode()
    return link_to(email.lower())


def person(email, name="Bob Ross"):
    """Somebody with a confirmed address and no account, signed in."""
    user = User.objects.create_user(email, PASSWORD, name=name)
    user.emailaddress_set.create(email=email, verified=True, primary=True)
    client = Client()
    client.force_login(user)
    return user, client


def add(company, email, role):
    """A member of a company, signed in."""
    user, client = person(email, name=email.split("@")[0].title())
    with tenant(company.account.pk):
        membership = Membership.objects.create(account=company.account, user=user, role=role)
    return membership, client


def roles_of(company):
    with tenant(company.account.pk):
        found = Membership.objects.filter(account_id=company.account.pk)
        return {one.user.email: one.role for one in found.select_related("user")}


def actions_of(company):
    with tenant(company.account.pk):
        found = AuditEvent.objects.filter(account_id=company.account.pk).order_by("pk")
        return [one.action for one in found]


def at_once(*acts):
    """Run acts on connections of their own, begun together; return what each raised."""
    gate, raised = Barrier(len(acts)), []

    def run(act):
        try:
            gate.wait()
            act()
        except AppError as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
