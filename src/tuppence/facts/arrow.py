"""Columns of facts from Arrow streams, by numpy alone."""

from collections.abc import Mapping
from typing import Any

import nanoarrow
import numpy as np

from tuppence.facts.batch import DTYPES, NULLS, Array, Column
from tuppence.facts.schema import Field, FieldType
from tuppence.facts.text_codes import coded_texts


def arrow_columns(
    stream: "nanoarrow.ArrayStream", fields: Mapping[str, Field]
) -> dict[str, Column]:
    """Return those columns of a stream that are fields; the stream's others are skipped."""
    names = [field.name for field in stream.schema.fields]
    parts: dict[str, list[Any]] = {name: [] for name in names if name in fields}
    for chunk in stream.iter_chunks():
        (view,) = chunk.iter_chunk_views()
        for name, child in zip(names, view.children, strict=True):
            if name in parts:
                parts[name].append(child)
    return {name: _column(views, fields[name]) for name, views in parts.items()}


def _column(views: list[Any], field: Field) -> Column:
    is_null = np.concatenate([np.zeros(0, bool), *map(_nulls, views)])
    if field.kind is FieldType.TEXT:
        return _texts(views, is_null, field)
    kind = DTYPES[field.kind]
    if field.kind is FieldType.BOOLEAN:
        found = [_bits(view.buffer(1), view.offset, len(view)) for view in views]
    else:
        found = [
            np.asarray(view.buffer(1))[view.offset : view.offset + len(view)] for view in views
        ]
    values = np.concatenate([np.zeros(0, kind), *(one.astype(kind) for one in found)])
    values[is_null] = NULLS[field.kind]
    return Column(field.kind, values, decimals=field.decimals)


def _texts(views: list[Any], is_null: Array, field: Field) -> Column:
    """Return the texts of all parts as one column."""
    offsets, data, end = [np.zeros(1, np.int64)], [np.zeros(0, np.uint8)], 0
    for view in views:
        own = np.asarray(view.buffer(1))[view.offset : view.offset + len(view) + 1].astype(np.int64)
        if len(own) < 2:
            continue
        data.append(np.frombuffer(view.buffer(2), np.uint8)[own[0] : own[-1]])
        offsets.append(own[1:] - own[0] + end)
        end = int(offsets[-1][-1])
    return coded_texts(np.concatenate(data), np.concatenate(offsets), is_null, field.decimals)


def _nulls(view: Any) -> Array:
    """Return whether each value is null."""
    if view.null_count == 0 or not view.buffer(0).size_bytes:
        return np.zeros(len(view), bool)
    is_null: Array = _bits(view.buffer(0), view.offset, len(view)) == 0
    return is_null


def _bits(buffer: Any, first: int, count: int) -> Array:
    """Return some bits of a buffer as bytes of 0 and 1."""
    packed: Array = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return packed[first : first + count]
