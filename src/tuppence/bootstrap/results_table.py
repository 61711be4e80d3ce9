"""Composes the table of results to which the parts of a night write what is new."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.objects import Objects
from tuppence.bootstrap.aws import dynamo_results
from tuppence.errors import UserError

if TYPE_CHECKING:
    from tuppence.adapters.aws.results import DynamoResults


class ResultsTable(msgspec.Struct, frozen=True):
    """Opens the results in a table, whose rulesets are those of a store at an address.

    Attributes:
        table: Name of the table.
        store: The address.
    """

    table: str
    store: str

    def __call__(self) -> "DynamoResults":
        """Open them; each thread needs its own."""
        return _opener(self.table, self.store)()


@functools.cache  # with one client in a process
def _opener(table: str, store: str) -> "Callable[[], DynamoResults]":
    return dynamo_results(table, AddressRulesets(Objects(store)).get)


def results_table(where: str, store: str) -> ResultsTable:
    """Return the table at an address such as dynamodb://table.

    Args:
        where: The address of the table.
        store: The address of the store whose results it gets.

    Raises:
        UserError: It is no address of a table.
    """
    name = where.removeprefix("dynamodb://")
    if name == where or not name:
        message = f"{where!r} is no table of results"
        raise UserError(
            "results.address", message, "write it as dynamodb://TABLE, or postgresql://…"
        )
    return ResultsTable(name, store)
