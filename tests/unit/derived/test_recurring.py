"""Streams found in examples and in the synthetic population."""

import datetime
import itertools
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from tests.building import day
from tests.conftest import Report
from tests.payments import (
    AS_OF,
    date,
    each_month,
    every,
    find,
    found,
    frame,
    rows,
    share,
    shown,
    table,
)

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import calibration, synthetic
from tuppence.derived.streams import find_streams
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema


def test_a_subscription_is_found_with_its_next_payment() -> None:
    (one,) = found(rows(*each_month(-999, 6)))
    names = (
        "kind",
        "cadence",
        "times",
        "amount",
        "previous amount",
        "typical amount",
        "monthly amount",
        "next date",
        "state",
    )
    assert shown(one, *names) == [
        *("subscription", "monthly", 6, 999, 999, 999, 999),
        *("2026-07-08", "mature"),
    ]
    assert one["confidence"] > 900
    assert one["window days"] <= 3


def test_a_price_rise_continues_its_stream() -> None:
    paid = [*each_month(-999, 3), *each_month(-1099, 3, begin=4)]
    (one,) = found(rows(*paid))
    assert shown(one, "times", "amount", "previous amount") == [6, 1099, 1099]
    (one,) = found(rows(*paid[:4]), as_of="2026-04-20")
    assert shown(one, "times", "amount", "previous amount", "typical amount") == [4, 1099, 999, 999]


def test_two_streams_to_one_payee_are_distinguished() -> None:
    first = rows(*each_month(-499, 6, on=3))
    second = rows(*each_month(-1799, 6, on=17))
    assert [shown(one, "amount", "times") for one in found(first, second)] == [
        [499, 6],
        [1799, 6],
    ]


def test_payments_may_move_past_weekends_and_month_ends() -> None:
    rolled = [
        ("2026-01-31", -5000),
        ("2026-02-28", -5000),
        ("2026-03-31", -5000),
        ("2026-04-30", -5000),
        ("2026-06-01", -5000),
        ("2026-06-30", -5000),
    ]
    (one,) = found(rows(*rolled, type="standing order", merchant="Landlord"))
    assert shown(one, "kind", "cadence", "times", "next date") == [
        "bill",
        "monthly",
        6,
        "2026-07-30",
    ]


@pytest.mark.parametrize(
    ("days", "cadence", "monthly"),
    [(7, "weekly", 217_411), (14, "fortnightly", 108_705), (28, "four-weekly", 54_353)],
)
def test_weekly_cadences_are_recognized(days: int, cadence: str, monthly: int) -> None:
    count = 140 // days
    (one,) = found(
        rows(*every(days, count, 50_000), merchant="Works", type="salary"), as_of="2026-06-20"
    )
    assert shown(one, "kind", "cadence", "times") == ["income", cadence, count]
    assert one["monthly amount"] == monthly  # a year has 365.25 days
    last = datetime.date(2026, 2, 6) + datetime.timedelta(days * (count - 1))
    assert shown(one, "next date") == [(last + datetime.timedelta(days)).isoformat()]


@pytest.mark.parametrize(
    ("days", "cadence", "months"),
    [
        (61, "every two months", 2),
        (91, "quarterly", 3),
        (182, "half-yearly", 6),
        (365, "yearly", 12),
    ],
)
def test_cadences_of_several_months_are_recognized(days: int, cadence: str, months: int) -> None:
    paid = every(days, 3, -12_000, "2024-06-10")
    (one,) = found(rows(*paid, type="direct debit"), as_of="2026-06-20")
    assert one["cadence"] == cadence
    assert one["monthly amount"] == 12_000 / months


def test_a_stream_may_skip_one_or_two_months() -> None:
    council_tax = ["2025-11-19", "2025-12-19", "2026-01-19", "2026-04-20", "2026-05-19"]
    paid = [(text, -19_175) for text in council_tax]
    (one,) = found(rows(*paid, type="direct debit", merchant="Council Tax"))
    assert one["times"] == 5


