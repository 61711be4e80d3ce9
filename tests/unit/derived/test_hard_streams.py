"""Streams that are easily mistaken: policies, dues, habits, new prices, texts that say nothing."""

import datetime
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.halves import assert_same
from tests.payments import AS_OF, date, each_month, every, find, found, frame, rows, shown, table

from tuppence.derived.payees import payee_of_text
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema

POLICIES = (("02-03", 21_200), ("05-05", 19_850), ("08-04", 22_530))


def streams(*groups: list[dict[str, Any]], as_of: str = AS_OF) -> list[list[Any]]:
    """Return cadence, times and amount of each stream."""
    return [shown(one, "cadence", "times", "amount") for one in found(*groups, as_of=as_of)]


# -- several dues of one payee ---------------------------------------------------------------------


def policies(years: range, rise: float = 1.0, until: str = AS_OF) -> Iterator[tuple[str, int]]:
    for number, year in enumerate(years):
        for on, amount in POLICIES:
            if f"{year}-{on}" <= until:
                yield f"{year}-{on}", -round(amount * rise**number)


@pytest.mark.parametrize("kind", ["direct debit", "card"])
@pytest.mark.parametrize("rise", [1.0, 1.04, 0.98])
def test_three_policies_of_one_insurer_are_three_yearly_streams(kind: str, rise: float) -> None:
    paid = list(policies(range(2024, 2027), rise))
    expected = [["yearly", 3, -paid[6][1]], ["yearly", 3, -paid[7][1]], ["yearly", 2, -paid[5][1]]]
    assert streams(rows(*paid, type=kind)) == expected


def test_policies_are_found_with_the_first_renewals() -> None:
    paid = list(policies(range(2025, 2027), 1.03))
    expected = [["yearly", 2, -paid[3][1]], ["yearly", 2, -paid[4][1]]]
    assert streams(rows(*paid, type="direct debit")) == expected


def test_two_dues_of_half_a_year_are_not_one_of_a_quarter() -> None:
    dates = [f"{year}-{month:02}-05" for year in (2024, 2025) for month in (1, 4, 7, 10)]
    paid = [(text, -(9_000 if n % 2 == 0 else 6_000)) for n, text in enumerate(dates)]
    assert streams(rows(*paid, type="direct debit"), as_of="2025-12-01") == [
        ["half-yearly", 4, 9_000],
        ["half-yearly", 4, 6_000],
    ]


def test_a_seasonal_bill_of_each_quarter_stays_one() -> None:
    dates = [f"{year}-{month:02}-05" for year in (2024, 2025) for month in (1, 4, 7, 10)]
    sizes = (21_000, 15_000, 9_000, 13_000, 20_500, 15_700, 9_600, 12_700)
    paid = [(text, -size) for text, size in zip(dates, sizes, strict=True)]
    assert streams(rows(*paid, type="direct debit"), as_of="2025-12-01") == [
        ["quarterly", 8, 12_700]
    ]


def test_instalments_with_a_pause_each_year_stay_one_stream() -> None:
    months = [(y, m) for y in (2024, 2025, 2026) for m in range(1, 13) if m not in {2, 3}]
    paid = [(f"{y}-{m:02}-19", -(19_175 if (y, m) < (2025, 4) else 20_100)) for y, m in months]
    paid = [row for row in paid if "2024-04" <= row[0] <= AS_OF]
    assert streams(rows(*paid, type="direct debit")) == [["monthly", 23, 20_100]]


@pytest.mark.parametrize("second", [5, 12, 15, 20, 26])
@pytest.mark.parametrize("amounts", [(1_200, 3_400), (1_200, 1_500), (1_200, 1_200)])
def test_two_dues_in_one_month_are_two_streams(second: int, amounts: tuple[int, int]) -> None:
    one = rows(*each_month(-amounts[0], 6, on=5), type="direct debit")
    other = rows(*each_month(-amounts[1], 6, on=second), type="direct debit")
    assert sorted(streams(one, other)) == sorted(["monthly", 6, amount] for amount in amounts)


