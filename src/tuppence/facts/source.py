"""The port through which facts come."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date


class FactSource(Protocol):
    """Facts of all customers, in partitions that fit into memory."""

    @property
    def schema(self) -> Schema:
        """The fields that its facts have."""
        ...

    @property
    def digest(self) -> str:
        """Names the present content: other facts, another digest."""
        ...

    def partitions(self) -> Sequence[tuple[str, int]]:
        """The names of the partitions and how many customers each holds, in order."""
        ...

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:
        """The facts of one partition.

        Args:
            partition: Its name.
            fields: The fields of transactions that are needed; others may be left out.

        Raises:
            UserError: It is damaged.
        """
        ...

    def find(self, customer_id: str) -> FactBatch:
        """The facts of one customer, with the transactions' identifiers.

        Raises:
            UserError: There is no such customer.
        """
        ...


def stretches(facts: FactSource, left_out: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """All customers but those left out, as partitions with the places from which to which."""
    for partition, customers in facts.partitions():
        ids = facts.read(partition, ()).customer_ids if left_out else ()
        edges = [-1, *(place for place, name in enumerate(ids) if name in left_out), customers]
        for before, after in pairwise(edges):
            if after > before + 1:
                yield partition, before + 1, after


class CustomerFacts(Protocol):
    """Facts of customers who have agreed to be evaluated, asked for by their identifiers."""

    def schema(self) -> Schema:
        """The fields that the facts have."""
        ...

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        """The facts of those who exist and have agreed to be evaluated as of a date.

        Args:
            customer_ids: Who are wanted.
            as_of: The date.
            fields: The fields of transactions that are needed; others may be left out.

        Raises:
            UserError: They cannot be had now.
        """
        ...

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        """Return those who do not exist, because they were erased or never came.

        Raises:
            UserError: It cannot be found out now.
        """
        ...

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Those who have agreed, in the order of their identifiers, beginning after one."""
        ...


class LoadedFacts:
    """Facts that are in memory. Implements the port FactSource.

    Args:
        schema: Of the facts.
        digest: Names their content.
        batches: The partitions by name, in order.
    """

    def __init__(self, schema: Schema, digest: str, batches: Mapping[str, FactBatch]) -> None:
        self.schema = schema
        self.digest = digest
        self._batches = batches

    def partitions(self) -> Sequence[tuple[str, int]]:
        """The names of the partitions and how many customers each holds."""
        return [(name, len(batch)) for name, batch in self._batches.items()]

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:  # noqa: ARG002
        """The facts of one partition; all that there are."""
        return self._batches[partition]

    def find(self, customer_id: str) -> FactBatch:
        """The facts of one customer."""
        for batch in self._batches.values():
            if customer_id in batch.customer_ids:
                index = batch.customer_ids.index(customer_id)
                return batch.slice(index, index + 1)
        message = f"there is no customer {customer_id}"
        raise UserError("facts.unknown-customer", message, "see the customers of the facts")
