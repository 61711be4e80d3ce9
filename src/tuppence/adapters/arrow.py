"""Columns of facts from Arrow streams, by nanoarrow and numpy."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import nanoarrow
import numpy as np

from tuppence.facts.batch import DTYPES, NULLS, Array, Column
from tuppence.facts.schema import Field, FieldType
from tuppence.facts.text_codes import coded_texts


class _Chunk(NamedTuple):
    """The values of one chunk of a column, copied: the chunk's memory is freed after it.

    Attributes:
        is_null: Whether each value is null.
        values: The values; of texts, the first byte of each and the end of the last.
        data: The bytes of texts.
    """

    is_null: Array
    values: Array
    data: Array


def arrow_columns(
    stream: "nanoarrow.ArrayStream", fields: Mapping[str, Field]
) -> dict[str, Column]:
    """Return those columns of a stream that are fields; the stream's others are skipped.

    Raises:
        TypeError: A column has another type than its field.
    """
    columns = {
        place: fields[column.name]
        for place, column in enumerate(stream.schema.fields)
        if column.name in fields
    }
    for place, field in columns.items():
        found = stream.schema.field(place).type.name
        if found not in _TYPES[field.kind]:
            message = f"the column {field.name} is of type {found}"
            raise TypeError(message)
    parts: dict[str, list[_Chunk]] = {field.name: [] for field in columns.values()}
    for chunk in stream.iter_chunks():
        for view in chunk.iter_chunk_views():
            for place, field in columns.items():
                parts[field.name].append(_part(view.child(place), field))
    return {field.name: _column(parts[field.name], field) for field in columns.values()}


_WHOLE: Final = frozenset({"INT16", "INT32", "INT64"})
_TYPES: Final = {
    FieldType.MONEY: _WHOLE,
    FieldType.NUMBER: _WHOLE,
    FieldType.DATE: _WHOLE,
    FieldType.TEXT: frozenset({"STRING", "LARGE_STRING"}),
    FieldType.BOOLEAN: frozenset({"BOOL"}),
}


def joined(parts: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return tables of the same columns as one."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(columns: Sequence[Column]) -> Column:
    """Return columns of one field as one."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if first.kind is not FieldType.TEXT:
        values = np.concatenate([column.values for column in columns])
        return Column(first.kind, values, decimals=first.decimals)
    numbers: dict[str | None, int] = {None: 0}
    codes = [
        np.array([numbers.setdefault(text, len(numbers)) for text in column.dictionary], np.uint32)
        for column in columns
    ]
    parts = zip(codes, columns, strict=True)
    values = np.concatenate([of_code[column.values] for of_code, column in parts])
    return Column(first.kind, values, tuple(numbers), first.decimals)


def _part(view: Any, field: Field) -> _Chunk:
    count = len(view)
    none: Array = np.zeros(0, np.uint8)
    is_null = np.zeros(count, bool)
    if view.null_count != 0 and view.buffer(0).size_bytes:
        is_null = _bits(view.buffer(0), view.offset, count) == 0
    if field.kind is FieldType.BOOLEAN:
        return _Chunk(is_null, _bits(view.buffer(1), view.offset, count), none)
    values = np.asarray(view.buffer(1))
    if field.kind is not FieldType.TEXT:
        kind = DTYPES[field.kind]
        return _Chunk(is_null, values[view.offset : view.offset + count].astype(kind), none)
    ends = values[view.offset : view.offset + count + 1].astype(np.int64)
    if not count:
        return _Chunk(is_null, np.zeros(1, np.int64), none)
    data = np.frombuffer(view.buffer(2), np.uint8)[ends[0] : ends[-1]]
    return _Chunk(is_null, ends - ends[0], data.copy())


def _column(parts: Sequence[_Chunk], field: Field) -> Column:
    is_null = np.concatenate([np.zeros(0, bool), *(part.is_null for part in parts)])
    if field.kind is not FieldType.TEXT:
        none: Array = np.zeros(0, DTYPES[field.kind])
        values = np.concatenate([none, *(part.values for part in parts)])
        values[is_null] = NULLS[field.kind]
        return Column(field.kind, values, decimals=field.decimals)
    offsets, end = [np.zeros(1, np.int64)], 0
    for part in parts:
        offsets.append(part.values[1:] + end)
        end += int(part.values[-1])
    data = np.concatenate([np.zeros(0, np.uint8), *(part.data for part in parts)])
    return coded_texts(data, np.concatenate(offsets), is_null, field.decimals)


def _bits(buffer: Any, first: int, count: int) -> Array:
    """Return some bits of a buffer as bytes of 0 and 1."""
    packed: Array = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return packed[first : first + count]
