"""Invented people whose whole money is known: how often they are paid, and what is due when."""

import datetime
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.building import frame

from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema

TODAY: Final = datetime.date(2026, 3, 20)
EPOCH: Final = datetime.date(1970, 1, 1)
PAYS: Final = ("weekly", "fortnightly", "four-weekly", "monthly", "two salaries")
PLACES: Final = (("GBP", "GB"), ("EUR", "IE"), ("AUD", "AU"))
MONTHS: Final = (3, 6, 13)
STARTS: Final = (-2_000_00, 700_00, 9_000_00)
HABITS: Final = ("caller", "coffee", "frugal", "insured", "saver")
"""Has no energy bill; drinks coffee, and has no phone either; goes out less and less; is insured by
the year; saves each month, for interest."""
YEARLY_PAY: Final = 31_200_00
BILLS: Final = {
    "Landlord": ("housing", "standing order", 820_00, 1),
    "Volt Energy": ("energy", "direct debit", 155_00, 3),
    "Hive Broadband": ("broadband", "direct debit", 44_00, 5),
    "Pocket Tel": ("mobile", "direct debit", 31_00, 12),
    "Shield Insurance": ("insurance", "direct debit", 38_00, 18),
    "Reel Films": ("subscriptions", "card", 9_99, 8),
    "Loud Music": ("subscriptions", "card", 11_99, 15),
    "Fit Gym": ("subscriptions", "card", 24_00, 2),
}
"""Category, way of payment, amount and day of the month of each monthly payment."""


BEGINNINGS: Final = {"caller": (13, -9_000_00), "coffee": (3, 700_00)}
"""Months of history, and the balance before it, of people who have not much left."""
LACKS: Final = {"caller": ("Volt Energy",), "coffee": ("Volt Energy", "Pocket Tel")}
"""Bills that people with some habits do not have."""


class Person(NamedTuple):
    """One invented person.

    Attributes:
        name: Identifier, which says how the person is paid, for how long, and where.
        pay: Frequency of pay, one of `PAYS`.
        months: Months of history.
        currency: Currency of the account.
        country: Country where the person lives.
        start: Balance before the first transaction, in minor units.
        habit: Habit that sets the person apart: one of `HABITS`, or empty.
    """

    name: str
    pay: str
    months: int
    currency: str
    country: str
    start: int
    habit: str = ""


def people() -> list[Person]:
    """Return everybody: each pay, history and place, with one of three balances."""
    found = []
    for pay in PAYS:
        for months in MONTHS:
            for number, (currency, country) in enumerate(PLACES):
                start = STARTS[(number + MONTHS.index(months)) % len(STARTS)]
                name = f"{pay.replace(' ', '-')}-{months}-{country}"
                found.append(Person(name, pay, months, currency, country, start))
    for one in HABITS:
        months, start = BEGINNINGS.get(one, (26, 700_00))
        found.append(Person(f"{one}-GB", "monthly", months, "GBP", "GB", start, one))
    return sorted(found)


def transactions(person: Person, today: datetime.date = TODAY) -> list[dict[str, Any]]:
    """Return everything that a person is paid and pays, with the balance after it."""
    first = today - datetime.timedelta(days=round(30.44 * person.months))
    rows = [*_pay(person, first, today), *_bills(first, today, person.habit)]
    rows += _habit(person, first, today) if person.habit else _shopping(first, today)
    rows.sort(key=lambda row: row["booking date"])
    balances = {person.name: person.start, f"{person.name}-savings": 0}
    for number, row in enumerate(rows):
        account = row.setdefault("account", person.name)
        balances[account] += row["amount"]
        row |= {
            "id": f"{person.name}-{number}",
            "sequence": number,
            "own transfer": row.get("own transfer", False),
            "country": person.country,
            "balance": balances[account],
            "booking date": (row["booking date"] - EPOCH).days,
        }
    return rows


def due_between(first: datetime.date, last: datetime.date, habit: str) -> int:
    """Return what a person's bills and subscriptions come to in some days, both included."""
    return -sum(int(row["amount"]) for row in _bills(first, last, habit))


def batch(those: list[Person], today: datetime.date = TODAY) -> FactBatch:
    """Return the facts of some people."""
    tables = {
        "customers": [
            {"id": one.name, "currency": one.currency, "country": one.country} for one in those
        ],
        "accounts": [
            *({"id": one.name, "customer": one.name, "type": "current"} for one in those),
            *(
                {"id": f"{one.name}-savings", "customer": one.name, "type": "savings"}
                for one in those
                if one.habit == "saver"
            ),
        ],
        "transactions": [row for one in those for row in transactions(one, today)],
    }
    schema = Schema()
    frames = {name: frame(name, rows, schema) for name, rows in tables.items()}
    return batch_from(ordered(coded(frames, schema)), schema)