def test_two_dues_that_vary_on_one_day_are_two_streams() -> None:
    power, gas = (6210, 5840, 5520, 5100, 4790, 4630), (7120, 6600, 5710, 4880, 3950, 3010)
    paid = [
        (f"2026-{month + 1:02}-05", -sizes[month]) for sizes in (power, gas) for month in range(6)
    ]
    assert [one[:2] for one in streams(rows(*paid, type="direct debit"))] == [["monthly", 6]] * 2


# -- incomes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [(1, 15), (10, 25), (15, 28), (28, 28)])
@pytest.mark.parametrize("payers", [("Works", "Works"), ("Works", "Mill")])
def test_two_salaries_a_month_are_two_incomes(
    days: tuple[int, int], payers: tuple[str, str]
) -> None:
    groups = [
        rows(*each_month(amount, 6, on=on), merchant=payer, type="salary")
        for on, payer, amount in zip(days, payers, (120_000, 150_000), strict=True)
    ]
    assert [(one["kind"], *shown(one, "cadence", "times")) for one in found(*groups)] == [
        ("income", "monthly", 6),
        ("income", "monthly", 6),
    ]


# -- habits ----------------------------------------------------------------------------------------


def at_will(share: float, amount: int, seed: int) -> list[tuple[str, int]]:
    """Return purchases on a share of all days of four months, each for the same amount."""
    choices = random.Random(seed)  # noqa: S311 - test data
    first = datetime.date(2026, 3, 1)
    days = [first + datetime.timedelta(n) for n in range(120)]
    return [(one.isoformat(), -amount) for one in days if choices.random() < share]


@pytest.mark.parametrize("kind", ["card", None])
@pytest.mark.parametrize(
    "paid",
    [
        *([at_will(share, 320, seed) for share in (0.2, 0.5, 0.8) for seed in range(4)]),
        [row for n in range(5) for row in every(7, 15, -390, f"2026-03-{2 + n:02}")],
        list(every(14, 8, -4_000)),
        list(every(7, 20, -1_250)),
        [row for row in every(1, 120, -280, "2026-03-01") for _ in range(2)],
    ],
)
def test_what_is_bought_now_and_then_is_no_stream(paid: list[Any], kind: str | None) -> None:
    assert found(rows(*paid, type=kind)) == []


def test_a_subscription_at_a_shop_is_found_among_purchases() -> None:
    purchases = [
        (text, -500 - n * n * 17 % 8_500)
        for n, (text, _) in enumerate(every(5, 30, 0, "2026-01-09"))
    ]
    assert streams(rows(*each_month(-899, 6)), rows(*purchases)) == [["monthly", 6, 899]]


@pytest.mark.parametrize("kind", ["transfer", "standing order", "direct debit"])
def test_what_is_transferred_each_week_is_a_bill(kind: str) -> None:
    assert streams(rows(*every(7, 20, -4_000), type=kind)) == [["weekly", 20, 4_000]]


# -- new prices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 3, 5])
@pytest.mark.parametrize("price", [649, 799, 898, 950, 299])
def test_a_new_price_continues_its_stream(price: int, after: int) -> None:
    paid = [*each_month(-499, 4), *each_month(-price, after, begin=5)]
    (one,) = found(rows(*paid), as_of=f"2026-{4 + after:02}-20")
    assert shown(one, "times", "amount", "state") == [4 + after, price, "mature"]
    assert shown(one, "change") == [price - 499 if after == 1 else 0]


def test_several_new_prices_continue_one_stream() -> None:
    paid = [
        *each_month(-499, 4),
        *each_month(-799, 4, begin=5),
        *each_month(-1_299, 4, begin=9),
    ]
    assert streams(rows(*paid), as_of="2026-12-20") == [["monthly", 12, 1_299]]


