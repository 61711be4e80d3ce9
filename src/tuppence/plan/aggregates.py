"""Lowers aggregates over lists of rows: counts, sums, extremes, single rows."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tuppence.facts.schema import Field, FieldType
from tuppence.feel import Span, syntax
from tuppence.plan.code import Accumulator, Code, Feature, RegisterType, Source, Value, power_of
from tuppence.plan.instructions import Aggregation, Opcode, Readout
from tuppence.plan.predicates import IntervalSet, OneOf, RowFilter, single_term
from tuppence.plan.rows import RowPlanner, RowSelection, Series
from tuppence.plan.scope import NotColumnar

FIELD_KINDS: Final[Mapping[FieldType, RegisterType]] = {
    FieldType.MONEY: RegisterType.NUMBER,
    FieldType.NUMBER: RegisterType.NUMBER,
    FieldType.DATE: RegisterType.DATE,
    FieldType.TEXT: RegisterType.TEXT,
    FieldType.BOOLEAN: RegisterType.CONDITION,
}


class Aggregates:
    """Adds steps that read features to the code of one rule.

    Args:
        planner: Finds the rows that expressions read; shared by all rules of a plan.
        code: The steps of the rule, which are added to.
    """

    def __init__(self, planner: RowPlanner, code: Code) -> None:
        self.planner = planner
        self.code = code

    def read(self, kept: Accumulator, field: Field, position: int = 0) -> Value:
        """Return the value of a field of a row that an accumulator keeps."""
        kind = FIELD_KINDS[field.kind]
        part = {
            RegisterType.NUMBER: Readout.NUMBER_AT,
            RegisterType.DATE: Readout.CODE_AT,
            RegisterType.TEXT: Readout.TEXT_AT,
            RegisterType.CONDITION: Readout.CODE_AT,
        }[kind]
        feature = Feature(kept, part, field.name, position)
        if kind is not RegisterType.CONDITION:
            found = self.code.add(Source.FEATURE, kind=kind, power=power_of(field), detail=feature)
            return self.code.in_main_unit(found, field)
        if field.nullable:
            raise NotColumnar("a boolean that can be null", Span(0, 0))
        flag = self.code.add(Source.FEATURE, detail=feature)
        return self.code.less(self.code.constant(0), flag)

    def may_be_null(self, rows: RowSelection, name: str) -> bool:
        """Return whether a row that passes the filter can have null in a field."""
        field = rows.collection.table.fields[name]
        return field.nullable and bool(self.null_rows(rows, name))

    def null_rows(self, rows: RowSelection, name: str) -> RowFilter:
        """Return the filter for the rows that also have null in a field."""
        ordered = FIELD_KINDS[rows.collection.table.fields[name].kind] in {
            RegisterType.NUMBER,
            RegisterType.DATE,
        }
        null = IntervalSet((), null=True) if ordered else OneOf(frozenset({None}))
        return self.planner.conjoin(
            rows.where, single_term(name, null), syntax.Name(Span(0, 0), name)
        )

    def counted(self, table: str, where: RowFilter) -> Value:
        """Return the number of rows that pass a filter."""
        if not where:
            return self.code.constant(0)
        return self.code.add(
            Source.FEATURE,
            detail=Feature(Accumulator(table, where, Aggregation.COUNT_AND_SUM), Readout.COUNT),
        )

    def aggregate(self, name: str, series: Series, extras: list[Value], node: syntax.Node) -> Value:
        """Return the result of an aggregate function over a list.

        Args:
            name: Name of the function.
            series: The list.
            extras: Values of the elements that follow the rows.
            node: The call, for the error.

        Raises:
            NotColumnar: The aggregate does not fit columns.
        """
        rows = series.rows
        table = rows.collection.table
        count = self.counted(table.name, rows.where)
        if name == "count":
            if series.distinct:
                return self.distinct(series, node)
            return self.code.added([count, self.code.constant(len(series.extras))])
        if series.distinct or (extras and name not in {"sum", "mean"}):
            raise NotColumnar(f"{name} of this list cannot be computed in columns", node.span)
        if not series.scale:
            return self.of_constant(name, series, count, extras)
        field = table.fields.get(series.field)
        if field is None:
            raise NotColumnar(f"{name} of whole rows", node.span)
        if field.kind is FieldType.DATE and name in {"min", "max"} and field.name == table.order:
            operation = Aggregation.FIRST if name == "min" else Aggregation.LAST
            return self.read(Accumulator(table.name, rows.where, operation), field)
        if field.kind not in {FieldType.MONEY, FieldType.NUMBER}:
            raise NotColumnar(f"{name} of a field that is no number", node.span)
        found = self.of_numbers(name, series, field, count, extras)
        if not self.may_be_null(rows, field.name):
            return found
        missing = self.counted(table.name, self.null_rows(rows, field.name))
        some = self.code.less(self.code.constant(0), missing)
        return self.code.select(some, self.code.null(), found)

    def of_numbers(
        self, name: str, series: Series, field: Field, count: Value, extras: list[Value]
    ) -> Value:
        """Return the sum, mean, extreme or median of a number field."""
        rows, table = series.rows, series.rows.collection.table
        power = power_of(field)
        if name in {"min", "max"}:
            greatest = (name == "max") == (series.scale > 0)
            operation = Aggregation.ARGMAX if greatest else Aggregation.ARGMIN
            kept = Accumulator(table.name, rows.where, operation, field.name)
            return self.on_line(self.read(kept, field), series)
        if name == "median":
            kept = Accumulator(table.name, rows.where, Aggregation.VALUES, field.name)
            twice = self.code.add(
                Source.FEATURE, power=power, detail=Feature(kept, Readout.TWICE_MEDIAN, field.name)
            )
            middle = self.code.add(Opcode.DIVIDE, twice, self.code.constant(2), power=power)
            return self.on_line(self.code.in_main_unit(middle, field), series)
        plain = field.name == table.main
        kept = Accumulator(
            table.name,
            rows.where,
            Aggregation.COUNT_AND_SUM if plain else Aggregation.SUM,
            "" if plain else field.name,
        )
        total = self.code.add(Source.FEATURE, power=power, detail=Feature(kept, Readout.SUM))
        total = self.code.in_main_unit(total, field)
        if series.scale != 1:
            total = self.scaled(total, series.scale)
        if series.offset:
            shift = self.code.add(Opcode.MULTIPLY, count, self.code.constant(series.offset))
            total = self.code.added([total, shift])
        if extras:
            total = self.code.added([total, *extras])
            count = self.code.added([count, self.code.constant(len(extras))])
        if name == "mean":  # the mean of no rows divides by zero, which gives null
            return self.code.divided(total, count)
        return total if extras else self.unless_empty(count, total)

    def scaled(self, value: Value, scale: Decimal) -> Value:
        """Return a number times a constant."""
        if scale == -1:
            return self.code.same_kind(
                Opcode.SUBTRACT, self.code.constant(0, power=value.power), value
            )
        return self.code.add(Opcode.MULTIPLY, value, self.code.constant(scale), power=value.power)

    def on_line(self, value: Value, series: Series) -> Value:
        """Return an extreme or a median, scaled and shifted as the elements of the series are."""
        found = value if series.scale == 1 else self.scaled(value, series.scale)
        if not series.offset:
            return found
        return self.code.added([found, self.code.constant(series.offset)])

    def unless_empty(self, count: Value, value: Value) -> Value:
        """Return a value, or null where nothing was counted."""
        some = self.code.less(self.code.constant(0), count)
        return self.code.select(some, value, self.code.null())

    def of_constant(self, name: str, series: Series, count: Value, extras: list[Value]) -> Value:
        """Return an aggregate of a list that has the same number in every place."""
        each = self.code.constant(series.offset)
        if name in {"min", "max", "median"}:
            return self.unless_empty(count, each)
        total = self.code.add(Opcode.MULTIPLY, count, each)
        if extras:
            total = self.code.added([total, *extras])
            count = self.code.added([count, self.code.constant(len(extras))])
        if name == "mean":
            return self.code.divided(total, count)
        return total if extras else self.unless_empty(count, total)

    def distinct(self, series: Series, node: syntax.Node) -> Value:
        """Return the number of distinct values of a field; null counts as one."""
        rows, table = series.rows, series.rows.collection.table
        field = table.fields.get(series.field)
        if field is None or not series.scale:
            raise NotColumnar("distinct rows cannot be counted in columns", node.span)
        numeric = FIELD_KINDS[field.kind] is RegisterType.NUMBER
        operation = Aggregation.VALUES if numeric else Aggregation.DISTINCT
        kept = Accumulator(table.name, rows.where, operation, field.name)
        part = Readout.DISTINCT_VALUES if numeric else Readout.COUNT
        return self.code.add(Source.FEATURE, detail=Feature(kept, part, field.name))
