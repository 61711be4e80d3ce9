"""Payments and spending that stand out, ended trials, duplicates, and figures for planted cases."""

from typing import Any

import numpy as np
import pytest
from tests.building import day
from tests.conftest import Report
from tests.halves import assert_same
from tests.payments import batch_of, table
from tests.planted import Planted, planted

from tuppence.derived.categories import unusual_categories
from tuppence.derived.merchants import at_merchants
from tuppence.derived.streams import find_streams
from tuppence.facts.batch import NULL_MONEY, FactBatch
from tuppence.feel.values import Date

LAST = Date(day("2026-06-30"))
Row = dict[str, Any]


def paid(days_ago: int, amount: int, **what: Any) -> Row:
    return {"booking date": LAST.day - days_ago, "amount": -amount, "type": "card", **what}


def facts(*rows: Row, currency: str = "GBP") -> FactBatch:
    """Return one customer's facts, in which both halves must agree."""
    batch = batch_of(table(sorted(rows, key=lambda row: row["booking date"])), currency)
    assert_same(batch, LAST)
    return batch


# -- payments at merchants -------------------------------------------------------------------------


def payments(*rows: Row, currency: str = "GBP") -> list[tuple[int, int | None]]:
    """Return whether the last payments are unusual, and the largest before, in order."""
    found = at_merchants(facts(*rows, currency=currency))
    largest = found["largest before"].values.tolist()
    pairs = zip(found["unusual"].values.tolist(), largest, strict=True)
    return [(unusual, None if most == NULL_MONEY else most) for unusual, most in pairs]


def usual(count: int, amount: int = 1_800, **what: Any) -> list[Row]:
    return [paid(10 + number, amount, merchant="Bean Yard", **what) for number in range(count)]


def test_a_payment_of_three_times_the_only_amount_is_unusual() -> None:
    assert payments(*usual(12), paid(1, 5_400, merchant="Bean Yard"))[-1] == (1, 1_800)
    assert payments(*usual(12), paid(1, 5_399, merchant="Bean Yard"))[-1] == (0, 1_800)


def test_twelve_earlier_payments_are_needed_and_may_be_of_one_day() -> None:
    assert payments(*usual(11), paid(1, 9_000, merchant="Bean Yard"))[-1] == (0, None)
    same_day = [paid(1, 1_800, merchant="Bean Yard") for _ in range(12)]
    assert payments(*same_day, paid(1, 9_000, merchant="Bean Yard"))[-1] == (1, 1_800)


