"""The life of the synthetic population: what its people are paid, and what they pay, and when.

One module because every habit draws from the same generator in a fixed order, on which the rows
of a seed depend.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tuppence.bankdata import calibration as cal
from tuppence.bankdata.synthetic_people import CURRENT, SAVINGS, Array, People
from tuppence.feel.values import Date, add_months, civil, days_from_civil

CATEGORIES: Final = (
    *dict.fromkeys([*cal.VISITS, *cal.BILLERS]),
    "travel", "income", "benefits", "refund", "savings", "interest", "bank fee", "people",
)  # fmt: skip
TYPES: Final = (
    "card", "cash", "direct debit", "standing order", "transfer", "salary", "fee", "interest",
)  # fmt: skip
COUNTRIES: Final = ("GB", "ES", "FR", "IT", "US")
_NAMES: Final = (
    *(name for names in cal.MERCHANTS.values() for name in names),
    *(name for names in cal.BILLERS.values() for name in names),
    "Employer", "Pension Service", "Child Benefit", "Savings", "Bank", "Friend",
)  # fmt: skip
MERCHANTS: Final = tuple(dict.fromkeys(_NAMES))
_NULL: Final = -1


@dataclass(frozen=True, slots=True)
class Months:
    """The months of the population: their first days, lengths and numbers from 0 for January."""

    starts: Array
    lengths: Array
    numbers: Array
    last_day: int

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(slots=True)
class Book:
    """Collects blocks of transactions."""

    blocks: list[dict[str, Array]] = field(default_factory=list)

    def add(self, customer: Array, day: Array, amount: Array, **codes: Any) -> None:
        """Add transactions.

        Args:
            customer: Index of the customer of each transaction.
            day: Day of each transaction.
            amount: Signed amount of each transaction, in pounds.
            codes: Values of other columns, one for all transactions or one for each.
        """
        block = {"customer": customer, "day": day, "amount": np.rint(amount * 100)}
        defaults = {"category": _NULL, "merchant": _NULL, "text": _NULL, "type": 0}
        defaults |= {"country": 0, "account": CURRENT, "own": 0, "refunded": 0}
        for name, value in (defaults | codes).items():
            block[name] = np.broadcast_to(np.asarray(value), customer.shape)
        self.blocks.append(block)

    def column(self, name: str, kind: type) -> Array:
        """Return a column of all blocks."""
        return np.concatenate([block[name] for block in self.blocks]).astype(kind)


# -- when ------------------------------------------------------------------------------------------


def calendar_until(until: Date, months: int) -> Months:
    """Return some months, of which the last has a day."""
    year, month, _ = civil(until.day)
    first = Date(days_from_civil(year, month, 1))
    starts = [add_months(first, n).day for n in range(1 - months, 2)]
    numbers = [civil(day)[1] - 1 for day in starts[:-1]]
    return Months(np.array(starts[:-1]), np.diff(starts), np.array(numbers), until.day)


def _weekday(day: Array) -> Array:
    """Return the day of the week, 0 for Monday."""
    return (day + 3) % 7


def _forward(day: Array) -> Array:
    """Move days of a weekend to the next Monday, when direct debits are collected."""
    weekday = _weekday(day)
    return day + np.where(weekday > 4, 7 - weekday, 0)


def _back(day: Array) -> Array:
    """Move days of a weekend to the Friday before, when wages are paid."""
    weekday = _weekday(day)
    return day - np.where(weekday > 4, weekday - 4, 0)


def _monthly(customers: Array, day_of_month: Array, calendar: Months) -> tuple[Array, Array, Array]:
    """Return the index into customers, the month and the day of each event of a monthly series."""
    index = np.repeat(np.arange(len(customers)), len(calendar))
    month = np.tile(np.arange(len(calendar)), len(customers))
    of_month = np.minimum(day_of_month[index], calendar.lengths[month])
    return index, month, calendar.starts[month] + of_month - 1


# -- what happens ----------------------------------------------------------------------------------


def add_income(rng: np.random.Generator, people: People, calendar: Months, book: Book) -> None:
    """Add wages, which are monthly, four-weekly or weekly, and a benefit for some customers."""
    count = len(people)
    rhythm = rng.choice([0, 28, 7], count, p=[0.7, 0.12, 0.18])
    monthly = np.flatnonzero(rhythm == 0)
    pay_day = rng.choice([15, 24, 25, 26, 27, 28, 31], count)
    index, month, day = _monthly(monthly, pay_day[monthly], calendar)
    raised = 1 + 0.04 * (calendar.numbers[month] >= 3) * (rng.random(count) < 0.5)[monthly][index]
    pay = people.income[monthly][index] * raised
    salary = {"category": CATEGORIES.index("income"), "type": TYPES.index("salary")}
    name = MERCHANTS.index("Employer")
    book.add(monthly[index], _back(day), pay, merchant=name, text=name, **salary)
    first, last = int(calendar.starts[0]), calendar.last_day
    for every in (28, 7):
        who = np.flatnonzero(rhythm == every)
        times = (last - first) // every + 1
        index = np.repeat(np.arange(len(who)), times)
        offset = rng.integers(0, every // 7, len(who)) * 7 + 4 - _weekday(np.array(first))
        day = first + offset[index] + every * np.tile(np.arange(times), len(who))
        pay = people.income[who][index] * every / 30.4 * rng.normal(1, 0.05, len(index))
        book.add(who[index], day, pay, merchant=name, text=name, **salary)
    who = np.flatnonzero(rng.random(count) < 0.25)
    index, _, day = _monthly(who, rng.integers(1, 29, len(who)), calendar)
    name = MERCHANTS.index("Child Benefit")
    kind = {"category": CATEGORIES.index("benefits"), "type": TYPES.index("transfer")}
    book.add(
        who[index], _forward(day), np.full(len(index), 102.4), merchant=name, text=name, **kind
    )


def add_bills(rng: np.random.Generator, people: People, calendar: Months, book: Book) -> None:
    """Add bills: on the same day each month, moved past weekends, and rising now and then."""
    for slot, category in enumerate(cal.BILL_ORDER):
        who = np.flatnonzero(people.bills > slot)
        base = _bill_amount(rng, people, who, category)
        names = np.array([MERCHANTS.index(name) for name in cal.BILLERS[category]])
        merchant = rng.choice(names, len(who))
        index, month, day = _monthly(who, rng.integers(1, 29, len(who)), calendar)
        number = calendar.numbers[month]
        amount = base[index] * _bill_course(rng, who, index, number, category)
        starts = rng.integers(0, len(calendar), len(who)) * (rng.random(len(who)) < 0.1)
        kept = month >= starts[index]
        if category == "council tax":
            kept &= (number != 1) & (number != 2)  # ten instalments, April to January
        day = _forward(day + (rng.random(len(day)) < 0.05))
        kind = "direct debit"
        if category == "subscriptions":
            kind = "card"
        elif category == "housing":
            kind = "standing order"
        book.add(
            who[index][kept],
            day[kept],
            -amount[kept],
            category=CATEGORIES.index(category),
            merchant=merchant[index][kept],
            text=merchant[index][kept],
            type=TYPES.index(kind),
        )


def _bill_amount(rng: np.random.Generator, people: People, who: Array, category: str) -> Array:
    weekly = {
        "housing": np.add(cal.WEEKLY_SPENDING["housing"], cal.WEEKLY_SPENDING["other"]) * 0.8,
        "energy": np.multiply(cal.WEEKLY_SPENDING["housing"], 0.35),
        "council tax": np.multiply(cal.WEEKLY_SPENDING["housing"], 0.35),
    }
    if category in weekly:
        spread = rng.lognormal(-0.03, 0.25, len(who))
        return weekly[category][people.decile[who]] * people.scale[who] * spread * 52 / 12
    price = {
        "mobile": [8.0, 12.0, 18.0, 25.0, 34.0],
        "broadband": [24.0, 28.0, 32.5, 41.0],
        "water": [28.0, 34.0, 39.5],
        "insurance": [14.99, 32.5, 48.2, 61.0],
        "subscriptions": [4.99, 7.99, 9.99, 10.99, 17.99],
        "charity": [3.0, 5.0, 10.0],
    }[category]
    return rng.choice(price, len(who))


def _bill_course(
    rng: np.random.Generator, who: Array, index: Array, month: Array, category: str
) -> Array:
    """Return the factor by which a bill's amount differs in each month."""
    if category == "energy":
        return np.take(cal.ENERGY_SEASON, month) * rng.normal(1, 0.06, len(index))
    rise = {"mobile": 0.5, "broadband": 0.6, "water": 0.9, "subscriptions": 0.2}.get(category, 0.05)
    rises = rng.random(len(who)) < rise
    step = rng.integers(1, 12, len(who))
    return 1 + np.where(rises[index] & (month >= step[index]), rng.uniform(0.04, 0.15), 0)


