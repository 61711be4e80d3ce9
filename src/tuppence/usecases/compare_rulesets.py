"""Compares two rulesets over one night: how many each finds, and for whom they differ."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np

from tuppence.results.packed import QUALIFIED, UNKNOWN
from tuppence.results.result import STATES, State
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.everybody import Advance, Array, Evaluated, Everybody, no_advance
from tuppence.usecases.ledger import RuleCount

MAX_LISTED: Final = 100
"""Number of customers that are listed unless more are asked for."""


class RuleChange(StrEnum):
    """The difference between a rule in two rulesets."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


class ComparedRule(NamedTuple):
    """A rule in two rulesets.

    Attributes:
        rule_id: Identifier of the rule.
        change: The difference between the rules.
        before: Its counts in the first ruleset; None if that lacks it.
        after: Its counts in the second one; None if that lacks it.
        stay: Number of customers who qualify for both.
        come: Number of customers who qualify in the second one alone.
        go: Number of customers who qualify in the first one alone.
    """

    rule_id: str
    change: RuleChange
    before: RuleCount | None
    after: RuleCount | None
    stay: int
    come: int
    go: int


class ComparedResult(NamedTuple):
    """A result that differs between two rulesets.

    Attributes:
        customer: The customer.
        rule_id: The rule.
        before: State in the first ruleset; None if that lacks the rule.
        after: State in the second one; None if that lacks the rule.
    """

    customer: str
    rule_id: str
    before: State | None
    after: State | None


class RulesetComparison(NamedTuple):
    """The results of two rulesets for the same customers on the same day.

    Attributes:
        customers: Number of customers.
        rules: All rules of both, in the order of their identifiers.
        different: Number of customers for whom a state differs.
        results: Results that differ, in the order of the customers; those of the first customers.
    """

    customers: int
    rules: tuple[ComparedRule, ...]
    different: int
    results: tuple[ComparedResult, ...]


def compare_rulesets(
    everybody: Everybody,
    before: Ruleset,
    after: Ruleset,
    listed: int = MAX_LISTED,
    advance: Advance = no_advance,
) -> RulesetComparison:
    """Evaluate two rulesets for everybody; a rule that both have is evaluated once.

    That somebody does not qualify for a rule that only one ruleset has is no difference.

    Args:
        everybody: The customers.
        before: The first ruleset.
        after: The second ruleset.
        listed: Maximum number of customers whose differing results are listed.
        advance: Called with the number of customers that were evaluated, again and again; twice
            for each if rules differ.
    """
    first, second = _by_id(before), _by_id(after)
    same = {
        name for name in first.keys() & second.keys() if _bare(first[name]) == _bare(second[name])
    }
    states = _states(before, everybody.evaluate(before, advance))
    fresh = make_ruleset(one for name, one in second.items() if name not in same)
    others: Mapping[str, Array] = {}
    if fresh.rules:
        others = _states(fresh, everybody.evaluate(fresh, advance))
    rules, rows = [], []
    for name in sorted(first.keys() | second.keys()):
        was = states.get(name)
        now = was if name in same else others.get(name)
        rules.append(_compared(name, was, now, is_same=name in same))
        if name not in same:
            rows.append((name, was, now))
    differ = np.zeros(len(everybody.customers), np.bool_)
    for _, was, now in rows:
        differ |= _differs(was, now)
    places = np.flatnonzero(differ)
    return RulesetComparison(
        len(everybody.customers),
        tuple(rules),
        len(places),
        _listed(everybody, rows, places[:listed]),
    )


def counts_of(name: str, states: Array) -> RuleCount:
    """Return the counts of a rule, given the state of each customer."""
    qualified, unknown = (int((states == state).sum()) for state in (QUALIFIED, UNKNOWN))
    return RuleCount(name, qualified, unknown)


def _by_id(ruleset: Ruleset) -> dict[str, CheckedRule]:
    return {one.rule.id: one for one in ruleset.rules}


def _bare(checked: CheckedRule) -> Rule:
    return msgspec.structs.replace(checked.rule, tests=[])


def _states(ruleset: Ruleset, found: Evaluated) -> Mapping[str, Array]:
    names = [one.rule.id for one in ruleset.rules]
    return dict(zip(names, found.states, strict=True))


def _compared(name: str, was: Array | None, now: Array | None, *, is_same: bool) -> ComparedRule:
    change = RuleChange.SAME if is_same else RuleChange.CHANGED
    if was is None:
        change = RuleChange.ADDED
    elif now is None:
        change = RuleChange.REMOVED
    before = None if was is None else counts_of(name, was)
    after = None if now is None else counts_of(name, now)
    had = 0 if before is None else before.qualified
    has = 0 if after is None else after.qualified
    both = 0 if was is None or now is None else int(((was == QUALIFIED) & (now == QUALIFIED)).sum())
    return ComparedRule(name, change, before, after, both, has - both, had - both)


def _differs(was: Array | None, now: Array | None) -> Array:
    """Return for whom a rule differs; one that is missing finds nobody."""
    if was is None or now is None:
        only = now if was is None else was
        return np.asarray(only == QUALIFIED)
    return np.asarray(was != now)


def _listed(
    everybody: Everybody,
    rows: Sequence[tuple[str, Array | None, Array | None]],
    places: Array,
) -> tuple[ComparedResult, ...]:
    masks = [_differs(was, now) for _, was, now in rows]
    return tuple(
        ComparedResult(everybody.customers[place], name, _state(was, place), _state(now, place))
        for place in places.tolist()
        for (name, was, now), mask in zip(rows, masks, strict=True)
        if mask[place]
    )


def _state(states: Array | None, place: int) -> State | None:
    return None if states is None else STATES[states[place]]