def test_a_payment_must_be_farther_above_the_largest_than_that_above_the_median() -> None:
    varied = [*usual(12), paid(5, 3_599, merchant="Bean Yard")]
    needed = -(-3 * 3_599**2 // 1_800)
    assert payments(*varied, paid(1, needed, merchant="Bean Yard"))[-1] == (1, 3_599)
    assert payments(*varied, paid(1, needed - 1, merchant="Bean Yard"))[-1] == (0, 3_599)


def test_a_difference_that_nobody_notices_is_not_unusual() -> None:
    coffees = usual(12, 300)
    assert payments(*coffees, paid(1, 1_800, merchant="Bean Yard"))[-1] == (1, 300)
    assert payments(*coffees, paid(1, 1_799, merchant="Bean Yard"))[-1] == (0, 300)


def test_the_noticeable_difference_is_that_of_the_currency() -> None:
    yen = usual(12, 1_500)
    assert payments(*yen, paid(1, 4_500, merchant="Bean Yard"), currency="JPY")[-1] == (1, 1_500)
    less = usual(12, 1_499)
    assert payments(*less, paid(1, 4_498, merchant="Bean Yard"), currency="JPY")[-1] == (0, 1_499)


def test_in_a_currency_without_a_noticeable_difference_it_is_not_known() -> None:
    assert payments(*usual(12), paid(1, 9_000, merchant="Bean Yard"), currency="BTN")[-1] == (
        2,
        1_800,
    )


@pytest.mark.parametrize(
    "other",
    [{"type": "cash"}, {"type": "fee"}, {"own transfer": True}, {"amount": 1_800}],
    ids=" ".join,
)
def test_what_is_no_payment_neither_counts_nor_is_unusual(other: Row) -> None:
    what = {"merchant": "Bean Yard", "own transfer": False}
    eleven = usual(11)
    assert payments(*eleven, paid(2, 1_800, **what) | other, paid(1, 9_000, **what))[-1][1] is None
    twelve = payments(*eleven, paid(2, 1_800, **what), paid(1, 9_000, **what) | other)
    assert twelve[-1] == (0, None)


def test_payments_too_large_for_exact_products_are_left_out() -> None:
    assert payments(*usual(12), paid(1, 2**30 - 1, merchant="Bean Yard"))[-1] == (1, 1_800)
    assert payments(*usual(12), paid(1, 2**30, merchant="Bean Yard"))[-1] == (0, None)


# -- trials ----------------------------------------------------------------------------------------


def trial(gap: int, trial_price: int, price: int, **what: Any) -> int:
    """Return whether the second of two payments is the first full price after a trial."""
    given = {"merchant": "Streamly", "category": "subscriptions"} | what
    batch = facts(paid(2 + gap, trial_price, **given), paid(2, price, **given))
    return int(at_merchants(batch)["after trial"].values[-1])


def test_a_full_price_some_weeks_after_a_small_one_ends_a_trial() -> None:
    assert trial(14, 100, 999) == 1
    assert [trial(gap, 333, 999) for gap in (2, 3, 35, 36)] == [0, 1, 1, 0]
    assert trial(14, 334, 999) == 0


def test_only_purchases_of_subscriptions_end_trials() -> None:
    assert trial(14, 100, 999, category="groceries") == 0
    assert trial(14, 100, 999, type="direct debit") == 0
    assert trial(14, 100, 999, type=None) == 1


def test_the_second_full_price_ends_no_trial() -> None:
    given = {"merchant": "Streamly", "category": "subscriptions"}
    batch = facts(paid(60, 100, **given), paid(40, 999, **given), paid(10, 999, **given))
    assert at_merchants(batch)["after trial"].values.tolist() == [0, 1, 0]


# -- spending on categories ------------------------------------------------------------------------


def category(*rows: Row, as_of: Date = LAST) -> tuple[str | None, int, int]:
    batch = facts(*rows)
    found = unusual_categories(batch, as_of)
    text = found["unusual category"]
    amounts = (found[name].values[0] for name in ("unusual spending", "usual spending"))
    recent, median = map(int, amounts)
    return text.dictionary[text.values[0]], recent, median


def monthly(name: str, amount: int, recent: int, **what: Any) -> list[Row]:
    """Return thirteen purchases of earlier periods, and two equal ones of the last."""
    earlier = [paid(30 * number + 5, amount, category=name, **what) for number in range(1, 14)]
    return [*(paid(ago, recent, category=name, **what) for ago in (3, 4)), *earlier]


NONE = (None, NULL_MONEY, NULL_MONEY)


def test_spending_of_twice_the_only_amount_beside_the_largest_purchase_is_unusual() -> None:
    assert category(*monthly("groceries", 5_000, 10_000)) == ("groceries", 20_000, 5_000)
    assert category(*monthly("groceries", 5_000, 9_999)) == NONE


def test_one_purchase_alone_is_no_unusual_spending() -> None:
    first, _, *earlier = monthly("groceries", 5_000, 100_000)
    assert category(first, *earlier) == NONE
    assert category(first, paid(2, 9_999, category="groceries"), *earlier) == NONE
    others = [paid(ago, 5_000, category="groceries") for ago in (1, 2)]
    assert category(first, *others, *earlier) == ("groceries", 110_000, 5_000)


def test_the_category_with_the_most_more_than_usual_is_named() -> None:
    both = [*monthly("groceries", 5_000, 30_000), *monthly("transport", 2_000, 28_499)]
    assert category(*both)[0] == "groceries"
    more = [*monthly("groceries", 5_000, 30_000), *monthly("transport", 2_000, 28_501)]
    assert category(*more)[0] == "transport"
    equal = [*monthly("transport", 5_000, 30_000), *monthly("groceries", 5_000, 30_000)]
    assert category(*equal)[0] == "transport"  # paid for first


def test_a_category_that_was_left_out_in_one_period_is_not_looked_at() -> None:
    rows = monthly("groceries", 5_000, 30_000)
    assert category(*rows)[0] == "groceries"
    assert category(*rows[:5], *rows[6:]) == NONE


def test_refunds_are_no_spending() -> None:
    rows = monthly("groceries", 5_000, 30_000)
    rows[0]["refunded"] = 20_001
    assert category(*rows) == NONE
    rows[0]["refunded"] = 20_000
    assert category(*rows) == ("groceries", 40_000, 5_000)


@pytest.mark.parametrize("kind", ["direct debit", "standing order", "transfer", "cash", "fee"])
def test_only_purchases_are_looked_at(kind: str) -> None:
    assert category(*monthly("energy", 5_000, 30_000, type=kind)) == NONE
    assert category(*monthly("energy", 5_000, 30_000, type=None))[0] == "energy"


def test_less_than_thirteen_periods_of_history_say_nothing() -> None:
    rows = monthly("groceries", 5_000, 30_000)[:-1]
    assert category(*rows) == NONE
    known = paid(390, 100, category="transport")
    assert category(*rows, known)[0] == "groceries"
    assert category(*rows, known | {"booking date": LAST.day - 389}) == NONE


# -- duplicates ------------------------------------------------------------------------------------


def duplicates(*rows: Row) -> list[int]:
    found = find_streams(facts(*rows), LAST).table.columns["duplicate"].values
    return list(map(int, found))


def series(begin: int, amount: int, count: int = 6, **what: Any) -> list[Row]:
    given = {"merchant": "Streamly"} | what
    return [paid(begin + 30 * number, amount, **given) for number in range(count)]


def test_two_equal_subscriptions_to_one_payee_are_duplicates() -> None:
    assert duplicates(*series(3, 999), *series(15, 999)) == [0, 1]
    assert duplicates(*series(3, 999), *series(15, 999, account="b")) == [0, 0]  # another customer
    assert duplicates(*series(3, 999), *series(15, 499)) == [0, 0]
    assert duplicates(*series(3, 999), *series(15, 999, merchant="Tunebox")) == [0, 0]
    assert duplicates(*series(107, 999, 4), *series(115, 999, 4)) == [0, 0]  # both have stopped


def test_a_merchant_and_a_text_of_one_name_are_one_payee() -> None:
    by_text = series(15, 999, merchant=None, text="STREAMLY")
    assert duplicates(*series(3, 999, merchant="STREAMLY"), *by_text) == [0, 1]


# -- figures ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> Planted:
    return planted(4_000, 5, LAST, share=0.04)


def told(found: Planted, hit: Any, kind: str) -> tuple[float, float, float]:
    """Return the share of people who are told, the precision, and the recall.

    People for whom another kind of case was planted are left out.
    """
    ids = np.array(found.batch.customer_ids)
    truth = np.isin(ids, list(found.cases[kind]))
    others = [name for other, names in found.cases.items() if other != kind for name in names]
    asked = np.isin(ids, list(found.old)) & ~np.isin(ids, others)
    right = (hit & truth & asked).sum()
    return (
        float((hit & asked).sum() / asked.sum()),
        float(right / max((hit & asked).sum(), 1)),
        float(right / (truth & asked).sum()),
    )


def say(report: Report, what: str, figures: tuple[float, float, float]) -> None:
    for name, figure in zip(("told", "precision", "recall"), figures, strict=True):
        report(f"{what}: {name}", figure)


def test_unusual_spending_of_a_month_of_nights_is_what_was_planted(
    found: Planted, report: Report
) -> None:
    hit = np.zeros(len(found.batch), np.bool_)
    for night in range(30):
        codes = unusual_categories(found.batch, Date(LAST.day - night))["unusual category"].values
        hit |= codes > 0
    share, precision, recall = figures = told(found, hit, "category")
    say(report, "unusual spending", figures)
    assert share <= 0.02
    assert precision >= 0.9
    assert recall >= 0.15


def of_month(found: Planted, flags: Any) -> Any:
    """Return which customers have a flagged transaction in the last 30 days."""
    rows = found.batch.transactions
    recent = (flags == 1) & (rows.columns["booking date"].values > LAST.day - 30)
    sums = np.concatenate([[0], np.cumsum(recent)])
    return sums[rows.offsets[1:]] > sums[rows.offsets[:-1]]


def test_unusual_payments_of_a_month_are_what_was_planted(found: Planted, report: Report) -> None:
    flags = at_merchants(found.batch)["unusual"].values
    share, precision, recall = figures = told(found, of_month(found, flags), "payment")
    say(report, "unusual payment", figures)
    assert share <= 0.02
    assert precision >= 0.9
    assert recall >= 0.15


def test_ended_trials_of_a_month_are_what_was_planted(found: Planted, report: Report) -> None:
    flags = at_merchants(found.batch)["after trial"].values
    share, precision, recall = figures = told(found, of_month(found, flags), "trial")
    say(report, "after trial", figures)
    assert share <= 0.05
    assert precision >= 0.95
    assert recall >= 0.95


def test_duplicates_are_paid_twice_a_month(found: Planted, report: Report) -> None:
    streams = find_streams(found.batch, LAST).table
    kind = streams.columns["kind"]
    marked = streams.columns["duplicate"].values == 1
    marked &= kind.values == kind.dictionary.index("subscription")
    owner = np.repeat(np.arange(len(found.batch)), streams.row_counts)
    hit = np.isin(np.arange(len(found.batch)), owner[marked])
    twice = paid_twice(found)
    planted_too = np.isin(np.array(found.batch.customer_ids), list(found.cases["subscription"]))
    report("duplicates: told", float(hit.mean()))
    report("duplicates: paid twice a month", float((hit & twice).sum() / hit.sum()))
    report("duplicates: planted ones found", float((hit & planted_too).sum() / planted_too.sum()))
    assert (hit & twice).sum() >= 0.95 * hit.sum()
    assert (hit & planted_too).sum() >= 0.9 * planted_too.sum()


def paid_twice(found: Planted) -> Any:
    """Return who pays one amount to one merchant five times or more in 92 days by card."""
    rows = found.batch.transactions
    columns = {name: rows.columns[name].values for name in ("booking date", "amount", "merchant")}
    category = rows.columns["category"]
    recent = columns["booking date"] > LAST.day - 92
    recent &= category.values == category.dictionary.index("subscriptions")
    owner = np.repeat(np.arange(len(found.batch)), rows.row_counts)
    keys = np.stack([owner, columns["merchant"], columns["amount"]], axis=1)[recent]
    distinct, counts = np.unique(keys, axis=0, return_counts=True)
    return np.isin(np.arange(len(found.batch)), distinct[counts >= 5, 0])
