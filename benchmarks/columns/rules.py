"""Makes rules for benchmarks: any number, like those of a catalogue, and reproducible by seed."""

import random
from collections.abc import Callable, Iterator

from tuppence.facts.schema import Schema
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset

CATEGORIES = (
    "alcohol", "bank fee", "broadband", "cash", "charity", "clothing", "council tax", "eating out",
    "education", "energy", "entertainment", "gambling", "groceries", "health", "household",
    "housing", "insurance", "mobile", "people", "personal care", "subscriptions", "transport",
    "travel", "water",
)  # fmt: skip
MERCHANTS = (
    "Bean Yard", "Bowl Town", "Brew Nine", "Brightside Home", "Brightwave Energy", "Cask & Cork",
    "Chip Harbour", "City Bus", "Coastal Rail", "Corner & Co", "Crust Club", "Daily Larder",
    "Fairfield Foods", "Game Loft", "Green Basket", "Harvest Lane", "Kettle Power", "Leisure Dome",
    "Loom", "Marrow Market", "Metro Line", "Noodle Row", "Northway Fuel", "Orchard Stores",
    "Pantry Direct", "Pepper Tree", "Quayside Grocers", "Streamly", "Swift Cabs", "Tunebox",
)  # fmt: skip
TYPES = ("card", "cash", "direct debit", "standing order", "transfer")
WINDOWS = ("P7D", "P14D", "P30D", "P60D", "P90D", "P120D")


def rules(count: int, seed: int = 1) -> list[Rule]:
    """Return rules; about two thirds of the filters of a smaller set occur in a larger one too."""
    random_ = random.Random(seed)  # noqa: S311 - not a secret
    return [_rule(f"rule_{number:03d}", random_) for number in range(count)]


def ruleset(count: int, seed: int = 1) -> Ruleset:
    """Return a checked ruleset of these rules."""
    definitions = load_definitions()
    return make_ruleset(check_rule(rule, Schema(), definitions)[0] for rule in rules(count, seed))


def _rule(name: str, random_: random.Random) -> Rule:
    when, score, value = random_.choices(_FORMS, _WEIGHTS)[0](random_)
    return Rule(
        name,
        "insight",
        f"A rule for measuring: {name}",
        when,
        score,
        Message("It is {{ amount }}", "In all it is {{ amount }}."),
        {"amount": value},
        minimum_history_days=random_.choice([0, 30, 60]),
    )


def _filter(random_: random.Random, window: str, also: str = "") -> str:
    kind = random_.random()
    if kind < 0.6:
        asked = f'category = "{random_.choice(CATEGORIES)}"'
    elif kind < 0.72:
        names = random_.sample(CATEGORIES, 3)
        asked = f'category in ("{names[0]}", "{names[1]}", "{names[2]}")'
    elif kind < 0.84:
        names = random_.sample(MERCHANTS, 3)
        asked = f'merchant in ("{names[0]}", "{names[1]}", "{names[2]}")'
    elif kind < 0.92:
        asked = f'type = "{random_.choice(TYPES)}"'
    else:
        asked = f'category = "{random_.choice(CATEGORIES)}" and amount > {random_.choice([20, 50])}'
    return f'payments[{asked}{also} and booking date > today() - @"{window}"]'


def _dear(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on high spending."""
    rows = _filter(random_, random_.choice(WINDOWS))
    least = random_.choice([50, 100, 250, 400])
    return (
        f"count({rows}) >= {random_.randint(2, 6)} and total({rows}.amount) > {least}",
        f"clamp(20 + total({rows}.amount) / 10, 0, 80)",
        f"total({rows}.amount)",
    )


def _more(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on spending more than before."""
    rows = _filter(random_, "P30D")
    before = rows.replace("P30D", "P90D").replace(
        "booking date >", 'booking date <= today() - @"P30D" and booking date >'
    )
    recent, usual = f"total({rows}.amount)", f"total({before}.amount) / 2"
    factor = random_.choice(["1.1", "1.25", "1.5"])
    return (
        f"{recent} > {factor} * {usual} and {recent} - {usual} > 20",
        f"clamp(25 + ({recent} - {usual}) / 4, 0, 90)",
        f"{recent} - {usual}",
    )


def _largest(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on a payment that stands out."""
    rows = _filter(random_, random_.choice(["P7D", "P30D"]))
    return (
        f"count({rows}) > 0 and max({rows}.amount) > 3 * mean({rows}.amount)",
        f"min(100, 40 + max({rows}.amount) / 20)",
        f"max({rows}.amount)",
    )


def _dearer(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on a price that rose."""
    rows = _filter(random_, "P120D")
    return (
        f"count({rows}) >= 2 and {rows}[-1].amount > 1.05 * {rows}[-2].amount",
        f"clamp(100 * ({rows}[-1].amount - {rows}[-2].amount) / {rows}[-2].amount, 0, 100)",
        f"{rows}[-1].amount - {rows}[-2].amount",
    )


def _many(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on the number of different merchants."""
    rows = _filter(random_, random_.choice(["P30D", "P90D"]), " and merchant != null")
    return (
        f"count(distinct values({rows}.merchant)) >= {random_.randint(2, 4)}",
        f"clamp(10 * count(distinct values({rows}.merchant)), 0, 70)",
        f"count(distinct values({rows}.merchant))",
    )


def _own(random_: random.Random) -> tuple[str, str, str]:
    """Return condition, score and value of a rule on spending as a share of income."""
    rows = _filter(random_, "P30D")
    income = 'total(receipts[booking date > today() - @"P30D"].amount)'
    born, share = random_.choice([1960, 1975, 1990]), random_.choice(["0.05", "0.1"])
    spent = f"total({rows}.amount)"
    return (
        f"customer.birth year > {born} and {income} > 500 and {spent} > {share} * {income}",
        f"clamp(percentage({spent}, {income}), 0, 100)",
        f"percentage({spent}, {income})",
    )


Form = Callable[[random.Random], tuple[str, str, str]]
_FORMS: tuple[Form, ...] = (_dear, _more, _largest, _dearer, _many, _own)
_WEIGHTS = (30, 25, 12, 12, 8, 13)


def files(count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of rule files, for commands."""
    import msgspec

    for rule in rules(count, seed):
        yield f"{rule.id}.yaml", msgspec.json.encode(rule)
