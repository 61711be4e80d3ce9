"""Checks rules against more than their language: known words, the day, and a store's customers."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np

from tuppence.bankdata.categories import ACCOUNT_TYPES, CATEGORIES, TRANSACTION_TYPES
from tuppence.bankdata.enrichment.brands import shipped_brands
from tuppence.derived.chains_reference import CADENCES, FOUR_WEEKLY
from tuppence.engine.columnar import Engine
from tuppence.facts.census import COMPARED
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import FieldType
from tuppence.facts.source import partition_ranges
from tuppence.feel import syntax
from tuppence.feel.diagnostics import Diagnostic, Span
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.packed import QUALIFIED, UNKNOWN
from tuppence.rules.checking import CheckedRule, Finding
from tuppence.rules.definition import Definition
from tuppence.rules.definition_checking import Examine
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import make_ruleset
from tuppence.rules.words import Known, unknown_words
from tuppence.structured import Location

T = TypeVar("T")

CLOSED: Final[Mapping[tuple[str, str], Collection[str]]] = {
    ("accounts", "type"): ACCOUNT_TYPES,
    ("transactions", "type"): TRANSACTION_TYPES,
    ("transactions", "account type"): ACCOUNT_TYPES,
    ("streams", "kind"): ("bill", "subscription", "income"),
    ("streams", "state"): ("early", "mature", "stopped"),
    ("streams", "cadence"): tuple(one.name for one in (*CADENCES, FOUR_WEEKLY)),
    ("customer", "home"): ("own", "mortgage", "rent", "family"),
    ("customer", "peer category"): COMPARED,
}
"""Fields whose words are the same everywhere."""
OPEN: Final = frozenset(
    {
        ("transactions", "category"),
        ("transactions", "merchant"),
        ("streams", "category"),
        ("customer", "unusual category"),
    }
)
"""Fields to which a mapping may give other words, which a store then has."""


class FactsOfAll(Protocol):
    """The facts of all customers of a store."""

    def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
        """Return the answer of a function that reads the permitted facts, all as of one moment."""
        ...


def examiner(today: Date, store: FactsOfAll | None = None, use: Use | None = None) -> Examine:
    """Return a check that finds words that nobody can have, and days that have passed.

    Args:
        today: The clock's day.
        store: The store whose words are known as well.
        use: The use of its facts that consents must allow.
    """

    @functools.cache
    def known() -> Known:
        """Return the words that the store has, too; it is read for the first unusual one."""
        if store is None or use is None:
            return _USUAL
        return functools.partial(known_words, store.read_permitted(use, words_of))

    return examiner_of(today, known)


def examiner_of(today: Date, known: Callable[[], Known]) -> Examine:
    """Return what finds more about rules, as `examiner` does.

    Args:
        today: The clock's day.
        known: Returns the words of fields; called only for a rule with an unusual one.
    """

    def examine(definition: Definition, checked: CheckedRule) -> Iterator[Finding]:
        if any(word_findings(checked, _USUAL)):
            yield from word_findings(checked, known())
        yield from _day_findings(checked.rule, definition, today)

    return examine


def word_findings(checked: CheckedRule, known: Known) -> Iterator[Finding]:
    """Yield a warning for each word in a rule that nobody can have; once for each expression."""
    for place, tree in checked.trees.items():
        seen = set[Span]()
        for diagnostic in unknown_words(tree, known):
            if diagnostic.span not in seen:
                seen.add(diagnostic.span)
                yield Finding(place, diagnostic)


def words_of(facts: PermittedFacts) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return the words that the open fields of a store have."""
    found: dict[tuple[str, str], set[str]] = {one: set() for one in OPEN}
    for partition, _ in facts.partitions():
        columns = facts.read(partition, ["category", "merchant"]).transactions.columns
        for name in ("category", "merchant"):
            if columns[name].kind is FieldType.TEXT:
                found["transactions", name].update(map(str, columns[name].dictionary or ()))
    for derived in (("streams", "category"), ("customer", "unusual category")):
        found[derived] = found["transactions", "category"]
    return {field: frozenset(words) for field, words in found.items()}


def reach(store: FactsOfAll, use: Use, examine: Examine) -> Examine:
    """Return a check that also finds conditions that nobody in a store fulfils.

    Args:
        store: The store.
        use: The use of its facts that consents must allow; its day is the as-of date.
        examine: Finds the rest.
    """

    def examine_all(definition: Definition, checked: CheckedRule) -> Iterator[Finding]:
        found = list(examine(definition, checked))
        yield from found
        is_open = not any(one.place == ("when",) for one in found)
        if is_open and checked.rule.in_force(Date(use.as_of)):
            yield from store.read_permitted(use, lambda facts: _unreached(checked, facts, use))

    return examine_all


