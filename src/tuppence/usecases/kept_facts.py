"""Facts of all customers, of which the columns that were read stay in memory."""

import itertools
import sys
import threading
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from tuppence.facts.batch import FactBatch, Table
from tuppence.facts.source import FactSource

_REFERENCE: Final = 8
"""Bytes of a place in a list of texts."""


class KeptFacts:
    """Reads partitions, and keeps in memory what it has read as far as a budget allows.

    What does not fit is read each time, so the budget changes the time and not the facts. Several
    threads may read, each another partition.

    Args:
        facts: The facts.
        budget: Maximum number of bytes of columns that are kept.
    """

    def __init__(self, facts: FactSource, budget: int) -> None:
        self._facts = facts
        self._budget = budget
        self._kept: dict[str, FactBatch] = {}
        self._all: set[str] = set()
        self._lock = threading.Lock()
        self.nbytes = 0

    def read(self, partition: str, fields: Collection[str] | None) -> FactBatch:
        """Return the facts of a partition with these fields of transactions; None for all."""
        kept = self._kept.get(partition)
        if kept is None:
            found = self._facts.read(partition, fields)
        elif partition in self._all:
            return kept
        else:
            columns = kept.transactions.columns
            missing = None if fields is None else {*fields} - {*columns}
            if missing is not None and not missing:
                return kept
            found = self._facts.read(partition, missing)
            merged = {**found.transactions.columns, **columns}
            found = replace(found, transactions=Table(kept.transactions.offsets, merged))
        self._keep(partition, found, all_fields=fields is None)
        return found

    def _keep(self, partition: str, batch: FactBatch, *, all_fields: bool) -> None:
        before = self._kept.get(partition)
        more = size_of(batch) - (size_of(before) if before else 0)
        with self._lock:
            if self.nbytes + more > self._budget:
                return
            self.nbytes += more
            self._kept[partition] = batch
            if all_fields:
                self._all.add(partition)


def size_of(batch: FactBatch) -> int:
    """Return the number of bytes of a batch's arrays and texts."""
    tables = (batch.accounts, batch.transactions)
    columns = [*batch.customers.values(), *(c for t in tables for c in t.columns.values())]
    arrays = sum(c.values.nbytes for c in columns) + sum(t.offsets.nbytes for t in tables)
    dictionaries = {id(c.dictionary): c.dictionary for c in columns}.values()
    texts = itertools.chain(batch.customer_ids, *dictionaries)
    return arrays + sum(_REFERENCE + sys.getsizeof(text) for text in texts)
