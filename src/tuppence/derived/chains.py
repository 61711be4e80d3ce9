"""Chains of payments, for whole batches: the first half of the search for streams.

    transactions -> payments with payees -> chains -> renamed chains

docs/explanation/streams.md has the exact rules, `chains_reference` follows them in plain Python.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from tuppence.compiled import loop, part_of_loops
from tuppence.facts.batch import Array, Column, FactBatch
from tuppence.feel.values import Date

FIELDS: Final = frozenset(
    {"account", "amount", "booking date", "category", "merchant", "own transfer", "text", "type"}
)
"""Fields of transactions that streams depend on."""

CADENCES: Final = (
    ("weekly", 7, 6, 8),
    ("fortnightly", 14, 13, 15),
    ("monthly", 30, 25, 36),
    ("every two months", 61, 55, 67),
    ("quarterly", 91, 83, 100),
    ("half-yearly", 182, 174, 192),
    ("yearly", 365, 353, 378),
)
"""Names, days, and the minimum and maximum number of days between two payments.

The ranges leave room for weekends, holidays and the lengths of months. `with_cadence` distinguishes
four-weekly from monthly.
"""
FOUR_WEEKLY: Final = "four-weekly"
MANDATES: Final = ("direct debit", "standing order")
"""Types of payments by mandate, whose amounts may vary."""
OF_BANK: Final = ("cash", "fee", "interest")
"""Types of transactions that have no payee."""
MAX_VARIATION: Final = 60
"""Maximum percentage by which payments by mandate, and income, may differ from the one before."""
MAX_RISE: Final = 25
"""The same for other payments: a larger difference is another purchase, not a price rise."""
TOO_LARGE: Final = 2**52
"""Minor units below which floats hold the mean of two amounts exactly."""
MIN_PAYMENTS: Final = 3
"""Minimum number of payments of a stream; by mandate, one fewer."""
_MAX_OPEN: Final = 16
"""Maximum number of open chains of one payee."""
_STATE: Final = 5
_MIN_GAPS: Final = np.array([fewest for _, _, fewest, _ in CADENCES])
_MAX_GAPS: Final = np.array([most for _, _, _, most in CADENCES])
_DAYS: Final = [days for _, days, _, _ in CADENCES]


def find_payments(batch: FactBatch, as_of: Date) -> tuple[pl.DataFrame, tuple[str | None, ...]]:
    """Return the payments of a batch up to a date, and the names of payees by their number."""
    table = batch.transactions
    read = {name: table.columns[name] for name in FIELDS}
    types = read["type"].dictionary
    is_mandate = np.array([name in MANDATES for name in types])
    is_card = np.array([name == "card" for name in types])
    of_bank = np.array([name in OF_BANK for name in types])
    kind, amount = read["type"].values, read["amount"].values
    payee, payees = _payees(read["merchant"], read["text"])
    days = read["booking date"].values
    own = read["own transfer"].values == 1
    size = np.abs(amount)
    real = (size > 0) & (size < TOO_LARGE)
    kept = ~own & real & ~of_bank[kind] & (payee > 0) & (days <= as_of.day)
    mandate = is_mandate[kind]
    columns = {
        "row": np.arange(int(table.offsets[-1])),
        "customer": np.repeat(np.arange(len(batch)), np.diff(table.offsets)),
        "account": read["account"].values,
        "payee": payee,
        "category": read["category"].values,
        "is_in": amount > 0,
        "day": days.astype(np.int64),
        "size": size,
        "mandate": mandate,
        "card": is_card[kind],
        "room": np.where(mandate | (amount > 0), MAX_VARIATION, MAX_RISE),
    }
    return pl.DataFrame({name: values[kept] for name, values in columns.items()}), payees


def _payees(merchant: Column, text: Column) -> tuple[Array, tuple[str | None, ...]]:
    """Return the number of each row's payee, 0 for none, and the names of payees by their number.

    A payee is the merchant, or else the text without its numbers, which differ between payments.
    """
    upper = pl.Series(text.dictionary, dtype=pl.String).str.to_uppercase()
    plain = upper.str.replace_all(r"[0-9*#/]+", " ").str.replace_all(r"\s+", " ")
    plain = plain.str.strip_chars().replace("", None)
    names = plain.drop_nulls().unique().sort()
    numbers = plain.replace_strict(
        names, pl.int_range(len(names), eager=True), default=None, return_dtype=pl.Int64
    )
    first = len(merchant.dictionary)
    of_text = (numbers + first).fill_null(0).to_numpy()
    payee = np.where(merchant.values > 0, merchant.values, of_text[text.values])
    return payee.astype(np.int64), (*merchant.dictionary, *names)


def link_chains(rows: pl.DataFrame) -> pl.DataFrame:
    """Return payments ordered by group, day and size, each with the number of its `chain`."""
    most = int(rows["payee"].to_numpy().max(initial=0)) + 1
    group = (pl.col("account").cast(pl.Int64) * most + pl.col("payee")) * 2 + pl.col("is_in")
    rows = rows.with_columns(group=group).sort("group", "day", "size", maintain_order=True)
    starts = rows.select(pl.col("group").diff().fill_null(1) != 0).to_series()
    offsets = np.append(starts.arg_true().to_numpy(), rows.height).astype(np.int64)
    chain = np.zeros(rows.height, np.int64)
    days, sizes, room = (rows[name].to_numpy().astype(np.int64) for name in ("day", "size", "room"))
    state = np.zeros(_MAX_OPEN * _STATE, np.int64)
    _link(offsets, days, sizes, room, _MIN_GAPS, _MAX_GAPS, state, chain)
    return rows.with_columns(chain=pl.Series(chain))


@loop
def _link(
    offsets: Any, days: Any, sizes: Any, room: Any, fewest: Any, most: Any, state: Any, chain: Any
) -> None:
    """Write the number of each payment's chain to `chain`.

    `state` has a place for each open chain of a group: last day, last size, payments, cadence,
    number.
    """
    number = 0
    for group in range(len(offsets) - 1):
        used = 0
        for i in range(offsets[group], offsets[group + 1]):
            best = -1
            least = 1 << 60
            best_cadence = -1
            for c in range(used):
                at = c * _STATE
                apart = days[i] - state[at]
                before = state[at + 1]
                change = sizes[i] - before if sizes[i] > before else before - sizes[i]
                if change * 100 > before * room[i]:  # amounts are below TOO_LARGE: it fits
                    continue
                cadence = _cadence_of(apart, state[at + 3], fewest, most)
                if cadence < 0:
                    continue
                middle = (fewest[cadence] + most[cadence]) // 2
                off = apart - middle if apart > middle else middle - apart
                cost = off * 10 + (change * 1000 // before if before > 0 else 0)
                if change != 0:
                    cost += 500
                if state[at + 2] == 1:
                    cost += 200
                if cost < least:
                    least = cost
                    best = c
                    best_cadence = cadence
            if best < 0:
                best = used
                if used < _MAX_OPEN:
                    used += 1
                else:
                    best = 0
                    for c in range(used):
                        if state[c * _STATE] < state[best * _STATE]:
                            best = c
                state[best * _STATE + 2] = 0
                state[best * _STATE + 3] = -1
                state[best * _STATE + 4] = number
                number += 1
            elif state[best * _STATE + 3] < 0:
                state[best * _STATE + 3] = best_cadence
            state[best * _STATE] = days[i]
            state[best * _STATE + 1] = sizes[i]
            state[best * _STATE + 2] += 1
            chain[i] = state[best * _STATE + 4]


@part_of_loops
def _cadence_of(apart: int, known: int, fewest: Any, most: Any) -> int:
    """Return the cadence at which two payments follow each other, -1 for none.

    A chain of known cadence may leave out two payments, as council tax does in winter.
    """
    if known < 0:
        for cadence in range(len(fewest)):
            if fewest[cadence] <= apart <= most[cadence]:
                return cadence
        return -1
    for times in range(1, 4):
        if times * fewest[known] <= apart <= times * most[known]:
            return known
    return -1


def join_renamed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the payments, with chains joined whose payee changed its name.

    A chain continues another one if that has at least three payments and this is the only chain of
    another name that begins with the same amount when the next payment is due.
    """
    day, size = pl.col("day"), pl.col("size")
    chain = rows["chain"].to_numpy()
    times = np.bincount(chain)
    begins_by_mandate = np.zeros(len(times), np.bool_)
    begins_by_mandate[chain[::-1]] = rows["mandate"].to_numpy()[::-1]  # the first is written last
    may = ((times >= MIN_PAYMENTS) | begins_by_mandate)[chain]
    chains = (
        rows.filter(may)
        .sort("chain", "day")
        .group_by("chain", maintain_order=True)
        .agg(
            pl.first("account", "is_in", "mandate"),
            pl.last("payee"),
            first=day.first(),
            last=day.last(),
            opening=size.first(),
            size=size.last(),
            times=pl.len(),
            apart=(day.last() - day.first()) / (pl.len() - 1),
        )
    )
    ended = chains.filter(pl.col("times") >= MIN_PAYMENTS, size == pl.col("opening"))
    ended = with_cadence(ended.with_columns(weekdays=1, spread=0))
    begun = chains.filter(pl.col("mandate") | (pl.col("times") >= MIN_PAYMENTS))
    begun = begun.select("account", "is_in", "mandate", "chain", "payee", "first", size="opening")
    key = ["account", "is_in", "mandate", "size"]
    pairs = ended.join(begun, on=key, suffix=" after").filter(
        pl.col("payee") != pl.col("payee after"),
        (pl.col("first after") - pl.col("last")).is_between(
            pl.col("days").replace_strict(_DAYS, _MIN_GAPS),
            pl.col("days").replace_strict(_DAYS, _MAX_GAPS),
        ),
    )
    alone = (pl.len().over("chain") == 1) & (pl.len().over("chain after") == 1)
    goes_on = dict(pairs.filter(alone).select("chain after", "chain").iter_rows())
    if not goes_on:
        return rows
    begins = {chain: _beginning(chain, goes_on) for chain in goes_on}
    return rows.with_columns(pl.col("chain").replace(begins))


def _beginning(chain: int, goes_on: Mapping[int, int]) -> int:
    """Return the first of the chains that a chain continues."""
    while chain in goes_on:
        chain = goes_on[chain]
    return chain


def with_cadence(found: pl.DataFrame) -> pl.DataFrame:
    """Return the chains that have a cadence, by their gap `apart`, with its name and its days."""
    cadence, days = pl.lit(None, pl.String), pl.lit(None, pl.Int64)
    for name, between, fewest, most in CADENCES:
        here = pl.col("apart").is_between(fewest, most)
        cadence = pl.when(here).then(pl.lit(name)).otherwise(cadence)
        days = pl.when(here).then(between).otherwise(days)
    found = found.with_columns(cadence=cadence, days=days).filter(pl.col("days").is_not_null())
    by_weeks = (pl.col("apart") == 28) & (pl.col("weekdays") == 0) & (pl.col("spread") > 6)
    four = by_weeks & (pl.col("cadence") == "monthly")
    return found.with_columns(
        cadence=pl.when(four).then(pl.lit(FOUR_WEEKLY)).otherwise("cadence"),
        days=pl.when(four).then(28).otherwise("days"),
    )
