"""Comparisons of customers with other people, for whole batches.

docs/explanation/insights-from-data.md has the exact rules, `peers_reference` follows them in plain
Python.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop
from tuppence.derived.groups import PURCHASE, bits_of_types
from tuppence.derived.standouts import TOO_LARGE, noticeable_differences
from tuppence.facts.batch import (
    NULL_BOOLEAN,
    NULL_DATE,
    NULL_MONEY,
    Array,
    Column,
    FactBatch,
    read_only,
)
from tuppence.facts.census import AGES, COMPARED, INCOMES, OWN_INCOME, Census, cohort_name
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date, civil

FIELDS: Final = frozenset({"category", "refunded", "type"})
"""Fields of transactions, beside those that are always read, that a comparison depends on."""
MONTHS: Final = 3
"""Number of months of 30 days whose purchases are added up."""
WINDOW: Final = 30 * MONTHS
FACTOR: Final = 3
"""Spending is far above the usual if it is at least so many times as much."""
_YEAR: Final = 360
"""Days of history, in which the income is looked for, that a comparison needs."""
_OLDEST: Final = 120


class Spending(NamedTuple):
    """The cohorts and purchases of customers.

    Attributes:
        age: Number of the age group; -1 if the cohort is not known.
        income: Number of the group of incomes.
        sums: Purchases by customer, category of `COMPARED`, and window, the last one first.
    """

    age: Array
    income: Array
    sums: Array


class _Columns(NamedTuple):
    """The columns of transactions that are added up."""

    days: Any
    amounts: Any
    own: Any
    refunded: Any
    categories: Any
    types: Any


def spending(batch: FactBatch, as_of: Date) -> Spending:
    """Return the cohorts and the purchases of customers, in transactions booked until a date."""
    table, many = batch.transactions, len(batch)
    names = ("booking date", "amount", "own transfer", "refunded", "category", "type")
    columns = _Columns._make(read_only(table.columns[name].values) for name in names)
    places = read_only(_places(table.columns["category"]))
    bits = read_only(bits_of_types(table.columns["type"]))
    sums = np.zeros((many, len(COMPARED), 2), np.int64)
    incomes = np.zeros(many, np.int64)
    _add_up(read_only(table.offsets), columns, places, bits, as_of.day, sums, incomes)
    noticeable = noticeable_differences(batch)
    born = batch.customers["birth year"].values
    age = civil(as_of.day)[0] - np.where(born == NULL_MONEY, 0, born)
    first = np.full(many, as_of.day, np.int64)
    has_any = table.row_counts > 0
    first[has_any] = columns.days[table.offsets[:-1][has_any]]
    known = (first <= as_of.day - _YEAR) & (incomes > 0) & (noticeable >= 0)
    known &= (born != NULL_MONEY) & (age >= 0) & (age <= _OLDEST)
    bounds = 12 * np.array(INCOMES) * noticeable[:, None]
    return Spending(
        np.where(known, np.searchsorted(AGES, age, side="right"), -1),
        (incomes[:, None] >= bounds).sum(axis=1),
        sums,
    )


@loop
def _add_up(
    offsets: Any, rows: _Columns, places: Any, bits: Any, as_of: int, sums: Any, incomes: Any
) -> None:
    """Add purchases and income, which count until a date, to the sums of each customer."""
    compared = sums.shape[1]
    for customer in range(len(offsets) - 1):
        for row in range(offsets[customer], offsets[customer + 1]):
            ago, amount = as_of - np.int64(rows.days[row]), rows.amounts[row]
            if ago < 0 or rows.own[row] == 1 or amount <= -TOO_LARGE or amount >= TOO_LARGE:
                continue
            place = places[rows.categories[row]]
            if amount > 0:
                if place == compared and ago < _YEAR:
                    incomes[customer] += amount
            elif 0 <= place < compared and ago < 2 * WINDOW and bits[rows.types[row]] & PURCHASE:
                size = -amount - max(rows.refunded[row], 0)
                sums[customer, place, ago // WINDOW] += max(size, 0)


def among_peers(batch: FactBatch, as_of: Date) -> Mapping[str, Column]:
    """Return the derived fields that compare customers with people like them."""
    many, census = len(batch), batch.census
    days = np.full(many, NULL_DATE, np.int32)
    above = np.full(many, NULL_BOOLEAN, np.uint8)
    code = np.zeros(many, np.uint32)
    amounts = np.full((2, many), NULL_MONEY, np.int64)
    if census is not None and census.holds(as_of.day):
        days[:] = census.day
        found = spending(batch, as_of)
        usual = _usual_of(batch, found, census)
        recent, before = found.sums[:, :, 0], found.sums[:, :, 1]
        excess = recent - MONTHS * usual
        far = (usual > 0) & (np.minimum(recent, before) >= FACTOR * MONTHS * usual)
        far &= excess >= MONTHS * noticeable_differences(batch)[:, None]
        excess = np.where(far, excess, 0)
        rows, most = np.arange(many), excess.argmax(axis=1)
        told = excess[rows, most] > 0
        above = np.where((usual > 0).any(axis=1), told, NULL_BOOLEAN).astype(np.uint8)
        code[told] = 1 + most[told]
        amounts[0, told] = recent[rows, most][told] // MONTHS
        amounts[1, told] = usual[rows, most][told]
    return {
        "census day": Column(FieldType.DATE, days),
        "above peers": Column(FieldType.BOOLEAN, above),
        "peer category": Column(FieldType.TEXT, code, (None, *COMPARED)),
        "own spending": Column(FieldType.MONEY, amounts[0]),
        "peer spending": Column(FieldType.MONEY, amounts[1]),
    }


def rises_of_many(
    batch: FactBatch, as_of: Date, customer: Array, payee: Array, names: tuple[str | None, ...]
) -> Array:
    """Return the usual rise at the payee of each stream, if its price rose for many.

    Args:
        batch: The facts.
        as_of: The date.
        customer: Customer of each stream.
        payee: Number of the payee of each stream.
        names: Names of payees by number.
    """
    census, currency = batch.census, batch.customers["currency"]
    found = np.full(len(payee), NULL_MONEY, np.int64)
    if census is not None and census.holds(as_of.day):
        numbers = {name: number for number, name in enumerate(names)}
        for code, rises in enumerate(
            census.rises.get(text or "", {}) for text in currency.dictionary
        ):
            here = currency.values[customer] == code
            for name, rise in rises.items():
                found[here & (payee == numbers.get(name, -1))] = rise
    return found


def _places(category: Column) -> Array:
    """Return the place of each code of a category: in `COMPARED`, then that of income; -1."""
    place_of = {name: place for place, name in enumerate(COMPARED)}
    place_of |= dict.fromkeys(OWN_INCOME, len(COMPARED))
    return np.array([place_of.get(name or "", -1) for name in category.dictionary], np.int64)


def _usual_of(batch: FactBatch, found: Spending, census: Census) -> Array:
    """Return the usual spending of each customer's cohort by category; 0 where it is not known."""
    currency = batch.customers["currency"]
    groups = (len(currency.dictionary), len(AGES) + 1, len(INCOMES) + 1)
    usual = np.zeros((*groups, len(COMPARED)), np.int64)
    for code, age, income in np.ndindex(*groups):
        known = census.usual.get(cohort_name(currency.dictionary[code] or "", age, income), {})
        usual[code, age, income] = [known.get(name, 0) for name in COMPARED]
    usual = usual[currency.values, found.age, found.income]
    usual[found.age < 0] = 0
    return usual