def last_booking(facts: PermittedFacts, today: Date) -> Date:
    """Return the last day with a transaction, which is today at the latest."""
    days = [
        int(column.max(initial=0, where=column <= today.day))
        for column in (
            facts.read(partition, ["booking date"]).transactions.columns["booking date"].values
            for partition, _ in facts.partitions()
        )
    ]
    return Date(max(days, default=0) or today.day)


def _unreached(checked: CheckedRule, facts: PermittedFacts, use: Use) -> list[Finding]:
    """Return the first of a rule's conditions, joined by `and`, that nobody fulfils."""
    pieces = [checked.trees["when",], *_conjuncts(checked.trees["when",])]
    ruleset = make_ruleset(_alone(checked, piece, n) for n, piece in enumerate(pieces))
    engine = Engine(make_plan(ruleset, Date(use.as_of), facts.schema))
    fulfilled = np.zeros(len(pieces), np.int64)
    unknown, customers = 0, 0
    for partition, first, last in partition_ranges(facts, facts.left_out):
        states = engine.grid(facts.read(partition).slice(first, last)).states
        fulfilled += (states == QUALIFIED).sum(axis=1)
        unknown += int((states[0] == UNKNOWN).sum())
        customers += last - first
    if fulfilled[0] or not customers:
        return []
    alone = [piece for piece, count in zip(pieces, fulfilled, strict=True) if not count]
    what = "this condition" if len(alone) > 1 else "all conditions at once"
    message = f"nobody of {customers:,} customers of this store fulfils {what}"
    if unknown == customers:
        message = f"the condition is unknown for all {customers:,} customers of this store"
    diagnostic = Diagnostic("rule.nobody", alone[-1 if len(alone) == 1 else 1].span, message)
    return [Finding(("when",), dataclasses.replace(diagnostic, warning=True))]


def _conjuncts(node: syntax.Node) -> Iterator[syntax.Node]:
    if isinstance(node, syntax.Logic) and node.operator == "and":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _alone(checked: CheckedRule, condition: syntax.Node, number: int) -> CheckedRule:
    """Return a rule that is only a condition of another one."""
    rule = msgspec.structs.replace(
        checked.rule, id=f"c{number:04}", values={}, minimum_history_days=0, tests=[]
    )
    one = syntax.Literal(Span(0, 0), Decimal(1))
    return dataclasses.replace(checked, rule=rule, trees={("when",): condition, ("score",): one})


def known_words(
    of_store: Mapping[tuple[str, str], frozenset[str]], table: str, field: str
) -> Collection[str]:
    """Return the words that a field can have; none if it can have any.

    Args:
        of_store: Words of the open fields of a store.
        table: Table of the field, or `customer`.
        field: Name of the field.
    """
    key = (table, field)
    if key not in OPEN:
        return CLOSED.get(key, ())
    usual = shipped_brands().names if field == "merchant" else CATEGORIES
    return usual | of_store.get(key, frozenset())


def _day_findings(rule: Rule, definition: Definition, today: Date) -> Iterator[Finding]:
    """Yield findings about the day: approvals to come or past, and rules that have ended."""
    day, approval = str(today), rule.approval

    def found(place: Location, text: str, message: str, *, warning: bool) -> Finding:
        span = Span(0, len(text))
        hint = "give the day on which it was approved" if not warning else "give a later day"
        return Finding(place, Diagnostic("rule.validity", span, message, hint, warning))

    if approval is not None and approval.date > day:
        message = f"the approval is of {approval.date}, which is still to come"
        yield found(("approval", "date"), approval.date, message, warning=False)
    if approval is not None and approval.until is not None and approval.until < day:
        message = f"the approval held until {approval.until}, so nobody qualifies any more"
        yield found(("approval", "until"), approval.until, message, warning=True)
    if rule.valid_until is not None and rule.valid_until < day:
        message = f"the rule was valid until {rule.valid_until}, so nobody qualifies any more"
        yield found(("valid_until",), rule.valid_until, message, warning=True)
    if definition.kind == "offer":
        span = Span(0, len(definition.kind))
        for missing, name in ((rule.offer, "offer"), (rule.valid_until, "valid_until")):
            if missing is None:
                message = f"this offer does not say its {name}"
                hint = "add offer: {partner: …, terms: …} and valid_until, so that customers see it"
                diagnostic = Diagnostic("rule.offer", span, message, hint, warning=True)
                yield Finding(("kind",), diagnostic)


_USUAL: Final[Known] = functools.partial(known_words, {})
