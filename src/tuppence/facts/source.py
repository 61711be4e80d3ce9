"""Ports that deliver facts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date


class FactSource(Protocol):
    """Delivers the facts of all customers, in partitions that fit into memory."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    @property
    def digest(self) -> str:
        """The digest of the current facts, which changes whenever they do."""
        ...

    def partitions(self) -> Sequence[tuple[str, int]]:
        """Return the name and the number of customers of each partition, in order."""
        ...

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:
        """Return the facts of one partition.

        Args:
            partition: Name of the partition.
            fields: The fields of transactions that are needed; others may be left out.

        Raises:
            UserError: The partition is damaged.
        """
        ...

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer.

        Raises:
            UserError: The customer does not exist.
        """
        ...


def partition_ranges(
    facts: FactSource, left_out: Collection[str]
) -> Iterator[tuple[str, int, int]]:
    """Yield ranges of customers that cover all of them except those left out.

    Args:
        facts: The facts.
        left_out: Identifiers of customers to leave out.

    Yields:
        The name of a partition, and the positions of the first customer and after the last one.
    """
    for partition, customers in facts.partitions():
        ids = facts.read(partition, ()).customer_ids if left_out else ()
        edges = [-1, *(place for place, name in enumerate(ids) if name in left_out), customers]
        for before, after in pairwise(edges):
            if after > before + 1:
                yield partition, before + 1, after


class CustomerFacts(Protocol):
    """Delivers the facts of given customers, as far as their consents allow."""

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        """Return the facts of those customers who exist and consent to be evaluated as of a date.

        Args:
            customer_ids: Identifiers of the customers.
            as_of: The date.
            fields: The fields of transactions that are needed; others may be left out.

        Raises:
            UserError: The facts are not available now.
        """
        ...

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        """Return those customers who do not exist, because they were erased or never imported.

        Raises:
            UserError: The facts are not available now.
        """
        ...

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Return the next customers who consent, in the order of their identifiers.

        Args:
            after: The identifier after which the page starts.
            as_of: The date of evaluation.
            limit: Maximum number of customers.
        """
        ...


class LoadedFacts:
    """Holds facts in memory. Implements the port FactSource.

    Args:
        schema: Schema of the facts.
        digest: Digest of the facts.
        batches: The partitions by name, in order.
    """

    def __init__(self, schema: Schema, digest: str, batches: Mapping[str, FactBatch]) -> None:
        self.schema = schema
        self.digest = digest
        self._batches = batches

    def partitions(self) -> Sequence[tuple[str, int]]:
        """Return the name and the number of customers of each partition."""
        return [(name, len(batch)) for name, batch in self._batches.items()]

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:  # noqa: ARG002
        """Return the facts of one partition, with all fields."""
        return self._batches[partition]

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer.

        Raises:
            UserError: The customer does not exist.
        """
        for batch in self._batches.values():
            if customer_id in batch.customer_ids:
                index = batch.customer_ids.index(customer_id)
                return batch.slice(index, index + 1)
        message = f"there is no customer {customer_id}"
        raise UserError("facts.unknown-customer", message, "see the customers of the facts")
