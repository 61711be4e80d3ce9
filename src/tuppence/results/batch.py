"""The results of many customers, and what of them is new beside what is kept."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.results.packed import Layout, damaged, merge, pack
from tuppence.results.result import CustomerResults, packed

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ResultBatch:
    """The results of some customers, as of one date.

    Attributes:
        customer_ids: In ascending order.
        as_of: In days since 1970-01-01.
        layout: Of all of them.
        data: Their bytes, side by side.
        offsets: Where each customer's begin; one more for the end.
    """

    customer_ids: tuple[str, ...]
    as_of: int
    layout: Layout
    data: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.customer_ids)

    def rows(self) -> Iterator[CustomerResults]:
        """The results customer by customer."""
        return self.chosen(range(len(self)), self.data)

    def chosen(self, customers: Iterable[int], data: Array) -> Iterator[CustomerResults]:
        """The results of some customers, taken from data that is laid out as this batch's."""
        whole, offsets = data.tobytes(), self.offsets.tolist()
        ids, as_of, layout = self.customer_ids, self.as_of, self.layout
        for i in customers:
            yield CustomerResults(ids[i], as_of, layout, whole[offsets[i] : offsets[i + 1]])


class News(NamedTuple):
    """What is new of a batch.

    Attributes:
        rows: What to keep in place of what is kept.
        changed: For each customer how many results differ from what is kept.
        qualified: How many are qualified.
        unknown: How many are unknown.
    """

    rows: list[CustomerResults]
    changed: Array
    qualified: Array
    unknown: Array


def news(before: Mapping[str, CustomerResults], fresh: ResultBatch) -> News:
    """Put a batch beside what is kept of its customers.

    A state that has not changed keeps the day since which it has been so.

    Raises:
        UserError: What is kept is of a later date, or damaged.
    """
    previous = [before.get(customer) for customer in fresh.customer_ids]
    by_layout: dict[int, list[int]] = {}
    for i, row in enumerate(previous):
        if row is not None and row.as_of > fresh.as_of:
            kept, now = Date(row.as_of), Date(fresh.as_of)
            message = f"the results kept are as of {kept}, later than {now}"
            raise UserError("results.older", message, "run it into another store")
        by_layout.setdefault(id(None if row is None else row.layout), []).append(i)
    rows: list[CustomerResults] = []
    counts = np.zeros((3, len(fresh)), np.int64)
    for customers in by_layout.values():
        part = fresh if len(customers) == len(fresh) else _part(fresh, customers)
        olds = [row for i in customers if (row := previous[i]) is not None]
        old_layout = olds[0].layout if olds else fresh.layout
        ends = np.cumsum([0, *(len(row.packed) for row in olds)])
        offsets = ends if olds else np.zeros(len(part) + 1, np.int64)
        old_data = np.frombuffer(b"".join(row.packed for row in olds) + b"\0", np.uint8)
        merged = merge(part.layout, part.data, part.offsets, old_layout, old_data, offsets)
        if merged.damaged >= 0:
            raise damaged(part.customer_ids[merged.damaged])
        counts[:, customers] = (merged.changed, merged.qualified, merged.unknown)
        written = (
            np.flatnonzero(merged.changed).tolist()
            if old_layout.ruleset == fresh.layout.ruleset and olds
            else range(len(part))
        )
        rows += part.chosen(written, merged.data)
    return News(rows, *counts)


def _part(batch: ResultBatch, customers: list[int]) -> ResultBatch:
    """The results of some of the customers."""
    sizes = np.diff(batch.offsets)[customers]
    parts = [batch.data[batch.offsets[i] : batch.offsets[i + 1]] for i in customers]
    return ResultBatch(
        tuple(batch.customer_ids[i] for i in customers),
        batch.as_of,
        batch.layout,
        np.concatenate(parts),
        np.cumsum([0, *sizes]),
    )


def narrowed(layout: Layout, rows: Mapping[str, CustomerResults]) -> dict[str, CustomerResults]:
    """Return rows without the results by rules of their ruleset that a layout lacks."""
    wanted = {rule for rule, _ in layout.rules}
    narrower: dict[int, Layout] = {}
    found: dict[str, CustomerResults] = {}
    for customer, row in rows.items():
        whole = row.layout
        if id(whole) not in narrower:
            entries = tuple(entry for entry in whole.rules if entry[0] in wanted)
            narrower[id(whole)] = Layout(layout.ruleset, entries)
        narrow = narrower[id(whole)]
        if row.ruleset != layout.ruleset or len(narrow.rules) == len(whole.rules):
            found[customer] = row
        elif narrow.rules:
            kept = pack([packed(result) for result in row.results if result.rule_id in wanted])
            found[customer] = CustomerResults(customer, row.as_of, narrow, kept)
    return found
