"""Packs the results of all rules for one customer into a few hundred bytes.

The format is little-endian, without gaps, for the R rules of a layout in their order:

    R x 1 byte      state: 0 not qualified, 1 qualified, 2 unknown, 3 unknown, and qualified before
    R x 2 bytes     day since which the state has held, in days since 1970-01-01; of state 3, the
                    day since which it qualified
    and for each qualified rule
        4 bytes     score in ten-thousandths, signed; -1 for null
        for each of its values
            1 byte  kind
            and     number: 8 bytes, in ten-thousandths; date: 8 bytes, days; boolean: 8 bytes, 0
                    or 1; text, or any other value as a FEEL literal: 4 bytes length, then UTF-8

One module because the loops that write bytes and those that read them share the format above;
`columns` reads states and scores without values.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop, part_of_loops
from tuppence.errors import UserError
from tuppence.feel import evaluate, feel_literal
from tuppence.feel.values import Date

Array = npt.NDArray[Any]

MISSING: Final = 0
NUMBER: Final = 1
TEXT: Final = 2
DATE: Final = 3
BOOLEAN: Final = 4
LITERAL: Final = 5

NOT_QUALIFIED: Final = 0
QUALIFIED: Final = 1
UNKNOWN: Final = 2
SUSPENDED: Final = 3
"""The state of a stored result that is unknown, and was qualified before; merging makes it."""

LAST_DAY: Final = 65_535
"""2149-06-06, the last day that fits into two bytes."""


class Layout(msgspec.Struct, frozen=True, dict=True):
    """The meaning of packed results.

    Attributes:
        ruleset: Digest of the ruleset.
        rules: Identifier and names of values of each rule.
    """

    ruleset: str
    rules: tuple[tuple[str, tuple[str, ...]], ...]

    @functools.cached_property
    def first_values(self) -> Array:
        """The index of each rule's first value among all values, and the number of all values."""
        return np.cumsum([0, *(len(names) for _, names in self.rules)])


class Packed(NamedTuple):
    """One result to be packed, with the score in ten-thousandths and FEEL values."""

    state: int
    since: int
    score: int | None
    values: tuple[Any, ...]


def check_day(day: int) -> None:
    """Check that a day can be packed.

    Raises:
        UserError: The day is out of range.
    """
    if not 0 <= day <= LAST_DAY:
        message = f"results as of {Date(day)} cannot be stored"
        hint = f"the date of a run must be between 1970-01-01 and {Date(LAST_DAY)}"
        raise UserError("results.date", message, hint)


def unpack(layout: Layout, data: bytes, least: int) -> Iterator[tuple[int, Packed]]:
    """Unpack those results of one customer whose state is not below one, with their places.

    Args:
        layout: The meaning of the bytes.
        data: The bytes.
        least: The least state.

    Raises:
        UserError: The bytes are damaged.
    """
    try:
        yield from _unpack(layout, data, least)
    except (struct.error, IndexError, ValueError) as error:
        raise damaged("") from error


def damaged(customer_id: str) -> UserError:
    """Return the error for results that cannot be unpacked."""
    whose = f" of customer {customer_id}" if customer_id else ""
    hint = "remove the file results.sqlite and run again, to compute all results again"
    return UserError("store.corrupt", f"the stored results{whose} are damaged", hint)


_SCORE: Final = struct.Struct("<i")
_NUMBER: Final = struct.Struct("<q")
_LENGTH: Final = struct.Struct("<I")


def _unpack(layout: Layout, data: bytes, least: int) -> Iterator[tuple[int, Packed]]:
    count = len(layout.rules)
    days = struct.unpack_from(f"<{count}H", data, count)
    place = 3 * count
    for rule, state in enumerate(data[:count]):
        if state < least:
            continue
        if state > SUSPENDED:
            raise ValueError
        if state != QUALIFIED:
            yield rule, _without_values(state, days[rule])
            continue
        names = layout.rules[rule][1]
        (score,) = _SCORE.unpack_from(data, place)
        place += 4
        values: list[Any] = []
        for _ in names:
            value, place = _unpack_value(data, place)
            values.append(value)
        yield rule, Packed(QUALIFIED, days[rule], None if score < 0 else score, tuple(values))
    if place != len(data):
        raise ValueError


@functools.lru_cache(maxsize=10_000)  # most results do not qualify, since one of a few days
def _without_values(state: int, since: int) -> Packed:
    return Packed(state, since, None, ())


def _unpack_value(data: bytes, place: int) -> tuple[Any, int]:
    kind = data[place]
    place += 1
    if kind == MISSING:
        return None, place
    if kind in {TEXT, LITERAL}:
        (length,) = _LENGTH.unpack_from(data, place)
        text = data[place + 4 : place + 4 + length].decode()
        return text if kind == TEXT else evaluate(text), place + 4 + length
    (number,) = _NUMBER.unpack_from(data, place)
    return plain_value(kind, number), place + 8


