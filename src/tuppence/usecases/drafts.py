"""Drafts of rules that data suggests, as YAML files with the evidence in comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from tuppence.feel import feel_literal
from tuppence.feel.values import Date

MIN_SHOWN: Final = 10
"""Counts of fewer customers are not shown exactly, since drafts are passed on."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that may become the condition of a rule.

    Attributes:
        name: The words for it in a draft, such as `spending on groceries in 30 days`.
        slug: The same for an identifier.
        feel: Its expression.
        is_count: Whether it counts payments; it is an amount otherwise.
        category: Category of the payments.
        history_days: Number of days of history that it needs.
    """

    name: str
    slug: str
    feel: str
    is_count: bool
    category: str
    history_days: int


class Segment(NamedTuple):
    """The customers who have one value of a text field."""

    field: str
    value: str


class Tried(NamedTuple):
    """A threshold, and how many customers are above it."""

    threshold: int
    above: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that data suggests.

    Attributes:
        measure: The quantity.
        threshold: The number above which a customer qualifies.
        tried: Some thresholds with their counts, this one among them.
        customers: Number of customers whom the counts are of.
        median: The median of the measure among those of whom it is above 0.
        segment: The customers to whom the rule is limited; None for all.
        inside: Number of customers of the segment, and how many of them qualify.
        outside: The same of all others.
        covered: The live rule that most of those who qualify qualify for, and its share of them.
        number: Distinguishes drafts whose identifiers would be equal.
    """

    measure: Measure
    threshold: int
    tried: tuple[Tried, ...]
    customers: int
    median: float
    segment: Segment | None = None
    inside: tuple[int, int] = (0, 0)
    outside: tuple[int, int] = (0, 0)
    covered: tuple[str, float] | None = None
    number: int = 0

    @property
    def rule_id(self) -> str:
        """The identifier of the rule."""
        parts = ["draft", self.measure.slug]
        if self.segment is not None:
            parts += [slug(self.segment.field), slug(self.segment.value)]
        end = f"_{self.number}" if self.number else ""
        return "_".join(parts)[: 64 - len(end)] + end

    @property
    def above(self) -> int:
        """The number of customers who are above the threshold."""
        return next(one.above for one in self.tried if one.threshold == self.threshold)


def slug(text: str) -> str:
    """Return a text as a part of an identifier."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def draft_text(draft: Draft, currency: str, as_of: Date, store: str) -> str:
    """Return the file of a draft.

    Args:
        draft: The draft.
        currency: Currency of the customers whom it was found among.
        as_of: The date of the evidence.
        store: Name of the store.
    """
    lines = [f"# {line}".rstrip() for line in _evidence(draft, currency, as_of, store)]
    return "\n".join([*lines, *_rule(draft, currency)]) + "\n"


def _evidence(draft: Draft, currency: str, as_of: Date, store: str) -> Iterator[str]:
    yield "A draft from `tuppence discover`: edit what it says and to whom before you publish it."
    yield f"Evidence: {draft.customers:,} customers with {currency} in {store} as of {as_of},"
    yield f"by their {draft.measure.name}."
    yield ""
    yield "    more than   customers     share"
    for one in draft.tried:
        chosen = "   <- this draft" if one.threshold == draft.threshold else ""
        of_all = _percent(one.above, draft.customers)
        yield f"    {one.threshold:>9,}   {_count(one.above):>9}   {of_all:>7}{chosen}"
    yield ""
    yield f"Of those for whom it is above 0, half are above {draft.median:,.0f}."
    if draft.segment is not None:
        (inside, above), (others, above_others) = draft.inside, draft.outside
        yield f"Where {draft.segment.field} is {draft.segment.value}, {_percent(above, inside)} of"
        yield f"{inside:,} are above the threshold, of all others {_percent(above_others, others)}."
        yield "Ask why before you write to a group: it may be chance, or unfair to tell them so."
    if draft.covered is not None:
        name, share = draft.covered
        yield f"Of those who qualify, {100 * share:.0f} % also qualify for {name}."


def _count(number: int) -> str:
    return f"< {MIN_SHOWN}" if 0 < number < MIN_SHOWN else f"{number:,}"


def _percent(part: int, whole: int) -> str:
    if 0 < part < MIN_SHOWN:
        return f"< {100 * MIN_SHOWN / whole:.1f} %"
    return f"{100 * part / whole:.1f} %"


def _rule(draft: Draft, currency: str) -> Iterator[str]:
    measure = draft.measure
    shown = "{{ found | number }}" if measure.is_count else "{{ found | money }}"
    limit = f"{draft.threshold:,}" if measure.is_count else f"{draft.threshold:,} {currency}"
    who = "" if draft.segment is None else f", where {draft.segment.field} is {draft.segment.value}"
    yield f"id: {draft.rule_id}"
    yield "kind: insight"
    yield f"title: {_quoted(f'Draft: {measure.name} above {limit}{who}')}"
    yield "when: |"
    yield from (f"  {line}" for line in f"{measure.feel} > {draft.threshold}".splitlines())
    yield f"  and customer.currency = {feel_literal(currency)}"
    if draft.segment is not None:
        field, value = draft.segment
        yield f"  and customer.{field} = {feel_literal(value)}"
    yield "score: 40"
    yield "values:"
    yield "  found: |"
    yield from (f"    {line}" for line in measure.feel.splitlines())
    yield "message:"
    yield f"  title: {_quoted(f'{measure.name.capitalize()}: {shown}')}"
    yield f"  body: {_quoted('Write here what this means for the customer, and what they can do.')}"
    yield "expires_after_days: 14"
    yield "cooldown_days: 30"
    yield f"minimum_history_days: {measure.history_days}"
    yield "tests:"
    yield from _test(draft, currency, "just above the threshold", qualifies=True)
    yield from _test(draft, currency, "exactly at the threshold", qualifies=False)


def _test(draft: Draft, currency: str, name: str, *, qualifies: bool) -> Iterator[str]:
    measure = draft.measure
    given = {"currency": currency}
    if draft.segment is not None:
        given[draft.segment.field] = draft.segment.value
    what = {"days ago": 1, "category": measure.category}
    count = draft.threshold + qualifies
    amount = count if not measure.is_count else 1
    paid = [what | {"amount": -amount} for _ in range(count if measure.is_count else 1)]
    before = {"days ago": measure.history_days, "amount": 1}
    yield f"  - name: {name}"
    yield f"    expect: {'qualified' if qualifies else 'not_qualified'}"
    yield f"    customer: {_quoted(given)}"
    yield "    transactions:"
    for row in (*paid, before):
        yield f"      - {_quoted(row)}"


def _quoted(value: object) -> str:
    """Return a value as JSON, which is YAML too."""
    return msgspec.json.encode(value).decode()
