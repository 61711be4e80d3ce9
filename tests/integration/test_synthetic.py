"""The synthetic population follows the figures it is calibrated on."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.building import day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import calibration as cal
from tuppence.bankdata.synthetic import population
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

UNTIL = Date(day("2026-06-30"))


def made(customers: int, seed: int = 1, months: int = 13) -> Rows:
    ((_, rows),) = population(customers, seed, UNTIL, months)
    return rows


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    """Return 12 complete months of transactions of customers who joined earlier, with owners."""

    rows = made(4000)
    assert rows.transactions is not None
    assert rows.accounts is not None
    owners = rows.accounts.select(pl.col("id").alias("account"), "customer", kind="type")
    frame = rows.transactions.with_columns(pl.col("account").cast(pl.String)).join(
        owners, on="account"
    )
    frame = frame.with_columns(date=pl.col("booking date").cast(pl.Date))
    first = frame.group_by("customer").agg(first=pl.min("booking date"))
    since = day("2025-07-01")
    frame = frame.join(first, on="customer").filter(pl.col("first") < since)
    return frame.filter(pl.col("booking date") >= since)


def test_volume_follows_the_quantiles_of_a_real_bank(year: pl.DataFrame) -> None:
    monthly = year.group_by("customer").len()["len"] / 12
    found = [monthly.quantile(q) for q in (0.1, 0.5, 0.9)]
    assert found == pytest.approx(cal.MONTHLY_QUANTILES, rel=0.12)
    assert monthly.mean() == pytest.approx(cal.MONTHLY_MEAN, rel=0.08)


def test_shares_of_rows_follow_those_of_a_real_bank(year: pl.DataFrame) -> None:
    kinds = dict(year.group_by("type").len().with_columns(pl.col("len") / year.height).rows())
    card = year.filter((pl.col("type") == "card") & (pl.col("category") != "subscriptions"))
    assert card.height / year.height == pytest.approx(0.64, abs=0.12)
    assert kinds["direct debit"] + kinds["standing order"] == pytest.approx(0.17, abs=0.08)
    own = year["own transfer"].mean()
    assert own == pytest.approx(0.04, abs=0.03)


def test_spending_by_income_decile_follows_the_survey(year: pl.DataFrame) -> None:
    """Check the total of groceries and eating out, and the spread between the deciles."""
    out = year.filter((pl.col("amount") < 0) & ~pl.col("own transfer"))
    for category in ("groceries", "eating out"):
        weekly = (
            out.filter(pl.col("category") == category)
            .group_by("customer")
            .agg(weekly=-pl.sum("amount") / 100 / 52)
        )["weekly"] / (1 - cal.CATEGORY_MISSING)
        survey = np.array(cal.WEEKLY_SPENDING[category])
        assert weekly.mean() == pytest.approx(survey.mean(), rel=0.2)
        spread = weekly.quantile(0.9) / weekly.quantile(0.1)  # type: ignore[operator]
        assert spread > survey[9] / survey[0]


def test_gaps_are_as_frequent_as_in_real_data(year: pl.DataFrame) -> None:
    bought = year.filter((pl.col("type") == "card") & (pl.col("category") != "subscriptions"))
    assert bought["merchant"].is_null().mean() == pytest.approx(cal.MERCHANT_MISSING, abs=0.03)
    missing = year.filter(pl.col("type") == "card")["category"].is_null().mean()
    assert missing == pytest.approx(cal.CATEGORY_MISSING, abs=0.03)


def test_december_is_the_busiest_and_the_weekend_too(year: pl.DataFrame) -> None:
    cards = year.filter(pl.col("type") == "card").with_columns(
        month=pl.col("date").dt.month(), weekday=pl.col("date").dt.weekday()
    )
    by_month = dict(cards.group_by("month").len().rows())
    assert max(by_month, key=lambda month: by_month[month]) == 12
    by_weekday = dict(cards.group_by("weekday").len().rows())
    assert by_weekday[6] > by_weekday[5] > by_weekday[1]


def test_bills_and_pay_avoid_weekends(year: pl.DataFrame) -> None:
    weekday = pl.col("date").dt.weekday()
    for kind in ("direct debit", "standing order"):
        days = year.filter(pl.col("type") == kind).select(weekday).to_series()
        assert days.max() == 5
    monthly = year.filter(pl.col("type") == "salary").select(weekday).to_series()
    assert monthly.is_in([6, 7]).sum() == 0


def test_own_transfers_come_in_pairs(year: pl.DataFrame) -> None:
    own = year.filter(pl.col("own transfer"))
    assert own["amount"].sum() == 0
    assert own.group_by("customer", "date").agg(pl.sum("amount"))["amount"].unique().to_list() == [
        0
    ]


def test_balances_are_running_sums(year: pl.DataFrame) -> None:
    """Check that each balance is the previous one plus the amount."""
    ordered = year.sort("account", "booking date", "sequence")
    step = ordered["balance"].diff() == ordered["amount"]
    same = ordered["account"] == ordered["account"].shift(1)
    assert step.filter(same.fill_null(value=False)).all()


def test_energy_follows_the_season(year: pl.DataFrame) -> None:
    energy = year.filter(pl.col("category") == "energy").with_columns(m=pl.col("date").dt.month())
    mean = dict(energy.group_by("m").agg(pl.mean("amount")).rows())
    assert mean[1] < mean[7] < 0


def test_credit_limits_differ() -> None:
    rows = made(300, months=1)
    assert rows.accounts is not None
    limits = rows.accounts.filter(pl.col("type") == "current")["credit limit"]
    assert set(limits.unique().to_list()) == {0, 50_000, 100_000, 150_000}


def test_some_customers_are_new(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.add_partitions([made(600)])
    batch = store.read("p00000")
    counts = np.diff(batch.transactions.offsets)
    days = batch.transactions.columns["booking date"].values
    first = days[batch.transactions.offsets[:-1][counts > 0]]
    assert 0.02 < (first > first.min() + 60).mean() < 0.2


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        store = FactStore.create(tmp_path / name, Schema())
        store.add_partitions([made(50, seed, months=2)])
        digests.append(store.digest)
    assert digests[0] == digests[1] != digests[2]
