"""The people of the synthetic population: who they are, and their accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tuppence.bankdata import calibration as cal
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, civil

Array = npt.NDArray[Any]
CURRENT: Final = 0
SAVINGS: Final = 1
"""Kinds of accounts, by which their identifiers differ."""


@dataclass(frozen=True, slots=True)
class People:
    """Characteristics of some customers: arrays with one element per customer."""

    decile: Array
    volume: Array
    scale: Array
    saver: Array
    cash: Array
    bills: Array
    income: Array
    opening: Array
    tenure: Array

    def __len__(self) -> int:
        return len(self.decile)


def make_people(rng: np.random.Generator, count: int) -> People:
    """Make up some customers."""
    low, middle, high = cal.MONTHLY_QUANTILES
    spread = np.log(high / low) / (2 * 1.2816)  # 1.2816: the normal's 90th percentile
    volume = np.clip(middle * np.exp(spread * rng.standard_normal(count)), 6, 250)
    decile = rng.integers(0, cal.DECILES, count)
    scale = np.exp(0.30 * rng.standard_normal(count) - 0.045)
    totals = np.sum([cal.WEEKLY_SPENDING[name] for name in cal.WEEKLY_SPENDING], axis=0)
    monthly = totals[decile] * scale * 52 / 12
    return People(
        decile=decile,
        volume=volume,
        scale=scale,
        saver=rng.random(count) < 0.6,
        bills=np.clip(np.rint(cal.BILL_SHARE * volume), 2, len(cal.BILL_ORDER)).astype(int),
        cash=rng.random(count) < 0.06,
        income=monthly * rng.uniform(1.0, 1.3, count),
        opening=monthly * rng.lognormal(-0.4, 0.9, count),
        tenure=rng.integers(20, 2500, count),
    )


def customers_of(
    rng: np.random.Generator, people: People, names: Array, until: Date
) -> pl.DataFrame:
    """Return the table of customers, in which some facts are missing."""
    count = len(names)
    year = civil(until.day)[0]
    regions = list(cal.REGIONS)
    weights = np.array(list(cal.REGIONS.values()))
    homes = ["own", "mortgage", "rent", "family"]

    def with_gaps(values: Sequence[Any], share: float) -> pl.Series:
        gaps = rng.random(count) < share
        return pl.Series([None if gap else v for v, gap in zip(values, gaps, strict=True)])

    frame = pl.DataFrame(
        {
            "id": pl.Series(names),
            "currency": pl.repeat("GBP", count, eager=True),
            "country": pl.repeat("GB", count, eager=True),
            "region": with_gaps(
                rng.choice(regions, count, p=weights / weights.sum()).tolist(), 0.05
            ),
            "birth year": with_gaps((year - rng.integers(18, 86, count)).tolist(), 0.08),
            "home": with_gaps(rng.choice(homes, count, p=[0.35, 0.3, 0.28, 0.07]).tolist(), 0.2),
            "household size": with_gaps(rng.integers(1, 6, count).tolist(), 0.1),
            "since": pl.Series(until.day - people.tenure),
        }
    )
    types = {n: POLARS_TYPES[f.kind] for n, f in columns("customers", Schema()).items()}
    return frame.select(pl.col(name).cast(kind) for name, kind in types.items())


def account_ids(names: Array, kind: int) -> Array:
    """Return the identifiers of an account of one kind of each customer."""
    return np.char.add(names, "-S" if kind == SAVINGS else "-C")


def accounts_of(rng: np.random.Generator, people: People, names: Array) -> pl.DataFrame:
    """Return a current account of each customer, and the savings of those who save."""
    arranged = rng.choice([50_000, 100_000, 150_000], len(people))
    limits = np.where(rng.random(len(people)) < 0.6, arranged, 0)
    savers = names[people.saver]
    frame = pl.DataFrame(
        {
            "id": np.concatenate([account_ids(names, CURRENT), account_ids(savers, SAVINGS)]),
            "customer": np.concatenate([names, savers]),
            "type": ["current"] * len(names) + ["savings"] * len(savers),
            "name": pl.Series([None] * (len(names) + len(savers)), dtype=pl.String),
            "opened": pl.Series([None] * (len(names) + len(savers)), dtype=pl.Int32),
            "credit limit": limits.tolist() + [None] * len(savers),
        }
    )
    types = {n: POLARS_TYPES[f.kind] for n, f in columns("accounts", Schema()).items()}
    return frame.select(pl.col(name).cast(kind) for name, kind in types.items())
