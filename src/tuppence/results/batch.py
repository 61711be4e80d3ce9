"""Results of many customers, and their comparison with stored results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.results.packed import QUALIFIED, UNKNOWN, Layout, damaged, merge, pack
from tuppence.results.result import CustomerResults, packed

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ResultBatch:
    """The results of some customers, as of one date.

    Attributes:
        customer_ids: Identifiers of the customers, in ascending order.
        as_of: Date of the evaluation, in days since 1970-01-01.
        layout: Layout of all results.
        data: The packed results of all customers, one after the other.
        offsets: Index of each customer's first byte, and the number of all bytes.
    """

    customer_ids: tuple[str, ...]
    as_of: int
    layout: Layout
    data: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.customer_ids)

    def rows(self) -> Iterator[CustomerResults]:
        """Return the results, customer by customer."""
        return self.chosen(range(len(self)), self.data)

    def chosen(self, customers: Iterable[int], data: Array) -> Iterator[CustomerResults]:
        """Return the results of some customers, from data with the offsets of this batch."""
        whole, offsets = data.tobytes(), self.offsets.tolist()
        ids, as_of, layout = self.customer_ids, self.as_of, self.layout
        for i in customers:
            yield CustomerResults(ids[i], as_of, layout, whole[offsets[i] : offsets[i + 1]])

    def counts(self) -> Iterator[tuple[str, int, int]]:
        """Yield each rule with the numbers of its qualified and its unknown results."""
        places = self.offsets[:-1, np.newaxis] + np.arange(len(self.layout.rules))
        states = self.data[places]
        qualified, unknown = ((states == state).sum(axis=0) for state in (QUALIFIED, UNKNOWN))
        for (rule, _), found, missing in zip(self.layout.rules, qualified, unknown, strict=True):
            yield rule, int(found), int(missing)


class ResultDiff(NamedTuple):
    """The difference between new results and stored ones.

    Attributes:
        rows: Rows to store in place of the stored ones.
        changed: Number of results that differ from the stored ones, by customer.
        qualified: Number of qualified results, by customer.
        unknown: Number of unknown results, by customer.
    """

    rows: list[CustomerResults]
    changed: Array
    qualified: Array
    unknown: Array


def merge_results(before: Mapping[str, CustomerResults], fresh: ResultBatch) -> ResultDiff:
    """Compare a batch of results with the stored ones of its customers.

    A state that has not changed keeps the day since which it has held. From qualified to unknown
    and back the day stays too, since what cannot be told tonight need not have changed.

    Args:
        before: Stored results by customer.
        fresh: The new results.

    Raises:
        UserError: Stored results are of a later date, or damaged.
    """
    previous = [before.get(customer) for customer in fresh.customer_ids]
    by_layout: dict[int, list[int]] = {}
    for i, row in enumerate(previous):
        if row is not None and row.as_of > fresh.as_of:
            stored, now = Date(row.as_of), Date(fresh.as_of)
            message = f"the stored results are as of {stored}, later than {now}"
            raise UserError("results.older", message, "use another store for the run")
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
    return ResultDiff(rows, *counts)


def _part(batch: ResultBatch, customers: list[int]) -> ResultBatch:
    """Return the results of some of the customers."""
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
    """Return rows of a layout's ruleset without the results of rules that the layout lacks."""
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
            data = pack([packed(result) for result in row.results if result.rule_id in wanted])
            found[customer] = CustomerResults(customer, row.as_of, narrow, data)
    return found
