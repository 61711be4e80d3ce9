"""Figures on a population of streams and habits that are hard to tell apart."""

import random
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from tests.building import day
from tests.conftest import Report
from tests.payments import AS_OF, batch_of, date, find, share, table

from tuppence.feel.values import Date, add_months

PEOPLE = 400
MONTHS = 25
Row = dict[str, Any]


class Person:
    """Payments of one person, each payee made for one purpose, which its name says."""

    def __init__(self, number: int) -> None:
        self.choices = random.Random(number)  # noqa: S311 - test data
        self.account = str(number)

    def months(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the number of each month and a day in it that moves past weekends."""
        usual = self.choices.randint(1, 28)
        for back in range(MONTHS - 1 - first, -1, -1):
            start = add_months(Date(day("2026-06-01")), -back).day
            booked = start + usual - 1 + (self.choices.random() < 0.05)
            booked += {2: 2, 3: 1}.get(booked % 7, 0)  # Saturday and Sunday
            if booked <= day(AS_OF):
                yield MONTHS - 1 - back, booked

    def paid(self, payee: str, booked: int, amount: float, kind: str = "card") -> Row:
        cents = -round(amount * 100)
        names = {"merchant": payee, "type": kind, "account": self.account}
        return {"booking date": booked, "amount": cents, **names}

    def rows(self) -> Iterator[Row]:
        yield from self.subscriptions()
        yield from self.dues()
        yield from self.habits()

    def subscriptions(self) -> Iterator[Row]:
        price, rise = self.choices.choice((4.99, 7.99, 9.99)), self.choices.uniform(1.3, 1.8)
        step = self.choices.randint(6, MONTHS - 1)
        for month, booked in self.months():
            yield self.paid("Risen", booked, price * rise if month >= step else price)
        for _, booked in self.months(self.choices.randint(0, 15)):
            yield self.paid("Abroad", booked, 7.9 * self.choices.uniform(0.985, 1.015))

    def dues(self) -> Iterator[Row]:
        for place in range(3):
            start, price = self.choices.randint(1, 28) + 110 * place, self.choices.uniform(150, 300)
            for year in range(2):
                booked = day("2024-07-01") + start + 365 * year
                yield self.paid("Insurer", booked, price * 1.04**year, "direct debit")
        for price in (12, self.choices.uniform(13, 18)):
            for _, booked in self.months():
                yield self.paid("Club", booked, price, "direct debit")

    def habits(self) -> Iterator[Row]:
        coffee, fare = self.choices.uniform(0.1, 0.8), self.choices.uniform(0.3, 0.9)
        for booked in range(day("2025-06-01"), day(AS_OF)):
            if self.choices.random() < coffee:
                yield self.paid("Habit coffee", booked, 3.2)
            if (booked + 3) % 7 < 5 and self.choices.random() < fare:
                yield self.paid("Habit bus", booked, self.choices.choice((2.5, 2.5, 4.0)))
        for week in range(54):
            yield self.paid("Habit lunch", day("2025-06-06") + 7 * week, 8.5)


@pytest.fixture(scope="module")
def streams() -> pl.DataFrame:
    rows = [row for number in range(PEOPLE) for row in Person(number).rows()]
    rows.sort(key=lambda row: row["booking date"])
    return find(batch_of(table(rows)), date(AS_OF))


def whole(streams: pl.DataFrame, payee: str, cadence: str, count: int) -> float:
    """Return the share of people with just so many streams of a payee, all of a cadence."""
    found = streams.filter(payee=payee).group_by("account")
    right = found.agg(
        (pl.len() == count)
        & (pl.col("cadence") == cadence).all()
        & (pl.col("state") != "stopped").all()
    )
    return float(right.select(pl.last().sum()).item()) / PEOPLE


@pytest.mark.parametrize(
    ("payee", "cadence", "count", "required"),
    [
        ("Risen", "monthly", 1, 0.98),
        ("Abroad", "monthly", 1, 0.95),
        ("Insurer", "yearly", 3, 0.95),
        ("Club", "monthly", 2, 0.90),
    ],
)
def test_hard_streams_are_found_whole(
    streams: pl.DataFrame, payee: str, cadence: str, count: int, required: float, report: Report
) -> None:
    report(payee, whole(streams, payee, cadence, count))
    assert whole(streams, payee, cadence, count) >= required


def test_risen_prices_are_the_amounts_of_their_streams(
    streams: pl.DataFrame, report: Report
) -> None:
    risen = streams.filter(payee="Risen")
    new = share(risen, ~pl.col("amount").is_in([499, 799, 999]))  # the old prices
    report("at the new price", new)
    assert new >= 0.98


def test_habits_are_no_streams(streams: pl.DataFrame, report: Report) -> None:
    habits = streams.filter(pl.col("payee").str.starts_with("Habit"))
    report("people with a habit taken for a stream", habits["account"].n_unique() / PEOPLE)
    assert habits["account"].n_unique() / PEOPLE <= 0.02