def test_a_price_that_follows_the_exchange_rate_is_one_stream() -> None:
    sizes = (789, 792, 801, 785, 779, 796, 805, 788)
    paid = [(text, -size) for (text, _), size in zip(each_month(0, 8), sizes, strict=True)]
    assert streams(rows(*paid), as_of="2026-08-20") == [["monthly", 8, 788]]


def test_a_purchase_after_the_end_of_a_subscription_is_no_new_price() -> None:
    ended = rows(*each_month(-899, 4))
    purchases = [("2026-01-20", -1_500), ("2026-02-24", -4_100), ("2026-03-02", -700)]
    later = [("2026-04-19", -2_300), ("2026-05-09", -1_420), ("2026-06-20", -3_000)]
    assert found(ended, rows(*purchases, *later)) == []


def test_nothing_is_stopped_while_its_payee_is_still_paid() -> None:
    ended = rows(*each_month(-899, 4))
    (one,) = found(ended)
    assert one["state"] == "stopped"
    assert found(ended, rows(("2026-06-21", -2_000))) == []
    (one,) = found(ended, rows(("2026-06-21", -2_000), merchant="Other"))
    assert one["state"] == "stopped"
    (one,) = found(ended, rows(("2026-06-21", 2_000)))
    assert one["state"] == "stopped"


def test_a_payee_is_still_paid_from_another_account_of_the_customer() -> None:
    booked = [
        *(row | {"account": "old"} for row in rows(*each_month(-899, 4))),
        *(row | {"account": "new"} for row in rows(("2026-06-21", -999))),
    ]
    accounts = [{"id": name, "customer": "ann", "type": "current"} for name in ("new", "old")]
    tables = {
        "customers": frame("customers", [{"id": "ann", "currency": "GBP"}]),
        "accounts": frame("accounts", accounts),
        "transactions": table(booked),
    }
    batch = batch_from(ordered(coded(tables, Schema())), Schema())
    for as_of, states in (("2026-04-20", ["mature"]), ("2026-06-20", ["stopped"]), (AS_OF, [])):
        assert_same(batch, date(as_of))
        assert find(batch, date(as_of))["state"].to_list() == states


# -- payees ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "payee"),
    [
        ("PAYMENT", None),
        ("Direct Debit", None),
        ("STANDING ORDER", None),
        ("bank transfer to", None),
        ("PAYMENT 12/06", None),
        ("SEPA-LASTSCHRIFT", "SEPA-LASTSCHRIFT"),
        ("Überweisung", None),
        ("-", None),
        ("12345", None),
        ("40118822", "40118822"),
        ("PAYMENT 40118822", "PAYMENT 40118822"),
        ("DIRECT DEBIT AQUA WATER", "DIRECT DEBIT AQUA WATER"),
        ("NORDVPN P432A NRR", "NORDVPN NRR"),
        ("LITTLE OAK NURSERY FEB REF AXQ", "LITTLE OAK NURSERY"),
        ("RENT MARCH", "RENT"),
        ("MARCH", "MARCH"),
        ("O2", "O2"),
        ("STREAMLY *177 1/26", "STREAMLY"),
    ],
)
def test_the_payee_is_what_the_text_says_of_it(text: str, payee: str | None) -> None:
    assert payee_of_text(text) == payee
    paid = found(rows(*each_month(-999, 6), merchant=None, text=text))
    assert [one["payee"] for one in paid] == ([] if payee is None else [payee])


@pytest.mark.parametrize("merchant", ["PAYMENT", "Direct debit", "Standing Order"])
def test_a_merchant_that_says_nothing_is_no_payee(merchant: str) -> None:
    assert found(rows(*each_month(-999, 6), merchant=merchant)) == []
    (one,) = found(rows(*each_month(-999, 6), merchant=merchant, text="Aqua"))
    assert one["payee"] == "AQUA"