def add_savings(rng: np.random.Generator, people: People, calendar: Months, book: Book) -> None:
    """Add transfers to savings after pay day, occasional transfers back, and interest."""
    who = np.flatnonzero(people.saver)
    index, _, day = _monthly(who, rng.integers(26, 32, len(who)), calendar)
    active = rng.random(len(index)) < 0.85
    index, day = index[active], _forward(day[active])
    amount = np.maximum(np.rint(people.income[who][index] * rng.uniform(0.01, 0.1, len(index))), 5)
    back = rng.random(len(index)) < 0.1
    amount = np.where(back, -amount, amount)
    kind = {"category": CATEGORIES.index("savings"), "type": TYPES.index("transfer"), "own": 1}
    name = MERCHANTS.index("Savings")
    book.add(who[index], day, -amount, text=name, **kind)
    book.add(who[index], day, amount, text=name, account=SAVINGS, **kind)
    index, month, _ = _monthly(who, np.ones(len(who), int), calendar)
    end = calendar.starts[month] + calendar.lengths[month] - 1
    interest = rng.uniform(0.2, 12, len(index))
    kind = {"category": CATEGORIES.index("interest"), "type": TYPES.index("interest")}
    book.add(who[index], end, interest, account=SAVINGS, text=MERCHANTS.index("Bank"), **kind)


