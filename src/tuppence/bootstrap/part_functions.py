"""Composes nights by parts on AWS: the dependencies of their functions, from their settings."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.nights import AddressPart
from tuppence.adapters.objects.objects import Objects
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.bankdata.masking import Tokens
from tuppence.bootstrap.aws import Settings, dynamo_results, s3_rulesets, settings
from tuppence.errors import UserError
from tuppence.usecases.part_night import DoPart

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


class NightDependencies(NamedTuple):
    """Dependencies of the function that begins and finishes nights."""

    settings: Settings
    store: StoreAddress
    rulesets: S3Rulesets


@functools.cache
def night_dependencies() -> NightDependencies:
    """Return the dependencies of the function that begins and finishes nights."""
    config = settings()
    rulesets = s3_rulesets(f"s3://{config.rulesets}/rulesets/")
    return NightDependencies(config, StoreAddress(config.store, Tokens(_no_key)), rulesets)


def _no_key() -> bytes:
    """Raise the error that functions, which look up nobody, have no secret for identifiers."""
    raise UserError("privacy.key-missing", "a night needs no secret for identifiers")


def part_of_night(folder: str, version: str) -> DoPart:
    """Return what does a part of a night.

    Args:
        folder: The folder of the run.
        version: The version of this program that began it.
    """
    config = settings()
    further = ResultsTable(config.results, config.store) if config.results else None
    return AddressPart(config.store, folder, version, further)
