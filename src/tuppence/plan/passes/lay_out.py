"""Assigns features to accumulators, and predicates to dimensions, table by table."""

from collections.abc import Sequence

import numpy as np

from tuppence.facts.schema import FieldType
from tuppence.plan.code import Accumulator, Feature
from tuppence.plan.columns import Dimension, TablePlan
from tuppence.plan.instructions import Aggregation, Readout
from tuppence.plan.model import Model, Table
from tuppence.plan.predicates import (
    AttributeComparison,
    Conjunction,
    OpaquePredicate,
    OverflowGuard,
    Predicate,
    Term,
)


def lay_out(features: Sequence[Feature], model: Model) -> tuple[TablePlan, ...]:
    """Plan each table that features read, in the order of the tables' names.

    >>> from tuppence.facts.schema import Schema
    >>> from tuppence.feel.values import Date
    >>> from tuppence.plan.model import model_of
    >>> from tuppence.plan.predicates import OneOf
    >>> food = frozenset({frozenset({("category", OneOf(frozenset({"food"})))})})
    >>> counted = Accumulator("transactions", food, Aggregation.COUNT_AND_SUM)
    >>> (table,) = lay_out([Feature(counted, Readout.COUNT)], model_of(Schema(), Date(20_634)))
    >>> [dimension.field for dimension in table.dimensions]  # a sum may not overflow
    ['amount', 'category']
    """
    by_table: dict[str, list[Feature]] = {}
    for feature in features:
        by_table.setdefault(feature.accumulator.table, []).append(feature)
    known = {c.table.name: c.table for c in model.collections.values()}
    plans: list[TablePlan] = []
    first = 0
    for name in sorted(by_table):
        plans.append(_table_plan(known[name], by_table[name], first))
        first += len(plans[-1].features)
    return tuple(plans)


def _table_plan(table: Table, features: Sequence[Feature], first: int) -> TablePlan:
    """Plan one table, whose features are read into registers from `first` on."""
    wanted = dict.fromkeys(feature.accumulator for feature in features)
    summed = _summed_columns(table, features)
    guard = Accumulator(
        table.name,
        frozenset(frozenset({(name, OverflowGuard())}) for name in summed),
        Aggregation.COUNT_AND_SUM,
    )
    if summed:
        features = [*features, Feature(guard, Readout.COUNT)]
        wanted[guard] = None
    accumulators = sorted(wanted, key=lambda one: one.aggregation != Aggregation.COUNT_AND_SUM)
    terms = [(term, i) for i, one in enumerate(accumulators) for term in one.where]
    dimensions = _dimensions(table, [term for term, _ in terms])
    codes = {d.field for d in dimensions if not _is_number(table, d.field)}
    codes |= {f.column for f in features if f.readout in {Readout.CODE_AT, Readout.TEXT_AT}}
    codes |= {one.column for one in accumulators if one.aggregation == Aggregation.DISTINCT}
    numbers = {*summed, *(d.field for d in dimensions if _is_number(table, d.field))}
    return TablePlan(
        table,
        tuple(accumulators),
        sum(one.aggregation == Aggregation.COUNT_AND_SUM for one in accumulators),
        np.array([i for _, i in terms], np.int64),
        tuple(dimensions),
        tuple(sorted(numbers)),
        tuple(sorted(codes)),
        tuple(features),
        (first + len(features) - 1,) if summed else (),
    )


def _summed_columns(table: Table, features: Sequence[Feature]) -> list[str]:
    """Return the number columns whose values enter the program."""
    names = {f.column for f in features if f.readout == Readout.NUMBER_AT}
    for feature in features:
        kept = feature.accumulator
        is_plain = kept.aggregation == Aggregation.COUNT_AND_SUM
        names.add(table.main if is_plain else kept.column)
    return sorted(name for name in names if name and _is_number(table, name))


def _dimensions(table: Table, terms: Sequence[Term]) -> list[Dimension]:
    """Return a dimension for each field, or comparison of a field, that terms test."""
    dimensions: list[Dimension] = []
    for name in sorted({name for term in terms for name, _ in term}):
        predicates: dict[Predicate, int] = {}
        of_term = np.full(len(terms), -1, np.int64)
        for t, term in enumerate(terms):
            for asked, predicate in term:
                if asked == name:
                    of_term[t] = predicates.setdefault(predicate, len(predicates))
        one = next(iter(predicates))
        relative = one if isinstance(one, AttributeComparison) else None
        field = relative.field if relative else name
        by_value = _is_number(table, field) and any(map(_needs_value, predicates))
        dimensions.append(Dimension(field, relative, by_value, tuple(predicates), of_term))
    return dimensions


def _needs_value(predicate: Predicate) -> bool:
    """Return whether only the interpreter can decide a predicate, value by value."""
    parts = predicate.parts if isinstance(predicate, Conjunction) else (predicate,)
    return any(isinstance(part, OpaquePredicate) for part in parts)


def _is_number(table: Table, name: str) -> bool:
    return table.fields[name].kind in {FieldType.MONEY, FieldType.NUMBER}
