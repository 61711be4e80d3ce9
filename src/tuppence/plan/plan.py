"""Prepares a ruleset for one date, for the interpreter and for columns."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Final

import msgspec

from tuppence.derived.groups import FIELDS
from tuppence.derived.peers import FIELDS as OF_PEERS
from tuppence.facts.schema import (
    AMONG_PEERS,
    AT_MERCHANTS,
    COLLECTIONS,
    FORECASTS,
    TRANSACTIONS,
    UNUSUAL,
    Schema,
)
from tuppence.feel import Expression, Span, compile_expression, syntax
from tuppence.feel.interpreter import Record
from tuppence.feel.values import Date, DateTime
from tuppence.plan.columns import ColumnPlan
from tuppence.plan.model import model_of
from tuppence.plan.passes import column_plan
from tuppence.results.packed import Layout
from tuppence.rules.checking import CheckedRule, Place
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset


@dataclass(frozen=True)
class PlannedRule:
    """A rule prepared for the interpreter; each expression is compiled when it is first used.

    Attributes:
        checked: The rule and its trees.
        as_of: The date that `today()` gives.
        record: If given, called with every part of `when` and its value.
    """

    checked: CheckedRule
    as_of: Date
    record: Record | None = None

    @property
    def rule(self) -> Rule:
        """The rule as written."""
        return self.checked.rule

    @functools.cached_property
    def reads_streams(self) -> bool:
        """True if the rule reads streams, or a forecast, which is made from streams."""
        return bool(self.names & _AHEAD)

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The names in the rule, of variables and of fields."""
        return frozenset().union(*map(_names, self.checked.trees.values()))

    @functools.cached_property
    def when(self) -> Expression:
        """The condition, which gives true, false or null."""
        return self._ready(("when",), self.record)

    @functools.cached_property
    def score(self) -> Expression:
        """The score, which gives a number or null."""
        return self._ready(("score",))

    @functools.cached_property
    def values(self) -> tuple[tuple[str, Expression], ...]:
        """The values by name, in the order in which they may use each other."""
        return tuple((name, self._ready(("values", name))) for name in self.rule.values)

    def _ready(self, place: Place, record: Record | None = None) -> Expression:
        return compile_expression(
            self.checked.trees[place],
            now=DateTime(self.as_of.day, 0),
            names=frozenset(self.rule.values),
            record=record,
        )


_AHEAD: Final = FORECASTS | {name for name, found in COLLECTIONS.items() if found.kind}


def _names(node: syntax.Node) -> frozenset[str]:
    """Return the names in a tree, of variables and of fields."""
    match node:
        case syntax.Path(base=syntax.Name(name="customer"), name=name):
            return frozenset({"customer", name})
        case syntax.Name(name="customer"):  # as a whole
            return UNUSUAL | AMONG_PEERS | {"customer"}
    own = {node.name} if isinstance(node, syntax.Name | syntax.Path) else set()
    return frozenset(own).union(*map(_names, syntax.children(node)))


@dataclass(frozen=True, slots=True)
class Plan:
    """A ruleset prepared for one date.

    Attributes:
        ruleset: The rules.
        as_of: The date that `today()` gives.
        rules: The rules for the interpreter, in the order of the ruleset.
        columns: The plan for columns, which lists the rules that do not fit.
    """

    ruleset: Ruleset
    as_of: Date
    rules: tuple[PlannedRule, ...]
    columns: ColumnPlan

    @property
    def layout(self) -> Layout:
        """The layout of the plan's packed results."""
        names = ((one.rule.id, tuple(one.rule.values)) for one in self.rules)
        return Layout(self.ruleset.digest, tuple(names))

    @property
    def transaction_fields(self) -> frozenset[str] | None:
        """The fields of transactions that the rules read; None if they may read any."""
        if not all(rule.whole for rule in self.columns.rules):
            return None
        needed = {"booking date", "amount", "own transfer", "account"}
        if not UNUSUAL.isdisjoint(self.columns.fields):
            needed |= {"category", "refunded", "type"}
        if not AMONG_PEERS.isdisjoint(self.columns.fields):
            needed |= OF_PEERS
        for table in self.columns.tables:
            if table.table.name == "transactions":
                needed.update(table.numbers, table.codes)
                if "repeated" in table.codes:
                    needed.add("merchant")
                if not AT_MERCHANTS.isdisjoint((*table.numbers, *table.codes)):
                    needed |= {"category", "merchant", "type"}
            elif table.table.name == "streams":
                needed |= FIELDS
            else:
                if {"balance", *FORECASTS} & {*table.numbers}:
                    needed.add("balance")
                if FORECASTS & {*table.numbers, *table.codes}:
                    needed |= FIELDS
        return frozenset(f.name for f in TRANSACTIONS if f.name in needed and not f.derived)


def make_plan(ruleset: Ruleset, as_of: Date, schema: Schema, before: Plan | None = None) -> Plan:
    """Return the plan of a ruleset for a date, over facts of a schema.

    Args:
        ruleset: The rules.
        as_of: The date that `today()` gives.
        schema: Schema of the facts.
        before: An earlier plan, whose unchanged parts are reused.
    """
    columns = None if before is None else before.columns
    rules = tuple(on_day(checked, as_of) for checked in ruleset.rules)
    return Plan(
        ruleset,
        as_of,
        tuple(PlannedRule(checked, as_of) for checked in rules),
        column_plan(rules, model_of(schema, as_of), as_of, columns),
    )


def on_day(checked: CheckedRule, as_of: Date) -> CheckedRule:
    """Return a rule as it is on a day: nobody qualifies unless it and its approval are valid."""
    if checked.rule.in_force(as_of):
        return checked
    never = syntax.Literal(Span(0, 0), value=False)  # no clause of the text, so explain shows none
    return dataclasses.replace(
        checked,
        rule=msgspec.structs.replace(checked.rule, minimum_history_days=0),
        trees={**checked.trees, ("when",): never},
    )
