"""Comparisons with people of like age and income, and prices that rose for many."""

from dataclasses import replace
from typing import Any

import pytest
from tests.building import day
from tests.halves import assert_same
from tests.payments import frame

from tuppence.derived.peers import among_peers
from tuppence.derived.streams import find_streams
from tuppence.facts.batch import NULL_MONEY, FactBatch
from tuppence.facts.census import LASTS, Census
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

AS_OF = Date(day("2026-06-15"))
FIRST = day("2026-06-01")
Row = dict[str, Any]
CENSUS = Census(FIRST, {"GBP 1 1": {"eating out": 5_000, "groceries": 20_000}})
"""Of people between 30 and 44 with a monthly income from 1,200 to 1,800 pounds."""


def paid(days_ago: int, amount: int, category: str = "eating out", **what: Any) -> Row:
    given = {"booking date": AS_OF.day - days_ago, "amount": -amount, "category": category}
    return {**given, "type": "card", "own transfer": False, **what}


def wages(monthly: int = 150_000, first: int = 359) -> list[Row]:
    """Return twelve payments in 360 days, the first of them some days ago."""
    return [paid(first - 30 * n, -monthly, "income", type="salary") for n in range(12)]


def facts(
    *rows: Row, census: Census | None = CENSUS, born: int | None = 1990, currency: str = "GBP"
) -> FactBatch:
    """Return one customer's facts, in which both halves must agree."""
    keys: Row = {"account": "a1"}
    tables = {
        "customers": frame("customers", [{"id": "a", "currency": currency, "birth year": born}]),
        "accounts": frame("accounts", [{"id": "a1", "customer": "a", "type": "current"}]),
        "transactions": frame(
            "transactions",
            [{"id": str(n), "sequence": n, **keys, **row} for n, row in enumerate(rows)],
        ),
    }
    batch = replace(batch_from(ordered(coded(tables, Schema())), Schema()), census=census)
    assert_same(batch, AS_OF)
    return batch


def compared(*rows: Row, as_of: Date = AS_OF, **what: Any) -> tuple[int, str | None, int, int]:
    """Return whether somebody is above their peers, in what, and the two amounts."""
    found = among_peers(facts(*wages(), paid(360, 1, "transport"), *rows, **what), as_of)
    category = found["peer category"]
    own, peers = (int(found[name].values[0]) for name in ("own spending", "peer spending"))
    return (
        int(found["above peers"].values[0]), category.dictionary[category.values[0]], own, peers
    )  # fmt: skip


def both(amount: int, category: str = "eating out", **what: Any) -> list[Row]:
    """Return a purchase in each of the two windows of 90 days."""
    return [paid(89, amount, category, **what), paid(90, amount, category, **what)]


NO = (0, None, NULL_MONEY, NULL_MONEY)
NOT_KNOWN = (2, None, NULL_MONEY, NULL_MONEY)


def test_three_times_what_half_of_the_peers_spend_in_both_windows_is_far_more() -> None:
    assert compared(*both(45_000)) == (1, "eating out", 15_000, 5_000)
    assert compared(paid(89, 44_999), paid(90, 45_000)) == NO
    assert compared(paid(89, 45_000), paid(90, 44_999)) == NO
    assert compared(paid(89, 45_000), paid(179, 45_000))[0] == 1
    assert compared(paid(89, 45_000), paid(180, 45_000)) == NO


def test_the_category_with_the_largest_difference_is_named() -> None:
    many = [*both(45_000), *both(180_000, "groceries")]
    assert compared(*many) == (1, "groceries", 60_000, 20_000)


def test_only_purchases_of_categories_of_the_census_are_compared() -> None:
    assert compared(*both(45_000, type="direct debit")) == NO
    assert compared(*both(45_000, refunded=1)) == NO
    assert compared(*both(45_000, "transport")) == NO  # of which nothing is known
    assert compared(*(row | {"own transfer": True} for row in both(45_000))) == NO
    assert compared(*both(2**30)) == NO


def test_a_difference_that_nobody_notices_is_not_told() -> None:
    small = Census(FIRST, {"GBP 1 1": {"eating out": 700}})
    assert compared(*both(6_599), census=small) == NO
    assert compared(*both(6_600), census=small)[0] == 1


@pytest.mark.parametrize(
    "what",
    [
        {"census": None},
        {"census": Census(FIRST)},
        {"census": Census(FIRST + 15, CENSUS.usual)},
        {"census": Census(AS_OF.day - LASTS, CENSUS.usual)},
        {"born": None},
        {"born": 2027},
        {"born": 1905},
        {"born": 1996},  # 30 this year, and there is no other group with figures
        {"currency": "EUR"},
        {"currency": "BTN"},
    ],
    ids=str,
)
def test_without_a_census_or_a_cohort_it_is_not_known(what: dict[str, Any]) -> None:
    expected = NO if what == {"born": 1996} else NOT_KNOWN
    assert compared(*both(44_000), **what) == expected


def test_a_cohort_is_of_an_age_and_an_income() -> None:
    rows = both(45_000)

    def above(born: int, monthly: int) -> int:
        batch = facts(*wages(monthly), paid(360, 1), *rows, born=born)
        return int(among_peers(batch, AS_OF)["above peers"].values[0])

    assert [above(born, 150_000) for born in (1981, 1982, 1996, 1997)] == [2, 1, 1, 2]
    assert [above(1990, pay) for pay in (119_999, 120_000, 179_999, 180_000)] == [2, 1, 1, 2]


def test_a_comparison_needs_a_year_and_an_income() -> None:
    def above(*rows: Row) -> int:
        return int(among_peers(facts(*rows, *both(45_000)), AS_OF)["above peers"].values[0])

    assert above(*wages(), paid(360, 1)) == 1
    assert above(*wages()) == 2  # 359 days
    assert above(paid(360, 1)) == 2  # without an income
    assert above(*(row | {"category": None} for row in wages()), paid(360, 1)) == 2


# -- a price that rose for many --------------------------------------------------------------------


def test_streams_know_the_rise_of_their_payee() -> None:
    rows = [paid(30 * n + 2, 3_250, "broadband", type="direct debit", merchant=name)
            for name in ("Quickline", "Fathom Fibre") for n in range(5)]  # fmt: skip

    def rises(census: Census | None, as_of: Date = AS_OF) -> list[int]:
        found = find_streams(facts(*rows, census=census), as_of).table.columns["rise of many"]
        return [int(one) for one in found.values]

    census = Census(FIRST, rises={"GBP": {"Quickline": 800}})
    assert sorted(rises(census)) == [NULL_MONEY, 800]
    assert rises(None) == [NULL_MONEY, NULL_MONEY]
    assert rises(Census(FIRST, rises={"EUR": {"Quickline": 800}})) == [NULL_MONEY, NULL_MONEY]
    assert rises(census, Date(FIRST - 1))[0] == NULL_MONEY
