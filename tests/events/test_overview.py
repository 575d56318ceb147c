"""The overview page: its sums, its links, its life, and what strangers and hostile names do to it."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from llmcost import clock
from llmcost.tenancy.context import tenant
from projects.models import Project

HTMX = {"HX-Request": "true"}
NOON = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
PANELS = {"model": "Models", "feature": "Features", "user_id": "Users", "prompt_version": "Prompt"}


@pytest.fixture(autouse=True)
def _a_fixed_moment():
    """Every page and every sum of a test is of the same moment, and never at midnight."""
    with time_machine.travel(NOON, tick=False):
        yield


def send(company, api, *events):
    answer = api(
        company.key,
        "POST",
        "/v1/events",
        [{"input_tokens": 10, "output_tokens": 1} | one for one in events],
    )
    assert answer.json()["accepted"] == len(events), answer.content


def call(model="gpt-5-mini", cost="1", ago=timedelta(), **more):
    return {"model": model, "cost_usd": cost, "created_at": (clock.now() - ago).isoformat()} | more


def page(company, query="", **headers):
    answer = company.client.get(f"/app/prod/{query}", headers=headers)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def figures(html):
    found = re.findall(
        r'<dt>(.*?)</dt><dd class="figure__value"(?: title="(.*?)")?>(.*?)</dd>', html
    )
    return {label: unescape(exact or shown) for label, exact, shown in found}


def rows(html, dimension):
    """The lines of a table: name, exact cost, link."""
    table = html.split(f'aria-labelledby="top-{dimension}"')[1].split("</table>")[0]
    found = []
    for line in table.split("<tr>")[2:]:
        link = re.search(r'<a href="(.*?)"', line)
        name = re.search(r"<bdi>(.*?)</bdi>|(not set|All others)", line, re.DOTALL)
        cost = re.search(r'<data value="(.*?)"', line)
        found.append(
            SimpleNamespace(
                name=unescape(name[1] or name[2]),
                url=unescape(link[1]) if link else None,
                cost=Decimal(cost[1]) if cost else None,
            )
        )
    return found


# --- What it says ----------------------------------------------------------------------------
def test_an_event_is_in_every_figure_and_table(acme, api):
    send(acme, api, call(cost="0.0000000750", feature="chat", user_id="u1", prompt_version="v3"))

    html = page(acme)

    assert figures(html) == {
        "Today so far": "$0.000000075",
        "November so far": "$0.000000075",
        "Spend, 30 days": "$0.000000075",
        "Calls": "1",
        "Tokens": "11",
    }
    shown = {name: [(row.name, row.cost) for row in rows(html, name)] for name in PANELS}
    assert shown == {
        "model": [("gpt-5-mini", Decimal("0.000000075"))],
        "feature": [("chat", Decimal("0.000000075"))],
        "user_id": [("u1", Decimal("0.000000075"))],
        "prompt_version": [("v3", Decimal("0.000000075"))],
    }
    assert "$0.00<" not in html.split("overview__top")[1]


@pytest.mark.parametrize("chosen", ["24h", "7d", "30d"])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"feature": "f1"},
        {"model": "m0", "feature": "f0"},
        {"user_id": ""},
        {"prompt_version": "v1"},
    ],
)
def test_rows_figure_and_api_agree(acme, api, chosen, filters):
    send(
        acme,
        api,
        *(
            call(
                f"m{place % 9}",
                cost=f"{(place + 1) / 7:.10f}",
                ago=timedelta(hours=place * 5),
                provider="x",
                feature=f"f{place % 4}",
                user_id=f"u{place % 11}" if place % 3 else None,
                prompt_version=f"v{place % 2}",
            )
            for place in range(150)
        ),
    )
    chosen_filters = {f"filter.{name}": value for name, value in filters.items()}

    html = page(acme, "?" + urlencode({"range": chosen} | chosen_filters))

    start = {"24h": "2026-11-24T13:00:00Z", "7d": "2026-11-19", "30d": "2026-10-27"}[chosen]
    answer = api(acme.key, "GET", "/v1/usage?" + urlencode({"from": start} | chosen_filters))
    truth = answer.json()["data"][0]
    assert truth["calls"] > 0
    spend = figures(html)[f"Spend, {chosen[:-1]} {'hours' if chosen == '24h' else 'days'}"]
    assert Decimal(spend.strip("$").replace(",", "")) == Decimal(truth["cost_usd"])
    assert figures(html)["Calls"] == f"{truth['calls']}"
    for dimension in PANELS:
        assert sum(row.cost for row in rows(html, dimension)) == Decimal(truth["cost_usd"]), (
            dimension
        )


def test_each_row_leads_to_the_page_that_shows_only_it(acme, api):
    send(
        acme,
        api,
        call("a", cost="3", feature="x & y"),
        call("b", cost="2", feature="z"),
        call("b", cost="1"),
    )

    html = page(acme)
    assert [row.name for row in rows(html, "model")] == ["b", "a"]  # as dear, more calls
    assert [row.name for row in rows(html, "feature")] == ["x & y", "z", "not set"]
    for dimension in ("model", "feature"):
        for row in rows(html, dimension):
            filtered = page(acme, row.url)
            assert figures(filtered)["Spend, 30 days"] == f"${row.cost:.2f}"
            assert [one.cost for one in rows(filtered, dimension)] == [row.cost]

    absent = next(row for row in rows(html, "feature") if row.name == "not set")
    assert parse_qs(urlsplit(absent.url).query, keep_blank_values=True)["filter.feature"] == [""]


def test_a_filter_can_be_taken_off_again(acme, api):
    send(acme, api, call("a", feature="x"), call("b", feature="x"))

    html = page(acme, "?range=7d&filter.model=a&filter.feature=x")

    links = [unescape(url) for url in re.findall(r'class="chip__remove" href="(.*?)"', html)]
    assert [parse_qs(link[1:]) for link in links] == [
        {"range": ["7d"], "filter.feature": ["x"]},
        {"range": ["7d"], "filter.model": ["a"]},
    ]


def test_changes_are_measured_against_the_span_before(acme, api):
    send(
        acme,
        api,
        call("a", cost="3"),
        call("b", cost="1"),
        call("a", cost="2", ago=timedelta(days=7, seconds=5)),
    )

    html = page(acme, "?range=7d")

    models = html.split('aria-labelledby="top-model"')[1].split("</table>")[0]
    first, second = models.split("<tr>")[2:]
    assert "50\N{NO-BREAK SPACE}%" in first
    assert "up </span>" in first
    assert "new" in second
    assert "same weekdays" in html


def test_a_call_without_a_known_price_is_said_and_never_zero(acme, api):
    send(acme, api, call("acme-ft-7b", cost=None, feature="chat"))

    html = page(acme)

    assert figures(html)["Spend, 30 days"] == "unpriced"
    assert "1 call unpriced" in html
    assert "No known cost here" in html
    assert rows(html, "model")[0].cost is None
    assert "$0.00" not in html.split("overview__top", 1)[1]


def test_beyond_six_the_rest_is_one_row(acme, api):
    send(acme, api, *(call("m", cost="0.5", feature=f"f{place}") for place in range(1000)))

    html = page(acme)

    assert len(rows(html, "feature")) == 7
    assert rows(html, "feature")[-1].name == "All others"
    assert rows(html, "feature")[-1].cost == Decimal(497)
    assert rows(html, "feature")[-1].url is None


# --- The span --------------------------------------------------------------------------------
def test_a_day_begins_at_midnight_in_the_projects_zone(acme, api):
    with tenant(acme.account.pk):
        Project.objects.update(timezone="Pacific/Kiritimati")
    today = clock.now().astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    send(acme, api, call(cost="4"))

    html = page(acme, f"?range=custom&from={today}&to={today + timedelta(days=1)}")

    assert figures(html)["Spend, this span"] == "$4.00"
    assert "Pacific/Kiritimati" in html
    earlier = page(acme, f"?range=custom&from={today - timedelta(days=1)}&to={today}")
    assert figures(earlier)["Spend, this span"] == "$0.00"


def test_the_form_for_a_custom_span_leads_to_the_apis_names(acme, api):
    send(acme, api, call())

    answer = acme.client.get(
        "/app/prod/?first=2026-11-10&last=2026-11-01&filter.model=a&filter.model=b"
    )

    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer["Location"]).query) == {
        "range": ["custom"],
        "from": ["2026-11-01"],
        "to": ["2026-11-11"],
        "filter.model": ["a", "b"],
    }


@pytest.mark.parametrize(
    "query",
    [
        "range=all", "range=custom&from=x", "range=custom&from=2026-11-02&to=2026-11-01",
        "range=custom&from=2015-01-01&to=2090-01-01", "first=2026-02-31&last=2026-03-01",
        "first=9999-12-31", "filter.model=%00",
    ],
)  # fmt: skip
def test_a_span_that_is_none_is_refused_with_a_sentence(acme, api, query):
    send(acme, api, call())

    answer = acme.client.get(f"/app/prod/?{query}")

    assert answer.status_code == 400
    assert b"That did not work" in answer.content


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "No calls here"),
        ("range=24h", "No calls here"),
        ("range=custom&from=2025-02-01&to=2026-11-03", "No calls here"),
        ("range=custom&from=2090-12-01T10:30:00Z&to=2090-12-04", "No calls here"),
        ("filter.model=m", "Nothing matches"),
    ],
)
def test_a_span_without_calls_says_so(acme, api, query, says):
    send(acme, api, call(ago=timedelta(days=3000)))

    html = page(acme, f"?{query}")

    assert says in html
    assert "<table" not in html


# --- Life ------------------------------------------------------------------------------------
def poll(company, html):
    url = unescape(re.search(r'data-poll hx-get="(.*?)"', html)[1])
    mark = re.search(r'"seen": "(.*?)"', html)[1]
    return company.client.get(f"/app/prod/{url}&seen={mark}", headers=HTMX)


def test_a_live_page_is_sent_anew_only_when_there_is_something_new(acme, api):
    send(acme, api, call())
    html = page(acme)

    assert poll(acme, html).status_code == 204
    send(acme, api, call(cost="41"))
    answer = poll(acme, html)

    assert answer.status_code == 200
    assert figures(answer.content.decode())["Spend, 30 days"] == "$42.00"
    assert b"<html" not in answer.content
    assert poll(acme, answer.content.decode()).status_code == 204


def test_a_link_to_a_live_page_shows_it_to_whoever_opens_it(acme, api):
    send(acme, api, call())
    mark = re.search(r'"seen": "(.*?)"', page(acme))[1]

    assert "<html" in page(acme, f"?range=30d&seen={mark}")


def test_a_span_that_is_over_is_not_asked_for_again(acme, api):
    send(acme, api, call())

    assert "data-poll" not in page(acme, "?range=custom&from=2026-01-01&to=2026-02-01")
    assert "data-poll" in page(acme, "?range=24h")


def test_going_back_in_history_gets_the_whole_page(acme, api):
    send(acme, api, call())

    html = page(acme, "?range=7d", **HTMX, **{"HX-History-Restore-Request": "true"})

    assert "<html" in html


# --- Who sees it -----------------------------------------------------------------------------
def test_a_new_project_is_led_to_its_first_event(acme):
    assert acme.client.get("/app/")["Location"] == "/app/prod/start/"
    assert acme.client.get("/app/prod/")["Location"] == "/app/prod/start/"
    assert "No calls here" in page(acme, "?range=30d")


def test_strangers_see_nothing_of_it(acme, globex, api, client):
    with tenant(acme.account.pk):
        Project.objects.update(slug="acme-prod")
    send(acme, api, call(feature="secret-feature"))
    send(globex, api, call(cost="5"))

    assert b"secret-feature" in acme.client.get("/app/acme-prod/").content
    assert globex.client.get("/app/acme-prod/").status_code == 404
    assert "secret-feature" not in page(globex)
    assert figures(page(globex))["Spend, 30 days"] == "$5.00"
    assert client.get("/app/acme-prod/")["Location"].startswith("/login/")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "{{7*7}}{% csrf_token %}",
        "\u202eevil",
        "ש" * 200,
        "'\"><i>",
        "a" * 200,
    ],
)
def test_names_are_shown_as_they_are_and_do_nothing(acme, api, hostile):
    send(acme, api, call(hostile, feature=hostile, user_id=hostile, prompt_version=hostile))

    html = page(acme)

    for dimension in PANELS:
        (row,) = rows(html, dimension)
        assert row.name == hostile
        assert rows(page(acme, row.url), dimension)[0].name == hostile
    assert "<script>alert" not in html
    assert "<i>" not in html.replace('<i class="', "")


def test_the_page_carries_nothing_inline(acme, api):
    send(acme, api, call())
    html = page(acme)

    assert " style=" not in html
    assert "<style" not in html
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert not re.search(r"\son\w+=", html)


@pytest.mark.parametrize(
    "query", ["", "?range=24h", "?range=7d&filter.feature=f1&filter.user_id=u1"]
)
def test_more_calls_cost_no_more_statements(acme, api, query):
    def statements():
        with CaptureQueriesContext(connection) as captured:
            page(acme, query)
        return [one["sql"] for one in captured if "SAVEPOINT" not in one["sql"]]

    send(acme, api, call("m1", feature="f1", user_id="u1"))
    page(acme, query)  # what a process looks up once
    few = statements()

    send(acme, api, *(call(f"m{n % 20}", feature=f"f{n}", user_id=f"u{n}") for n in range(200)))

    assert len(statements()) == len(few) <= 16


def test_the_data_table_says_what_the_chart_shows(acme, api):
    send(
        acme,
        api,
        call("a", cost="3"),
        call("b", cost="1.5"),
        call("a", cost="2", ago=timedelta(days=2)),
    )

    html = page(acme)

    table = html.split('id="chart-data"')[1].split("</table>")[0]
    last = re.findall(r'data-tip="(.*?)"', table.split("<tr>")[-1])
    assert last == ["$3.00", "$1.50", "$4.50", "$0.00"]
    assert html.count("data-bar=") == table.count("<tr>") - 1 == 30
    assert "so far" in table