def plain_value(kind: int, number: int) -> Any:
    """Return the FEEL value of a packed number, date or boolean."""
    if kind == NUMBER:
        whole, rest = divmod(number, 10_000)
        return Decimal(number).scaleb(-4).normalize() if rest else Decimal(whole)
    return Date(number) if kind == DATE else number == 1


def coded(value: Any) -> tuple[int, int, str]:
    """Return the kind, the number and the text by which a rounded FEEL value is packed."""
    match value:
        case None:
            return MISSING, 0, ""
        case bool():
            return BOOLEAN, int(value), ""
        case Decimal() if abs(value) < 10**14:
            return NUMBER, int(value.scaleb(4)), ""
        case str():
            return TEXT, 0, value
        case Date():
            return DATE, value.day, ""
    return LITERAL, 0, feel_literal(value)


def pack(results: Sequence[Packed]) -> bytes:
    """Pack the results of one customer."""
    parts = [
        bytes(result.state for result in results),
        struct.pack(f"<{len(results)}H", *(result.since for result in results)),
    ]
    for result in results:
        if result.state != QUALIFIED:
            continue
        parts.append(struct.pack("<i", -1 if result.score is None else result.score))
        for value in result.values:
            kind, number, text = coded(value)
            encoded = text.encode()
            parts.append(bytes([kind]))
            if kind in {TEXT, LITERAL}:
                parts += [struct.pack("<I", len(encoded)), encoded]
            elif kind != MISSING:
                parts.append(struct.pack("<q", number))
    return b"".join(parts)


# -- many customers at once ------------------------------------------------------------------------


class Grid(NamedTuple):
    """Results of many customers in arrays, by rule or value first, then by customer.

    Attributes:
        states: NOT_QUALIFIED, QUALIFIED or UNKNOWN.
        scores: Scores in ten-thousandths; -1 for null.
        values: Ten-thousandths, days, 0 and 1, or indexes of `texts`.
        kinds: MISSING, NUMBER, TEXT, DATE, BOOLEAN or LITERAL.
        texts: Texts and literals of values.
    """

    states: Array
    scores: Array
    values: Array
    kinds: Array
    texts: Sequence[str]


def pack_all(layout: Layout, grid: Grid, day: int) -> tuple[Array, Array]:
    """Pack the results of many customers.

    Returns:
        The bytes, and the index of each customer's first byte with the number of all bytes.
    """
    first_values = layout.first_values
    encoded = [text.encode() for text in grid.texts]
    lengths = np.array([0, *map(len, encoded)], np.int64)
    starts = np.cumsum(lengths)
    texts = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
    offsets = np.zeros(grid.states.shape[1] + 1, np.int64)
    columns = (grid.states, grid.scores, grid.values, grid.kinds)
    _measure(grid.states, grid.kinds, grid.values, first_values, starts, offsets)
    data = np.zeros(offsets[-1], np.uint8)
    _write(*columns, first_values, texts, starts, day, offsets, data)
    return data, offsets


@loop
def _measure(
    states: Any, kinds: Any, values: Any, first_values: Any, starts: Any, offsets: Any
) -> None:
    rules = len(states)
    for i in range(len(offsets) - 1):
        size = 3 * rules
        for rule in range(rules):
            if states[rule][i] == QUALIFIED:
                size += 4
                for v in range(first_values[rule], first_values[rule + 1]):
                    kind = kinds[v][i]
                    size += 1
                    if kind == TEXT or kind == LITERAL:
                        text = values[v][i]
                        size += 4 + starts[text + 1] - starts[text]
                    elif kind != MISSING:
                        size += 8
        offsets[i + 1] = offsets[i] + size


@loop
def _write(
    states: Any,
    scores: Any,
    values: Any,
    kinds: Any,
    first_values: Any,
    texts: Any,
    starts: Any,
    day: int,
    offsets: Any,
    data: Any,
) -> None:
    rules = len(states)
    for i in range(len(offsets) - 1):
        place = offsets[i]
        for rule in range(rules):
            data[place + rule] = states[rule][i]
            data[place + rules + 2 * rule] = day & 255
            data[place + rules + 2 * rule + 1] = day >> 8
        place += 3 * rules
        for rule in range(rules):
            if states[rule][i] != QUALIFIED:
                continue
            number = int(scores[rule][i])
            for byte in range(4):
                data[place + byte] = (number >> (8 * byte)) & 255
            place += 4
            for v in range(first_values[rule], first_values[rule + 1]):
                kind = kinds[v][i]
                number = int(values[v][i])
                data[place] = kind
                place += 1
                if kind == TEXT or kind == LITERAL:
                    start = starts[number]
                    length = starts[number + 1] - start
                    for byte in range(4):
                        data[place + byte] = (length >> (8 * byte)) & 255
                    place += 4
                    for byte in range(length):
                        data[place + byte] = texts[start + byte]
                    place += length
                elif kind != MISSING:
                    for byte in range(8):
                        data[place + byte] = (number >> (8 * byte)) & 255
                    place += 8


