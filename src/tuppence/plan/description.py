"""Describes a plan in words: what is gathered, which rules share it, what it costs."""

from collections import Counter
from decimal import Decimal
from typing import Final

from tuppence.facts.schema import FieldType
from tuppence.feel import feel_text
from tuppence.feel.values import Date
from tuppence.plan.code import Feature
from tuppence.plan.columns import ColumnPlan, ColumnRule, TablePlan
from tuppence.plan.instructions import Aggregation, Readout
from tuppence.plan.predicates import (
    EVERY_RELATION,
    GREATER,
    INCOMPARABLE,
    LESS,
    SAME,
    AttributeComparison,
    Interval,
    IntervalSet,
    OneOf,
    OpaquePredicate,
    OverflowGuard,
    Predicate,
    RowFilter,
)

INSTRUCTION: Final = 0.0007
FEATURE: Final = 0.03
CONTEXT: Final = 900.0
"""Microseconds a customer, measured with 200 transactions on one core of a server: an instruction,
a feature with its share of the pass over the rows, and a customer's facts for the interpreter. Good
enough to tell expensive rules from cheap ones, not to predict times."""


def cost(plan: ColumnPlan, rule: ColumnRule) -> float:
    """Return about how many microseconds a rule takes for a customer.

    The cost of a shared feature is divided among the rules that read it. A condition that does not
    fit columns entirely counts as if the rest were interpreted for everybody.
    """
    users = Counter(feature for one in plan.rules for feature in one.features)
    gathered = sum(FEATURE / users[feature] for feature in rule.features)
    open_conditions = any(refusal.place == "when" for refusal in rule.refusals)
    interpreted = CONTEXT if open_conditions else 0.0
    return interpreted + rule.instructions * INSTRUCTION + gathered


def pass_summaries(plan: ColumnPlan) -> list[tuple[str, str]]:
    """Return the name of each pass, and a sentence about its outcome."""
    steps = sum(len(one.code.steps) for one in plan.lowered)
    inputs, program = plan.inputs, plan.program
    attributes = len(inputs.numbers) + len(inputs.conditions)
    accumulators = sum(len(table.accumulators) for table in plan.tables)
    predicates = sum(len(d.predicates) for table in plan.tables for d in table.dimensions)
    dimensions = sum(len(table.dimensions) for table in plan.tables)
    return [
        ("lower", f"{steps:,} steps; equal steps of a rule are one"),
        (
            "share",
            f"{len(inputs.features):,} features, {inputs.uses:,} uses; {attributes:,} fields",
        ),
        (
            "lay out",
            f"{accumulators:,} accumulators; {predicates:,} predicates on {dimensions:,} fields",
        ),
        ("emit", f"{len(program.code):,} instructions over {program.registers:,} registers"),
    ]


def feature_text(plan: TablePlan, feature: Feature) -> str:
    """Describe a feature in words."""
    kept = feature.accumulator
    rows = f"{plan.table.name} where {filter_text(plan, kept.where)}"
    names: dict[Readout, str] = {
        Readout.COUNT: "number of",
        Readout.SUM: f"sum of {kept.column or plan.table.main} of",
        Readout.TWICE_MEDIAN: f"twice the median {kept.column} of",
        Readout.DISTINCT_VALUES: f"number of different {kept.column} of",
    }
    if kept.aggregation == Aggregation.DISTINCT:
        return f"number of different {kept.column} of {rows}"
    if feature.readout in names:
        return f"{names[feature.readout]} {rows}"
    place = {
        Aggregation.FIRST: "the first",
        Aggregation.LAST: "the last",
        Aggregation.ARGMIN: f"least {kept.column} of the",
        Aggregation.ARGMAX: f"greatest {kept.column} of the",
    }[kept.aggregation]
    if place.endswith("of the") and feature.column == kept.column:
        return f"{place.removesuffix(' of the')} of {rows}"
    number = f", {feature.position + 1} from there," if feature.position else ""
    return f"{feature.column} of {place}{number} {rows}"


def filter_text(plan: TablePlan, where: RowFilter) -> str:
    """Describe a filter in words."""
    terms = sorted(
        " and ".join(sorted(_predicate_text(plan, name, predicate) for name, predicate in term))
        for term in where
    )
    if terms == [""]:
        return "anything"
    return " or ".join(f"({term})" if len(terms) > 1 else term for term in terms) or "nothing"


def _predicate_text(plan: TablePlan, name: str, predicate: Predicate) -> str:
    match predicate:
        case IntervalSet():
            is_date = name in plan.table.fields and plan.table.fields[name].kind is FieldType.DATE
            parts = [_interval_text(name, interval, is_date) for interval in predicate.intervals]
            parts += [f"{name} is null"] if predicate.null else []
            return f"{name} is not null" if parts == [name] else " or ".join(parts)
        case OneOf():
            values = ", ".join(sorted(map(_value_text, predicate.values)))
            one = len(predicate.values) == 1
            if one and values in {"true", "false"} and not predicate.others:
                return name if values == "true" else f"not {name}"
            symbol = (
                ("is not" if one else "not in") if predicate.others else ("is" if one else "in")
            )
            return f"{name} {symbol} {values}"
        case OpaquePredicate():
            outcomes = " or ".join(sorted(map(_value_text, predicate.accept)))
            return f"a condition on {name} is {outcomes}"
        case AttributeComparison():
            if predicate.accept == EVERY_RELATION - {SAME}:
                return f"{predicate.field} is not {'.'.join(predicate.path)}"
            signs = {LESS: "below", SAME: "the same as", GREATER: "above", INCOMPARABLE: "unlike"}
            words = " or ".join(signs[sign] for sign in sorted(predicate.accept))
            return f"{predicate.field} {words} {'.'.join(predicate.path)}"
        case OverflowGuard():
            return f"{name} too large for a float"
    return " and ".join(sorted(_predicate_text(plan, name, part) for part in predicate.parts))


def _interval_text(name: str, interval: Interval, is_date: bool) -> str:
    low, low_closed, high, high_closed = interval
    if low is not None and low == high:
        return f"{name} = {_number_text(low, is_date)}"
    start = "" if low is None else f"{_number_text(low, is_date)} {'<=' if low_closed else '<'} "
    end = "" if high is None else f" {'<=' if high_closed else '<'} {_number_text(high, is_date)}"
    return f"{start}{name}{end}"


def _number_text(number: Decimal, is_date: bool) -> str:
    return str(Date(int(number))) if is_date else feel_text(number)


def _value_text(value: str | bool | None) -> str:
    return f'"{value}"' if isinstance(value, str) else feel_text(value)
