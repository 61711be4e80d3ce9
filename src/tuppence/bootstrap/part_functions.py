"""Composes nights by parts on AWS: the dependencies of their functions, from their settings."""

import functools
from typing import NamedTuple

from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.objects.nights import AddressPart
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.bankdata.masking import Tokens
from tuppence.bootstrap.aws import Settings, s3_rulesets, settings
from tuppence.bootstrap.results_table import ResultsTable
from tuppence.errors import UserError
from tuppence.usecases.part_night import DoPart


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
