"""Composes stores at addresses, and who does the parts of runs over them."""

from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.bootstrap.database import is_database
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import tokens_of_services
from tuppence.bootstrap.store import StoreFolder, open_store
from tuppence.facts.consent import Use

if TYPE_CHECKING:
    from tuppence.adapters.objects.erasing import ErasableAddress, PersonalAddress
    from tuppence.adapters.objects.nights import OpenResults
    from tuppence.adapters.objects.store_address import (
        StoreAddress as StoreAddress,  # noqa: PLC0414 - commands name the type
    )
    from tuppence.usecases.part_night import NightAtAddress


def is_address(store: str) -> bool:
    """Return whether a store is named by an address, not by a folder."""
    return "://" in store


def store_at(address: str) -> "StoreAddress":
    """Return the store at an address, without checking whether it exists."""
    with extra("cluster"):
        from tuppence.adapters.objects.store_address import StoreAddress  # noqa: PLC0415

    return StoreAddress(address, tokens_of_services(None, address))


def open_any_store(store: str) -> "StoreFolder | StoreAddress":
    """Return the store in a folder or at an address, without checking whether it exists."""
    return store_at(store) if is_address(store) else open_store(Path(store))


def erasable_address(address: str, customer: str, *, abandon: bool) -> "ErasableAddress":
    """Return the access to a customer's data at an address, to erase it.

    Args:
        address: The address of the store.
        customer: The customer.
        abandon: Whether to give up a run that is not finished.
    """
    with extra("cluster"):
        from tuppence.adapters.objects.erasing import ErasableAddress  # noqa: PLC0415
        from tuppence.adapters.objects.nights import abandon_night  # noqa: PLC0415
        from tuppence.adapters.objects.objects import Objects  # noqa: PLC0415
        from tuppence.adapters.objects.store_address import StoreAddress  # noqa: PLC0415

    store, versions = StoreAddress(address, tokens_of_services(None, customer)), None
    if address.startswith("s3://"):
        with extra("aws"):
            from tuppence.adapters.aws.bucket_versions import BucketVersions  # noqa: PLC0415
            from tuppence.adapters.aws.clients import client  # noqa: PLC0415

        versions = BucketVersions(client("s3", seconds=60.0), address)
    objects = Objects(address)
    if abandon:
        abandon_night(objects)
    return ErasableAddress(store, objects, versions)


def personal_address(address: str, customer: str) -> "PersonalAddress":
    """Return the access to a customer's data at an address, to read it."""
    with extra("cluster"):
        from tuppence.adapters.objects.erasing import PersonalAddress  # noqa: PLC0415
        from tuppence.adapters.objects.store_address import StoreAddress  # noqa: PLC0415

    return PersonalAddress(StoreAddress(address, tokens_of_services(None, customer)))


def night_at_address(
    store: "StoreAddress", use: Use, on: str, threads: int, results: str = ""
) -> "NightAtAddress":
    """Return the dependencies of a run over a store at an address.

    Args:
        store: The store.
        use: The intended use of the facts.
        on: The address of a cluster that does the work; empty for threads here.
        threads: Number of these threads.
        results: The results to which each part writes what is new, too: in a table, such as
            dynamodb://table, or in a database, such as postgresql://host; empty for none.
    """
    from tuppence.adapters.part_threads import PartThreads  # noqa: PLC0415 - for one command
    from tuppence.usecases.part_night import NightAtAddress  # noqa: PLC0415 - loads the compiler

    nights = store.nights(use, _further(results, str(store)) if results else None)
    if not on:
        return NightAtAddress(*nights, PartThreads(threads))
    with extra("cluster"):
        from tuppence.adapters.dask_cluster import DaskCluster  # noqa: PLC0415

    return NightAtAddress(*nights, DaskCluster(on))


def _further(results: str, store: str) -> "OpenResults":
    """Return what opens the results beside those of a store at an address."""
    if is_database(results):
        with extra("database"):
            from tuppence.bootstrap.results_database import results_database  # noqa: PLC0415

        return results_database(results)
    with extra("aws"):
        from tuppence.bootstrap.results_table import results_table  # noqa: PLC0415

    return results_table(results, store)
