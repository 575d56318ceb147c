"""How amounts and counts are written, wherever they stand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.web.numbers import change, column, money, short

costs = st.decimals(min_value=0, max_value=10**9, places=10)


@pytest.mark.parametrize(
    ("value", "shown", "exact"),
    [
        ("1823.8471902210", "$1,823.85", "$1,823.847190221"),
        ("0.8137112", "$0.8137", "$0.8137112"),
        ("0.5", "$0.50", "$0.50"),
        ("0.0006832", "$0.0006832", "$0.0006832"),
        ("0.0000000112", "$0.0000000112", "$0.0000000112"),
        ("0.00000000001", "<$0.0000000001", "<$0.0000000001"),
        ("0.99999", "$1.00", "$0.99999"),
        ("0", "$0.00", "$0.00"),
        ("-3.5", "−$3.50", "−$3.50"),
    ],
)
def test_an_amount_is_written_by_one_rule(value, shown, exact):
    assert money(Decimal(value)) == shown
    assert money(Decimal(value), exact=True) == exact


@given(costs)
def test_more_than_nothing_is_never_shown_as_nothing(cost):
    assert (money(cost) == "$0.00") == (cost == 0)


@given(costs)
def test_an_exact_amount_reads_back_as_itself(cost):
    assert Decimal(money(cost, exact=True).replace("$", "").replace(",", "")) == cost


@given(costs)
def test_a_short_amount_is_within_half_a_cent_or_four_digits(cost):
    shown = Decimal(money(cost).replace("$", "").replace(",", ""))

    assert abs(shown - cost) <= max(Decimal("0.005") if cost >= 1 else 0, cost * Decimal("0.0005"))


@given(st.lists(costs, min_size=1))
def test_decimal_points_of_a_column_stand_below_each_other(values):
    places = {len(text.partition(".")[2]) for text in column(values)}

    assert len(places) == 1


@given(st.lists(costs, min_size=1))
def test_no_cost_of_a_column_is_lost(values):
    for value, text in zip(values, column(values), strict=True):
        assert (Decimal(text.replace("$", "").replace(",", "")) == 0) == (value == 0)


def test_a_column_shows_what_has_no_price_as_a_dash():
    assert column([Decimal(2), None, Decimal(0)]) == ["$2.00", "–", "$0.00"]
    assert column([None]) == ["–"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"), (999, "999"), (1000, "1 k"), (1042, "1.04 k"), (12_345, "12.3 k"),
        (999_499, "999 k"), (999_600, "1 M"), (1_415_204, "1.42 M"), (1_920_000_000, "1.92 B"),
        (3 * 10**15, "3,000 T"), (-5000, "−5 k"),
    ],
)  # fmt: skip
def test_a_count_has_at_most_three_digits(count, shown):
    assert short(count).replace("\N{NO-BREAK SPACE}", " ") == shown


@given(st.integers(min_value=0, max_value=10**15))
def test_a_short_count_is_within_half_a_percent(count):
    text, _, unit = short(count).partition("\N{NO-BREAK SPACE}")
    shown = Decimal(text.replace(",", "")) * 10 ** {"": 0, "k": 3, "M": 6, "B": 9, "T": 12}[unit]

    assert abs(shown - count) <= count * Decimal("0.005")


@pytest.mark.parametrize(
    ("now", "before", "kind", "text", "tone"),
    [
        (112, 100, "cost", "12 %", "more"),
        (82, 100, "cost", "18 %", "less"),
        (104, 100, "cost", "4 %", ""),
        (150, 100, "", "50 %", ""),
        (2000, 100, "cost", "20×", "more"),
        (1, 0, "cost", "new", ""),
        (0, 0, "cost", "–", ""),
        (0, 100, "cost", "100 %", "less"),
    ],
)
def test_only_costs_are_coloured_and_only_when_it_matters(now, before, kind, text, tone):
    shown = change(now, before, kind)

    assert shown.text.replace("\N{NO-BREAK SPACE}", " ") == text
    assert shown.tone == tone