def test_amounts_of_bills_may_vary_but_not_those_of_purchases() -> None:
    varied = [-9000, -12_000, -14_500, -11_000, -8000, -6000]
    paid = [(text, amount) for (text, _), amount in zip(each_month(0, 6), varied, strict=True)]
    (one,) = found(rows(*paid, type="direct debit", merchant="Northern Spark"))
    assert shown(one, "kind", "times", "amount", "typical amount") == ["bill", 6, 6000, 10_000]
    assert found(rows(*paid, type="card", merchant="Green Basket")) == []


def test_the_state_follows_from_the_number_and_date_of_payments() -> None:
    (one,) = found(rows(*each_month(-999, 3, begin=4)))
    assert one["state"] == "early"
    (one,) = found(rows(*each_month(-999, 2, begin=5), type="direct debit"))
    assert one["state"] == "early"
    assert found(rows(*each_month(-999, 2, begin=5))) == []
    (one,) = found(rows(*each_month(-999, 4)))
    assert one["state"] == "stopped"


def test_the_text_is_the_payee_if_no_merchant_is_known() -> None:
    texts = [f"STREAMLY *{number}77 {number}/26" for number in range(1, 7)]
    groups = [
        rows(booked, merchant=None, text=text)
        for booked, text in zip(each_month(-999, 6), texts, strict=True)
    ]
    (one,) = found(*groups)
    assert shown(one, "payee", "times") == ["STREAMLY", 6]


def later(name: str, cents: int = -999, count: int = 3, kind: str = "card") -> list[dict[str, Any]]:
    """Return payments from April on, which follow those of earlier months."""
    return rows(*each_month(cents, count, begin=4), merchant=name, type=kind)


def test_a_renamed_payee_continues_its_stream() -> None:
    before = rows(*each_month(-999, 3))
    (one,) = found(before, later("Streamly Plus"))
    assert shown(one, "payee", "times", "first date") == ["Streamly Plus", 6, "2026-01-08"]
    again = rows(*each_month(-999, 3, begin=7), merchant="Stream+")
    (one,) = found(before, later("Streamly Plus"), again, as_of="2026-09-30")
    assert shown(one, "payee", "times") == ["Stream+", 9]


@pytest.mark.parametrize(
    ("after", "streams"),
    [
        ([later("Other", -1_099)], 2),
        ([later("Other"), later("Another")], 3),
        ([later("Other", kind="direct debit")], 2),
        ([later("Other", count=1)], 1),
        ([rows(*each_month(-999, 3, begin=5), merchant="Other")], 2),
        ([rows(*each_month(-999, 3, on=20, begin=4), merchant="Other")], 2),
    ],
)
def test_another_payee_starts_a_stream_of_its_own(after: list[Any], streams: int) -> None:
    before = rows(*each_month(-999, 3))
    assert len(found(before, *after, as_of="2026-07-31")) == streams


def test_a_mandate_continues_with_its_first_payment_to_the_new_name() -> None:
    before = rows(*each_month(-999, 3), type="direct debit")
    (one,) = found(before, later("Other", count=1, kind="direct debit"))
    assert shown(one, "payee", "times") == ["Other", 4]


@pytest.mark.parametrize(
    ("sizes", "kind", "times"),
    [
        ((1_000, 1_000, 1_000, 1_250), "card", [4]),
        ((1_000, 1_000, 1_000, 1_251), "card", [4]),
        ((1_000, 1_000, 1_000, 2_000), "card", [4]),
        ((1_000, 1_000, 1_000, 2_001), "card", [3]),
        ((1_000, 1_000, 1_000, 5_000, 5_000, 5_000), "card", [6]),
        ((1_000, 1_000, 1_600), "direct debit", [3]),
        ((1_000, 1_000, 1_601), "direct debit", [2]),
        ((10_000, 10_000, 10_050), "card", [3]),
        ((10_000, 10_000, 10_051), "card", []),
        ((1_000, 1_000, 1_060, 1_120, 1_120), "card", []),
        ((1_000, 1_000, 1_060, 1_120, 1_120, 1_120), "card", [6]),
        ((1_000, 1_000, 1_060, 1_120, 1_180, 1_180), "card", []),
        ((1_000, 1_050, 1_000, 1_050), "card", [4]),
        ((1_000, 1_050, 1_000, 1_051), "card", []),
        ((1_000, 1_050, 1_000), "card", []),
    ],
)
def test_amounts_at_the_limits_still_belong_to_a_stream(
    sizes: Sequence[int], kind: str, times: list[int]
) -> None:
    paid = [(text, -size) for (text, _), size in zip(each_month(0, len(sizes)), sizes, strict=True)]
    assert [one["times"] for one in found(rows(*paid, type=kind))] == times


