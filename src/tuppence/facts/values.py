"""Converts stored values to FEEL values."""

from decimal import Decimal
from typing import Any

from tuppence.facts.batch import NULLS, Column
from tuppence.facts.schema import FieldType
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.values import Date


def feel_values(column: Column, count: int, digits: int) -> list[Any]:
    """Return the FEEL values of a column's first rows.

    Args:
        column: The column.
        count: Number of rows.
        digits: Digits of money after the decimal point.
    """
    raw = column.values[:count].tolist()
    null = NULLS[column.kind]
    match column.kind:
        case FieldType.TEXT:
            dictionary = column.dictionary
            return [dictionary[code] for code in raw]
        case FieldType.DATE:
            return [None if day == null else Date(day) for day in raw]
        case FieldType.BOOLEAN:
            return [None if flag == null else flag == 1 for flag in raw]
        case FieldType.MONEY | FieldType.NUMBER:
            unit = Decimal(1).scaleb(
                -(digits if column.kind is FieldType.MONEY else column.decimals)
            )
            multiply = CONTEXT.multiply
            return [None if n == null else multiply(Decimal(n), unit) for n in raw]
