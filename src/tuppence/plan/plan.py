"""A ruleset made ready for one date: expressions compiled, everything constant computed."""

from dataclasses import dataclass

from tuppence.feel import Expression, compile_expression
from tuppence.feel.interpreter import Record
from tuppence.feel.values import Date, DateTime
from tuppence.rules.checking import CheckedRule, Place
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """One rule, ready to be evaluated.

    Attributes:
        rule: As written.
        when: Gives true, false or null.
        score: Gives a number or null.
        values: By name, in the order in which they may use each other.
    """

    rule: Rule
    when: Expression
    score: Expression
    values: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A ruleset for one date."""

    ruleset: Ruleset
    as_of: Date
    rules: tuple[PlannedRule, ...]


def make_plan(ruleset: Ruleset, as_of: Date) -> Plan:
    """The plan of a ruleset for a date, which is what `today()` will be."""
    return Plan(ruleset, as_of, tuple(plan_rule(rule, as_of) for rule in ruleset.rules))


def plan_rule(checked: CheckedRule, as_of: Date, record: Record | None = None) -> PlannedRule:
    """One rule made ready; `record` is called with every part of `when` and its value."""
    names = frozenset(checked.rule.values)

    def ready(place: Place, recorder: Record | None = None) -> Expression:
        tree = checked.trees[place]
        return compile_expression(tree, now=DateTime(as_of.day, 0), names=names, record=recorder)

    return PlannedRule(
        checked.rule,
        ready(("when",), record),
        ready(("score",)),
        tuple((name, ready(("values", name))) for name in checked.rule.values),
    )