def test_the_smaller_of_two_payments_of_a_day_is_linked_first() -> None:
    both = [("2026-02-08", -1_200), ("2026-02-08", -1_000)]
    paid = rows(("2026-01-08", -1_100), *both, *each_month(-1_000, 2, begin=3))
    (one,) = found(paid)
    assert shown(one, "times", "first date") == [4, "2026-01-08"]


def test_a_stream_that_is_half_by_card_is_a_bill() -> None:
    paid = rows(*each_month(-999, 2)) + rows(*each_month(-999, 2, begin=3), type="transfer")
    (one,) = found(paid)
    assert one["kind"] == "bill"


def test_only_white_space_of_unicode_separates_words_of_a_payee() -> None:
    texts = ("A\x1cB 1", "a\x1cb", "A\x1cB\u3000")
    groups = [
        rows(booked, merchant=None, text=text)
        for booked, text in zip(each_month(-999, 3), texts, strict=True)
    ]
    (one,) = found(*groups)
    assert one["payee"] == "A\x1cB"


def test_a_payee_that_could_continue_two_others_continues_none() -> None:
    before = rows(*each_month(-999, 3)), rows(*each_month(-999, 3), merchant="Other")
    assert [one["times"] for one in found(*before, later("Another"))] == [3, 3, 3]


def test_a_chain_that_began_by_card_before_a_mandate_ended_does_not_continue_it() -> None:
    before = rows(*each_month(-999, 3), type="direct debit")
    by_card = rows(("2026-03-10", -999), merchant="Other")
    by_mandate = rows(("2026-04-08", -999), merchant="Other", type="direct debit")
    (one,) = found(before, by_card, by_mandate)
    assert shown(one, "payee", "times") == ["Streamly", 3]


def test_the_typical_amount_of_large_payments_is_exact() -> None:
    last = [("2026-05-08", -(2**52 - 1)), ("2026-06-08", -(2**52 - 2))]
    (one,) = found(rows(*last, type="direct debit"))
    assert one["typical amount"] == 2**52 - 2
    assert found(rows(*each_month(-(2**52), 6), type="direct debit")) == []


def test_own_transfers_bank_entries_and_later_payments_are_ignored() -> None:
    groups = (
        rows(*each_month(-10_000, 6), **{"own transfer": True}),
        rows(*each_month(300, 6), merchant="Bank", type="interest"),
        rows(*each_month(-2000, 6), merchant="Cash Machine", type="cash"),
    )
    assert found(*groups) == []
    assert found(rows(*each_month(-999, 6)), as_of="2026-02-28") == []


def test_the_order_of_equal_streams_does_not_depend_on_other_customers() -> None:
    """Each of 100 customers has three accounts with two streams of the same name."""
    owners = {f"{n:03}{place}": f"{n:03}" for n in range(100) for place in "xyz"}
    payees: list[dict[str, Any]] = [
        {"merchant": "SHOP", "category": "food"},
        {"merchant": None, "text": "SHOP 1"},
    ]
    booked = [
        row | {"account": account}
        for account, payee in itertools.product(owners, payees)
        for row in rows(*each_month(-999, 4), **payee)
    ]
    tables = {
        "customers": frame("customers", [{"id": n, "currency": "GBP"} for n in {*owners.values()}]),
        "accounts": frame("accounts", [{"id": i, "customer": n} for i, n in owners.items()]),
        "transactions": table(booked),
    }
    batch = batch_from(ordered(coded(tables, Schema())), Schema())
    whole = in_order(batch)
    assert len(whole) == 600
    alone = [row for n in range(100) for row in in_order(batch.slice(n, n + 1))]
    assert whole == alone