class Merged(NamedTuple):
    """New results merged with old ones.

    Attributes:
        data: The new results; states that have not changed keep the day since which they hold, and
            from qualified to unknown and back the day stays too.
        damaged: Index of the first customer whose old results are damaged, or -1.
        changed: Number of results that differ, including those of removed rules, by customer.
        qualified: Number of qualified results, by customer.
        unknown: Number of unknown results, by customer.
    """

    data: Array
    damaged: int
    changed: Array
    qualified: Array
    unknown: Array


def merge(
    layout: Layout,
    data: Array,
    offsets: Array,
    old_layout: Layout,
    old_data: Array,
    old_offsets: Array,
) -> Merged:
    """Merge new results with old ones of one layout; customers without bytes have no old ones."""
    places = {rule: (place, names) for place, (rule, names) in enumerate(old_layout.rules)}
    before = [places.get(rule, (-1, ())) for rule, _ in layout.rules]
    old_of = np.array([place for place, _ in before], np.int64)
    same_names = np.array(
        [names == old for (_, names), (_, old) in zip(layout.rules, before, strict=True)], np.uint8
    )
    gone = len(places.keys() - {rule for rule, _ in layout.rules})
    count = len(offsets) - 1
    room = np.zeros(2 * len(old_layout.rules) + 1, np.int64)
    arguments = (
        data,
        offsets,
        layout.first_values,
        old_data,
        old_offsets,
        old_layout.first_values,
        old_of,
        same_names,
        gone,
    )
    merged = np.array(data)
    counts = np.zeros((3, count), np.int64)
    broken = np.array([-1], np.int64)
    _merge(*arguments, room, merged, counts, broken)
    return Merged(merged, int(broken[0]), *counts)


@part_of_loops
def skip(data: Any, place: int, end: int, values: int) -> int:
    """Return the index after a score and its values, or -1 if it is past the end."""
    place += 4
    for _ in range(values):
        if place >= end:
            return -1
        kind = data[place]
        place += 1
        if kind == TEXT or kind == LITERAL:
            if place + 4 > end:
                return -1
            length = 0
            for byte in range(4):
                length += int(data[place + byte]) << (8 * byte)
            place += 4 + length
        elif kind != MISSING:
            place += 8
    return place if place <= end else -1


@loop
def _merge(
    data: Any,
    offsets: Any,
    first_values: Any,
    old_data: Any,
    old_offsets: Any,
    old_first_values: Any,
    old_of: Any,
    same_names: Any,
    gone: int,
    room: Any,
    merged: Any,
    counts: Any,
    broken: Any,
) -> None:
    """Write the new rows merged with the old ones.

    One function because a compiled loop walks the old bytes and the new ones side by side.
    """
    rules = len(first_values) - 1
    old_rules = len(old_first_values) - 1
    for i in range(len(offsets) - 1):
        old_start = old_offsets[i]
        known = old_offsets[i + 1] > old_start
        old_end = old_offsets[i + 1]
        place = old_start + 3 * old_rules
        if known and place > old_end:
            place = -1
        for rule in range(old_rules if known else 0):  # the start and end of each payload
            room[2 * rule] = place
            if place >= 0 and old_data[old_start + rule] == QUALIFIED:
                values = old_first_values[rule + 1] - old_first_values[rule]
                place = skip(old_data, place, old_end, values)
            room[2 * rule + 1] = place
        if known and place != old_end:
            broken[0] = i if broken[0] < 0 else broken[0]
            known = False
        start = offsets[i]
        place = start + 3 * rules
        changed = gone if known else 0
        for rule in range(rules):
            state = data[start + rule]
            begin = place
            if state == QUALIFIED:
                counts[1][i] += 1
                values = first_values[rule + 1] - first_values[rule]
                place = skip(data, place, offsets[i + 1], values)
            elif state == UNKNOWN:
                counts[2][i] += 1
            old = old_of[rule]
            if not known or old < 0:
                changed += 1
                continue
            was = old_data[old_start + old]
            if state == UNKNOWN and (was == QUALIFIED or was == SUSPENDED):
                merged[start + rule] = SUSPENDED
            elif was != state and not (state == QUALIFIED and was == SUSPENDED):
                changed += 1
                continue
            for byte in range(2):
                merged[start + rules + 2 * rule + byte] = old_data[
                    old_start + old_rules + 2 * old + byte
                ]
            same = room[2 * old + 1] - room[2 * old] == place - begin
            if state == QUALIFIED and same_names[rule] == 0:
                same = False
            byte = 0
            while same and byte < place - begin:
                same = old_data[room[2 * old] + byte] == data[begin + byte]
                byte += 1
            if not same:
                changed += 1
        counts[0][i] = changed