def add_purchases(
    rng: np.random.Generator, people: People, calendar: Months, book: Book, large: float
) -> None:
    """Add card payments and cash withdrawals, as many as the customer's volume leaves room for."""
    count = len(people)
    regular = people.bills + 2.2 + 2.7 * people.saver
    rate = np.maximum(people.volume - regular, 2)
    season = np.array(cal.SEASON) / np.mean(cal.SEASON)
    each = rng.poisson(rate[:, None] * season[calendar.numbers])
    cells = np.repeat(np.arange(each.size), each.ravel())
    customer, month = cells // len(calendar), cells % len(calendar)
    total = len(cells)
    day = _pick(rng, month, [_day_weights(calendar, m) for m in range(len(calendar))])
    day += calendar.starts[month]
    category = _pick(rng, people.decile[customer], [_visit_weights(d) for d in range(cal.DECILES)])
    cash_code = list(cal.VISITS).index("cash")
    by_cash = people.cash[customer] & (rng.random(total) < 0.25)
    category = np.where(by_cash, cash_code, category)
    local = _pick(rng, category, [_popularity(names) for names in cal.MERCHANTS.values()])
    favourites = np.stack([rng.integers(0, len(n), count) for n in cal.MERCHANTS.values()])
    local = np.where(rng.random(total) < 0.5, favourites[category, customer], local)
    firsts = np.cumsum([0, *(len(names) for names in cal.MERCHANTS.values())])[:-1]
    merchant = firsts[category] + local
    mean = _purchase_means(people, rate)
    amount = mean[customer, category] * np.exp(0.65 * rng.standard_normal(total) - 0.211)
    cash = category == cash_code
    amount = np.where(rng.random(total) < large, amount * 12 + 200, amount)  # a sofa, a repair
    amount = np.where(cash, np.maximum(np.rint(amount / 10) * 10, 10), np.maximum(amount, 0.5))
    abroad = (rng.random(total) < 0.015) & ~cash
    country = np.where(abroad, rng.integers(1, len(COUNTRIES), total), 0)
    returned = np.flatnonzero((rng.random(total) < 0.008) & ~cash)
    back = day[returned] + rng.integers(2, 15, len(returned))
    refunded = np.zeros(total)
    refunded[returned] = np.where(back <= calendar.last_day, np.rint(amount[returned] * 100), 0)
    known = np.where(abroad, CATEGORIES.index("travel"), category)
    known = np.where(rng.random(total) < cal.CATEGORY_MISSING, _NULL, known)
    shown = np.where(rng.random(total) < cal.MERCHANT_MISSING, _NULL, merchant)
    twice = np.flatnonzero(rng.random(total) < 0.0006)  # charged a second time by mistake
    for rows, later in ((slice(None), 0), (twice, 1)):
        book.add(
            customer[rows],
            day[rows] + later,
            -amount[rows],
            category=known[rows],
            merchant=shown[rows],
            text=merchant[rows],
            type=np.where(cash, TYPES.index("cash"), TYPES.index("card"))[rows],
            country=country[rows],
            refunded=0 if later else refunded,
        )
    book.add(
        customer[returned],
        back,
        amount[returned],
        category=CATEGORIES.index("refund"),
        merchant=shown[returned],
        text=merchant[returned],
        type=TYPES.index("card"),
        country=country[returned],
    )


