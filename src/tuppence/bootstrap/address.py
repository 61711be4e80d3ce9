"""Composes stores at addresses, and who does the parts of runs over them."""

from typing import TYPE_CHECKING

from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import tokens_of_services
from tuppence.facts.consent import Use

if TYPE_CHECKING:
    from tuppence.adapters.objects.erasing import ErasableAddress
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


def erasable_address(address: str, customer: str) -> "ErasableAddress":
    """Return the access to a customer's data at an address, to erase it."""
    with extra("cluster"):
        from tuppence.adapters.objects.erasing import ErasableAddress  # noqa: PLC0415
        from tuppence.adapters.objects.objects import Objects  # noqa: PLC0415
        from tuppence.adapters.objects.store_address import StoreAddress  # noqa: PLC0415

    store = StoreAddress(address, tokens_of_services(None, customer))
    return ErasableAddress(store, Objects(address))


def night_at_address(store: "StoreAddress", use: Use, on: str, threads: int) -> "NightAtAddress":
    """Return the dependencies of a run over a store at an address.

    Args:
        store: The store.
        use: The intended use of the facts.
        on: The address of a cluster that does the work; empty for threads here.
        threads: Number of these threads.
    """
    from tuppence.adapters.part_threads import PartThreads  # noqa: PLC0415 - for one command
    from tuppence.usecases.part_night import NightAtAddress  # noqa: PLC0415 - loads the compiler

    if not on:
        return NightAtAddress(*store.nights(use), PartThreads(threads))
    with extra("cluster"):
        from tuppence.adapters.dask_cluster import DaskCluster  # noqa: PLC0415

    return NightAtAddress(*store.nights(use), DaskCluster(on))