def in_order(batch: FactBatch) -> list[tuple[int, int]]:
    """Return the codes of account and category of each stream."""
    columns = find_streams(batch, date("2026-04-30")).table.columns
    return list(
        zip(*(columns[name].values.tolist() for name in ("account", "category")), strict=True)
    )


# -- where the truth is known ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> FactStore:
    """Return a store with a year of the synthetic population, whose streams are known."""
    facts = FactStore.create(tmp_path_factory.mktemp("population") / "store", Schema())
    facts.add_partitions(made for _, made in synthetic.population(1_000, 7, date(AS_OF), 12))
    return facts


@pytest.fixture(scope="module")
def batch(people: FactStore) -> FactBatch:
    ((name, _),) = people.partitions()
    return people.read(name)


@pytest.fixture(scope="module")
def population(people: FactStore) -> pl.DataFrame:
    parts = [part.transactions for part in people.parts() if part.transactions is not None]
    return pl.concat(parts)


PAYEES = {name for names in calibration.BILLERS.values() for name in names}
RECURS = [*PAYEES, "Employer", "Child Benefit"]


@pytest.fixture(scope="module")
def streams(batch: FactBatch) -> pl.DataFrame:
    return find(batch, date(AS_OF))


@pytest.fixture(scope="module")
def truth(population: pl.DataFrame) -> pl.DataFrame:
    """Return each account and payee with at most one payment a month and at least three in all."""
    month = pl.col("booking date").cast(pl.Date).dt.strftime("%Y-%m")
    groups = (
        population.filter(pl.col("merchant").is_in(RECURS))
        .group_by("account", payee="merchant")
        .agg(
            times=pl.len(),
            months=month.n_unique(),
            amounts=pl.col("amount").n_unique(),
            category=pl.col("category").first(),
        )
    )
    return groups.filter((pl.col("times") == pl.col("months")) & (pl.col("times") >= 3))


def test_found_streams_do_recur(streams: pl.DataFrame, report: Report) -> None:
    assert streams.height > 5_000
    precision = share(streams, pl.col("payee").is_in(RECURS))
    report("precision", precision)
    assert precision >= 0.98


def test_recurring_payments_are_found_completely(
    streams: pl.DataFrame, truth: pl.DataFrame, report: Report
) -> None:
    whole = truth.join(streams, on=["account", "payee", "times"], how="semi")
    report("recall", whole.height / truth.height)
    assert whole.height / truth.height >= 0.95


def test_price_rises_continue_their_streams(
    streams: pl.DataFrame, truth: pl.DataFrame, report: Report
) -> None:
    fixed = pl.col("payee").is_in(PAYEES) & (pl.col("category") != "energy")
    risen = truth.filter(fixed & (pl.col("amounts") == 2))
    whole = risen.join(streams, on=["account", "payee", "times"], how="semi")
    report("price rises", whole.height / risen.height)
    assert risen.height > 1_000
    assert whole.height / risen.height >= 0.95


def test_next_payments_come_on_the_predicted_dates(
    batch: FactBatch, population: pl.DataFrame, report: Report
) -> None:
    """Compare the streams at the end of May with the payments of June."""
    known = find(batch, date("2026-05-31")).filter(
        (pl.col("state") == "mature") & (pl.col("cadence") == "monthly")
    )
    june = population.filter(pl.col("booking date") > day("2026-05-31")).select(
        "account", payee="merchant", paid="booking date"
    )
    apart = (pl.col("paid") - pl.col("next date")).abs() <= pl.col("window days")
    both = known.join(june, on=["account", "payee"]).group_by("account", "payee", "first date")
    hit = both.agg(hit=apart.any())
    report("in time", share(hit, pl.col("hit")))
    assert share(hit, pl.col("hit")) >= 0.9
