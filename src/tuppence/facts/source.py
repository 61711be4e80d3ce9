"""The port through which facts come."""

from collections.abc import Collection, Sequence
from typing import Protocol

from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema


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
