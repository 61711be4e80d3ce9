"""Ten realistic rules over one customer with 300 transactions, in the language of each engine.

Days are numbers, so that engines without dates can take part. A rule is None if the language of an
engine cannot express it.
"""

import random
from typing import Any, NamedTuple

LAST = 20_000


class BenchRule(NamedTuple):
    """One rule in several languages."""

    name: str
    feel: str
    zen: str | None
    cel: str | None
    rule_engine: str | None


def _rule(name: str, feel: str, zen: str | None, cel: str | None, other: str | None) -> BenchRule:
    texts = (t and t.replace("DAY", str(LAST)) for t in (feel, zen, cel, other))
    return BenchRule(name, *texts)  # type: ignore[arg-type]


RULES = (
    _rule(
        "bills",
        'count(payments[category = "energy" and day > DAY - 365]) >= 3',
        'len(filter(payments, #.category == "energy" and #.day > DAY - 365)) >= 3',
        'size(payments.filter(p, p.category == "energy" && p.day > DAY - 365)) >= 3',
        '[p for p in payments if p.category == "energy" and p.day > DAY - 365].length >= 3',
    ),
    _rule(
        "spent",
        'sum(payments[category = "groceries" and day > DAY - 30].amount) > 100',
        'sum(map(filter(payments, #.category == "groceries" and #.day > DAY - 30), #.amount)) > 100',
        None,
        '$sum([p.amount for p in payments if p.category == "groceries" and p.day > DAY - 30]) > 100',
    ),
    _rule(
        "largest",
        "max(payments[day > DAY - 90].amount) > 200",
        "max(map(filter(payments, #.day > DAY - 90), #.amount)) > 200",
        "payments.exists(p, p.day > DAY - 90 && p.amount > 200)",
        "$max([p.amount for p in payments if p.day > DAY - 90]) > 200",
    ),
    _rule(
        "small",
        'count(payments[type = "card" and amount < 10 and day > DAY - 7]) >= 2',
        'len(filter(payments, #.type == "card" and #.amount < 10 and #.day > DAY - 7)) >= 2',
        'size(payments.filter(p, p.type == "card" && p.amount < 10 && p.day > DAY - 7)) >= 2',
        '[p for p in payments if p.type == "card" and p.amount < 10 and p.day > DAY - 7].length >= 2',
    ),
    _rule(
        "rise",
        'sum(payments[category = "eating out" and day > DAY - 30].amount)'
        ' > 1.25 * sum(payments[category = "eating out" and day > DAY - 120].amount) / 4',
        'sum(map(filter(payments, #.category == "eating out" and #.day > DAY - 30), #.amount)) > '
        '1.25 * sum(map(filter(payments, #.category == "eating out" and #.day > DAY - 120), #.amount))'
        " / 4",
        None,
        '$sum([p.amount for p in payments if p.category == "eating out" and p.day > DAY - 30]) > 1.25'
        ' * $sum([p.amount for p in payments if p.category == "eating out" and p.day > DAY - 120]) / 4',
    ),
    _rule(
        "any",
        "some p in payments satisfies p.amount > 490",
        "some(payments, #.amount > 490)",
        "payments.exists(p, p.amount > 490.0)",
        "$any([p.amount > 490 for p in payments])",
    ),
    _rule(
        "habit",
        'count(payments[merchant = "Bean Yard"]) > 5',
        'len(filter(payments, #.merchant == "Bean Yard")) > 5',
        'size(payments.filter(p, p.merchant == "Bean Yard")) > 5',
        '[p for p in payments if p.merchant == "Bean Yard"].length > 5',
    ),
    _rule(
        "last",
        "payments[-1].amount > 20",
        "payments[len(payments) - 1].amount > 20",
        "payments[size(payments) - 1].amount > 20.0",
        "payments[-1].amount > 20",
    ),
    _rule(
        "fare",
        'min(payments[category = "transport"].amount) < 5 and count(payments) > 100',
        'min(map(filter(payments, #.category == "transport"), #.amount)) < 5 and len(payments) > 100',
        'payments.exists(p, p.category == "transport" && p.amount < 5.0) && size(payments) > 100',
        '$min([p.amount for p in payments if p.category == "transport"]) < 5 and payments.length > 100',
    ),
    _rule(
        "cash",
        'sum(payments[type = "cash"].amount) > 0.25 * sum(payments.amount)',
        'sum(map(filter(payments, #.type == "cash"), #.amount)) > '
        "0.25 * sum(map(payments, #.amount))",
        None,
        '$sum([p.amount for p in payments if p.type == "cash"]) > '
        "0.25 * $sum([p.amount for p in payments])",
    ),
)


def facts(transactions: int = 300, seed: int = 1) -> dict[str, list[dict[str, Any]]]:
    """Return one customer's payments, oldest first; amounts are exact in binary, too."""
    rng = random.Random(seed)  # noqa: S311 - reproducible
    days = sorted(rng.randint(LAST - 400, LAST) for _ in range(transactions))
    categories = ("groceries", "eating out", "transport", "energy", "clothing", "leisure")
    merchants = ("Bean Yard", "Green Basket", "Metro Line", "Northway", "Loom")
    return {
        "payments": [
            {
                "day": day,
                "amount": rng.randint(4, 2000) / 4,
                "category": rng.choice(categories),
                "merchant": rng.choice(merchants),
                "type": rng.choice(("card", "card", "card", "cash", "direct debit")),
            }
            for day in days
        ]
    }