def _pick(rng: np.random.Generator, group: Array, weights: Sequence[Array]) -> Array:
    """Draw one index per row, by the weights of the row's group; one search serves all groups."""
    sizes = np.array([len(row) for row in weights])
    edges = np.concatenate([np.cumsum(row) / np.sum(row) + n for n, row in enumerate(weights)])
    found = np.searchsorted(edges, group + rng.random(len(group)), side="right")
    firsts = np.cumsum(sizes) - sizes
    picked: Array = np.minimum(found - firsts[group], sizes[group] - 1)
    return picked


def _day_weights(calendar: Months, month: int) -> Array:
    days = calendar.starts[month] + np.arange(calendar.lengths[month])
    weights = np.array(cal.WEEKDAYS)[_weekday(days)]
    weights[days > calendar.last_day] = 0
    return weights


def _visit_weights(decile: int) -> Array:
    """Return the weight of each category: richer customers eat out more and buy less food."""
    tilt = {"eating out": 0.8 + 0.045 * decile, "groceries": 1.15 - 0.03 * decile}
    return np.array([share * tilt.get(name, 1) for name, share in cal.VISITS.items()])


def _popularity(names: Sequence[str]) -> Array:
    """Return weights by Zipf's law: the n-th is visited 1/n as often as the first."""
    weights: Array = np.reciprocal(np.arange(1, len(names) + 1, dtype=float))
    return weights


def _purchase_means(people: People, rate: Array) -> Array:
    """Return mean amounts by customer and category that add up to the spending of the decile."""
    means = np.empty((len(people), len(cal.VISITS)))
    for n, (name, share) in enumerate(cal.VISITS.items()):
        if name in cal.WEEKLY_SPENDING:
            monthly = np.array(cal.WEEKLY_SPENDING[name])[people.decile] * people.scale * 52 / 12
            means[:, n] = np.clip(monthly / (rate * share), 1.5, 400)
        else:
            means[:, n] = 55 if name == "cash" else 18
    return means


def add_fees(rng: np.random.Generator, people: People, calendar: Months, book: Book) -> None:
    """Add bank fees for some customers, and payments to other people."""
    who = np.flatnonzero(rng.random(len(people)) < 0.06)
    index, _, day = _monthly(who, np.full(len(who), 28), calendar)
    hit = rng.random(len(index)) < 0.4
    kind = {"category": CATEGORIES.index("bank fee"), "type": TYPES.index("fee")}
    amount = -rng.choice([1.5, 6.0, 12.0], int(hit.sum()))
    book.add(who[index[hit]], _forward(day[hit]), amount, text=MERCHANTS.index("Bank"), **kind)
    each = rng.poisson(0.02 * people.volume[:, None] * np.ones(len(calendar)))
    cells = np.repeat(np.arange(each.size), each.ravel())
    month = cells % len(calendar)
    day = calendar.starts[month] + rng.integers(0, 28, len(cells))
    amount = -np.rint(rng.lognormal(3.2, 0.8, len(cells)))
    kind = {"category": CATEGORIES.index("people"), "type": TYPES.index("transfer")}
    book.add(cells // len(calendar), day, amount, text=MERCHANTS.index("Friend"), **kind)