def _days(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    for number in range((last - first).days + 1):
        yield first + datetime.timedelta(days=number)


def _pay(person: Person, first: datetime.date, last: datetime.date) -> Iterator[dict[str, Any]]:
    every = {"weekly": 7, "fortnightly": 14, "four-weekly": 28}.get(person.pay)
    for day in _days(first, last):
        for employer, month_day, share in (("Acme Works", 28, 0.6), ("Night School", 14, 0.4)):
            amount = YEARLY_PAY / 12
            if every is not None:
                due = day.toordinal() % every == 5 and employer == "Acme Works"
                amount = YEARLY_PAY * every / 365
            elif person.pay == "monthly":
                due = day.day == month_day and employer == "Acme Works"
            else:
                due, amount = day.day == month_day, amount * share
            if due:
                row = {"booking date": day, "amount": round(amount), "merchant": employer}
                yield row | {"category": "income", "type": "salary"}


def _bills(first: datetime.date, last: datetime.date, habit: str) -> Iterator[dict[str, Any]]:
    lacks = LACKS.get(habit, ())
    for day in _days(first, last):
        for payee, (category, way, amount, month_day) in BILLS.items():
            if day.day == month_day and payee not in lacks:
                yield {
                    "booking date": day, "amount": -amount, "merchant": payee,
                    "category": category, "type": way,
                }  # fmt: skip


def _shopping(first: datetime.date, last: datetime.date) -> Iterator[dict[str, Any]]:
    """Yield purchases that differ from week to week, some of them equal on one day."""
    for day in _days(first, last):
        number = day.toordinal()
        bought = {
            "Corner Foods": ("groceries", 31_00 + 173 * (number % 13), number % 3 == 0),
            "Bean Yard": ("eating out", 4_20, number % 2 == 0),
            "City Bus": ("transport", 2_80, day.weekday() < 5),
            "Big Screen": ("entertainment", 18_00 + number % 7, number % 19 == 0),
            "Kind Hands": ("charity", 15_00, number % 31 == 0),
            "Slots Online": ("gambling", 95_00 + number % 40, number % 9 == 0),
            "The Bank": ("bank fee", 6_00, number % 29 == 0),
            "Blue Trips": ("travel", 240_00 + number % 90, day.day == 10),
        }
        for merchant, (category, amount, due) in bought.items():
            for _ in range(2 if merchant in {"City Bus", "Bean Yard"} and due else int(due)):
                yield {
                    "booking date": day, "amount": -amount, "merchant": merchant,
                    "category": category, "type": "card",
                }  # fmt: skip


def _habit(person: Person, first: datetime.date, last: datetime.date) -> Iterator[dict[str, Any]]:
    """Yield what a person with a habit pays besides bills: food, and what the habit brings."""
    for day in _days(first, last):
        number, ago = day.toordinal(), (last - day).days
        if number % 3 == 0 and not (person.habit == "frugal" and ago < 8):
            yield _paid(day, "Corner Foods", "groceries", 35_00 + number % 13)
        if person.habit == "frugal" and ago >= 30 and number % 5 == 0:
            yield _paid(day, "Bean Yard", "eating out", 14_00 + number % 7)
        if person.habit == "coffee":
            yield _paid(day, "Bean Yard", "eating out", 4_20)
        if person.habit == "insured" and ago in {345, 710}:
            yield _paid(day, "Shield Cars", "insurance", 420_00) | {"type": "direct debit"}
        if person.habit == "saver" and day.day == 2:
            side = {"booking date": day, "own transfer": True, "type": "transfer"}
            yield side | {"amount": -150_00}
            yield side | {"amount": 150_00, "account": f"{person.name}-savings"}
        if person.habit == "saver" and (last - day).days % 30 == 3:
            yield {
                "booking date": day, "amount": 3_10, "category": "interest", "type": "interest",
                "account": f"{person.name}-savings",
            }  # fmt: skip


def _paid(day: datetime.date, merchant: str, category: str, amount: int) -> dict[str, Any]:
    return {
        "booking date": day, "amount": -amount, "merchant": merchant, "category": category,
        "type": "card",
    }  # fmt: skip
