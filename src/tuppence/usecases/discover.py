"""Discovers drafts of rules in the facts of a store: measures that few exceed, and segments.

A measure becomes a draft at a round threshold that 1 to 10 % of people exceed. It also becomes one
for a segment of people, such as those who rent, if so many more of them exceed the threshold that
chance does not explain it, although every segment and measure was looked at.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.batch import Column
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import FieldType, Schema
from tuppence.facts.source import partition_ranges
from tuppence.feel import feel_literal
from tuppence.feel.values import Date
from tuppence.plan.columns import SCORE_UNIT
from tuppence.plan.plan import make_plan
from tuppence.results.packed import NUMBER, QUALIFIED
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.drafts import MIN_SHOWN, Draft, Measure, Segment, Tried, slug

T = TypeVar("T")
Array = npt.NDArray[Any]

MIN_SHARE: Final = 0.01
MAX_SHARE: Final = 0.1
BEST_SHARE: Final = 0.05
"""Shares of people above a threshold: at least, at most, and wanted."""
MIN_PEOPLE: Final = 100
"""Minimum number of customers among whom anything is discovered."""
MIN_SEGMENT: Final = 50
"""Minimum number of people in a segment, and outside it."""
MIN_RATIO: Final = 1.5
"""Minimum ratio of the share above the threshold in a segment to the share outside."""
CHANCE: Final = 0.01
"""Greatest probability that any segment at all is proposed although none differs."""
COVERED: Final = 0.8
"""Share of those who qualify from which a live rule makes a draft superfluous."""
LIFT: Final = 2
"""Least ratio of the share that qualifies for a live rule among those whom a draft finds to its
share of everybody, from which the live rule covers the draft."""
SENSITIVE: Final = frozenset({"alcohol", "charity", "gambling", "health"})
"""Categories without drafts: a message may hurt, or reveal what the law protects."""
MAX_CATEGORIES: Final = 60
_WORDS: Final = re.compile(r"[\w &'-]{1,40}")
"""Categories that a message and a file can show as they are."""
_THRESHOLDS: Final = tuple(d * 10**power for power in range(9) for d in (1, 2, 3, 5))
_COUNTS: Final = (*range(10), 10, 12, 15, 20, 25, 30, 40, 50)


class FactsOfAll(Protocol):
    """The facts of all customers of a store."""

    def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
        """Return what a function reads of the permitted facts, all of it as of one moment."""
        ...


class Discovered(NamedTuple):
    """The drafts that were discovered, and whom they are about.

    Attributes:
        drafts: The drafts, those that few people exceed by far first.
        currency: Currency of the customers whom the drafts are about.
        customers: Number of these.
        left_out: Number of drafts that live rules cover.
    """

    drafts: tuple[Draft, ...]
    currency: str
    customers: int
    left_out: int


class _People(NamedTuple):
    """The customers whom drafts are about.

    Attributes:
        values: Values of the measures, shape (measures, customers); NaN where not known.
        live: True where a customer qualifies for a live rule, shape (rules, customers).
        segments: For each segment, true where a customer is in it.
    """

    values: Array
    live: Array
    segments: Mapping[Segment, Array]


def discover(store: FactsOfAll, use: Use, live: Ruleset | None, most: int) -> Discovered:
    """Discover drafts of rules in the facts of a store.

    Args:
        store: The store.
        use: The use of its facts that consents must allow; its day is the as-of date.
        live: Rules that need no drafts any more; None for none.
        most: Maximum number of drafts.

    Raises:
        UserError: There are too few customers.
    """
    return store.read_permitted(use, lambda facts: _discover(facts, Date(use.as_of), live, most))


def measures_of(categories: Iterable[str]) -> tuple[Measure, ...]:
    """Return what is measured of each category."""
    found: list[Measure] = []
    for category in categories:

        def rows(days: int, until: int = 0, category: str = category) -> str:
            booked = f'booking date > today() - @"P{days}D"'
            if until:
                booked += f' and booking date <= today() - @"P{until}D"'
            return f"payments[category = {feel_literal(category)} and {booked}]"

        month, before = f"total({rows(30)}.amount)", f"total({rows(90, 30)}.amount)"
        name = slug(category) or "other"
        found += [
            Measure(
                f"spending on {category} in 30 days", f"{name}_spent", month, False, category, 30
            ),
            Measure(
                f"rise of spending on {category} within 30 days",
                f"{name}_rise",
                f"{month}\n- {before} / 2",
                False,
                category,
                90,
            ),
            Measure(
                f"payments for {category} in 30 days",
                f"{name}_often",
                f"count({rows(30)})",
                True,
                category,
                30,
            ),
        ]
    return tuple(found)


def _discover(facts: PermittedFacts, as_of: Date, live: Ruleset | None, most: int) -> Discovered:
    categories, currency = _words(facts)
    measures = measures_of(categories)
    people = _evaluate(facts, as_of, measures, live, currency)
    customers = people.values.shape[1]
    if customers < MIN_PEOPLE:
        message = f"there are {customers:,} customers whose facts may be read"
        hint = f"drafts are discovered among at least {MIN_PEOPLE} with one currency"
        raise UserError("discover.few", message, hint)
    names = () if live is None else tuple(one.rule.id for one in live.rules)
    found: list[tuple[float, Draft]] = []
    left_out = 0
    looks = max(len(measures) * len(people.segments), 1)
    for measure, values in zip(measures, people.values, strict=True):
        general = _general(measure, values)
        if general is None:
            continue
        candidates = [general, *_segmented(general, values, people.segments, looks)]
        for draft in candidates:
            covered = _covered(draft, values, people, names)
            if covered is not None and covered[1] >= COVERED:
                left_out += 1
                continue
            rank = draft.threshold / max(draft.median, 1) + 1_000 * (draft.segment is not None)
            found.append((rank, replace(draft, covered=covered)))
    found.sort(key=lambda one: (-one[0], one[1].rule_id))
    distinct: dict[str, Draft] = {}
    for _, draft in found[:most]:
        numbered = (replace(draft, number=number) for number in (0, *range(2, most + 2)))
        chosen = next(one for one in numbered if one.rule_id not in distinct)
        distinct[chosen.rule_id] = chosen
    return Discovered(tuple(distinct.values()), currency, customers, left_out)


def _words(facts: PermittedFacts) -> tuple[list[str], str]:
    """Return the categories that payments have most often, and the most frequent currency."""
    paid, currencies = Counter[str](), Counter[str]()
    for partition, first, last in partition_ranges(facts, facts.left_out):
        batch = facts.read(partition, ["category", "amount", "booking date"]).slice(first, last)
        columns = batch.transactions.columns
        out = columns["amount"].values < 0
        _count(paid, columns["category"], out)
        _count(currencies, batch.customers["currency"], np.ones(len(batch), np.bool_))
    usable = [name for name in paid if name not in SENSITIVE and _WORDS.fullmatch(name)]
    usable.sort(key=lambda name: (-paid[name], name))
    currency = min(currencies, key=lambda name: (-currencies[name], name), default="")
    return sorted(usable[:MAX_CATEGORIES]), currency


def _count(counter: Counter[str], column: Column, chosen: Array) -> None:
    counts = np.bincount(column.values[chosen], minlength=1)
    for code in np.flatnonzero(counts).tolist():
        name = column.dictionary[code]
        if name is not None:
            counter[name] += int(counts[code])


def _evaluate(
    facts: PermittedFacts,
    as_of: Date,
    measures: Sequence[Measure],
    live: Ruleset | None,
    currency: str,
) -> _People:
    """Return the measures of all customers with a currency, and the rules they qualify for."""
    schema = facts.schema
    engine = Engine(make_plan(_rules_of(measures, schema), as_of, schema))
    of_live = None if live is None else Engine(make_plan(live, as_of, schema))
    plans = [engine.plan] if of_live is None else [engine.plan, of_live.plan]
    known = [one for plan in plans if (one := plan.transaction_fields) is not None]
    fields = frozenset[str]().union(*known) if len(known) == len(plans) else None
    values: list[Array] = [np.zeros((len(measures), 0))]
    states: list[Array] = [np.zeros((0 if live is None else len(live.rules), 0), np.bool_)]
    texts: dict[str, list[Array]] = {name: [] for name in _segment_fields(schema)}
    for partition, first, last in partition_ranges(facts, facts.left_out):
        batch = facts.read(partition, fields).slice(first, last)
        own = _texts(batch.customers["currency"]) == currency
        grid = engine.grid(batch)
        measured = (grid.states == QUALIFIED) & (grid.kinds == NUMBER)
        values.append(np.where(measured, grid.values / SCORE_UNIT, np.nan)[:, own])
        if of_live is not None:
            states.append((of_live.grid(batch).states == QUALIFIED)[:, own])
        else:
            states.append(np.zeros((0, int(own.sum())), np.bool_))
        for name, columns in texts.items():
            columns.append(_texts(batch.customers[name])[own])
    segments: dict[Segment, Array] = {}
    for name, columns in texts.items():
        whole = np.concatenate([np.array([], object), *columns])
        for value in sorted({text for text in whole.tolist() if text}):
            inside = whole == value
            if min(inside.sum(), (~inside).sum()) >= MIN_SEGMENT and _WORDS.fullmatch(value):
                segments[Segment(name, value)] = inside
    return _People(np.concatenate(values, axis=1), np.concatenate(states, axis=1), segments)


def _segment_fields(schema: Schema) -> list[str]:
    """Return the fields that make segments: texts that neither identify nor are derived."""
    return [
        field.name
        for field in schema.customer
        if field.kind is FieldType.TEXT
        and not (field.personal or field.derived or field.name in {"currency", "country"})
    ]


def _texts(column: Column) -> Array:
    return np.array(column.dictionary, object)[column.values]


def _rules_of(measures: Sequence[Measure], schema: Schema) -> Ruleset:
    """Return a rule for each measure, which has it as its value."""
    definitions = load_definitions()
    message = Message("-", "-")
    rules = []
    for number, measure in enumerate(measures):
        rule = Rule(
            f"m{number:05}", "insight", "-", "true", "1", message, {"found": measure.feel},
            minimum_history_days=measure.history_days,
        )  # fmt: skip
        rules.append(check_rule(rule, schema, definitions)[0])
    return make_ruleset(rules)


def _general(measure: Measure, values: Array) -> Draft | None:
    """Return the draft of a measure for everybody, None if no threshold suits."""
    known = values[~np.isnan(values)]
    positive = known[known > 0]
    if len(known) < MIN_PEOPLE or len(positive) < MIN_SHOWN:
        return None
    tried = [
        Tried(one, int((known > one).sum()))
        for one in (_COUNTS if measure.is_count else _THRESHOLDS)
    ]
    suiting = [one for one in tried if MIN_SHARE <= one.above / len(known) <= MAX_SHARE]
    if not suiting:
        return None
    best = min(
        suiting,
        key=lambda one: (abs(math.log(one.above / len(known) / BEST_SHARE)), -one.threshold),
    )
    place = tried.index(best)
    shown = tuple(tried[max(place - 2, 0) : place + 3])
    return Draft(measure, best.threshold, shown, len(known), float(np.median(positive)))


def _segmented(
    draft: Draft, values: Array, segments: Mapping[Segment, Array], looks: int
) -> Iterator[Draft]:
    """Yield the same draft for each segment of which far more people are above the threshold."""
    known = ~np.isnan(values)
    above = known & (values > draft.threshold)
    for segment, inside in segments.items():
        n, m = int((known & inside).sum()), int((known & ~inside).sum())
        a, b = int((above & inside).sum()), int((above & ~inside).sum())
        if min(n, m) < MIN_SEGMENT or a * m < MIN_RATIO * b * n:
            continue
        if chance_of(a, n, a + b, n + m) * looks <= CHANCE:
            yield replace(draft, segment=segment, inside=(n, a), outside=(m, b))


def chance_of(above: int, inside: int, all_above: int, people: int) -> float:
    """Return the probability that at least so many of a random group are above (Fisher's test).

    Args:
        above: Number of people of the group who are above a threshold.
        inside: Number of people of the group.
        all_above: Number of all people who are above it.
        people: Number of all people.
    """

    def ways(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    counts = range(max(above, inside + all_above - people), min(inside, all_above) + 1)
    return math.fsum(
        math.exp(
            ways(all_above, count) + ways(people - all_above, inside - count) - ways(people, inside)
        )
        for count in counts
    )


def _covered(
    draft: Draft, values: Array, people: _People, names: Sequence[str]
) -> tuple[str, float] | None:
    """Return the live rule for which most of those who qualify qualify, and its share of them."""
    chosen = values > draft.threshold
    if draft.segment is not None:
        chosen &= people.segments[draft.segment]
    if not names or not chosen.any():
        return None
    shares = people.live[:, chosen].mean(axis=1)
    shares[shares < LIFT * people.live.mean(axis=1)] = 0
    best = int(np.argmax(shares))
    return (names[best], float(shares[best])) if shares[best] > 0 else None
