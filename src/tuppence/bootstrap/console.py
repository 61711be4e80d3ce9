"""Composes the console with real adapters."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.feeds import customers_of, store_feeds
from tuppence.bootstrap.learning import learning_of_store
from tuppence.bootstrap.local import StoreFolder, open_store, personal_folder
from tuppence.capacity.cost import task_hour
from tuppence.capacity.environments import ENGINE_TASK
from tuppence.capacity.tables import read_prices

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from tuppence.usecases.erase_customer import ErasureReport


def copy_catalogue(folder: Path) -> bool:
    """Copy the rules of the package to a folder that does not exist; return False if it does."""
    from tuppence.adapters.embedded.rule_folder import copy_catalogue  # noqa: PLC0415

    return copy_catalogue(folder)


def console_service(
    store: Path,
    rules: Path,
    policy: Path | None,
    purposes: frozenset[str],
    budget: int,
    clock: Callable[[], int],
    key: str,
) -> "Starlette":
    """Return the console over a store and a folder of rules.

    Args:
        store: The folder of the store.
        rules: The folder of rule files.
        policy: The file of the feed's policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        budget: Maximum number of bytes of facts that previews keep in memory.
        clock: Returns the time, in milliseconds since 1970-01-01.
        key: The secret in the address of the console.

    Raises:
        UserError: There is no store, the policy is malformed, or a package is missing.
    """
    from tuppence.adapters.embedded.reads_file import ReadsFile  # noqa: PLC0415
    from tuppence.adapters.embedded.rule_folder import RuleFolder  # noqa: PLC0415

    with extra("feed"):
        from tuppence.services.console.app import console_app  # noqa: PLC0415
        from tuppence.services.console.page import ConsoleDependencies, Privacy  # noqa: PLC0415

    held = open_store(store)
    feeds = store_feeds(store, policy, purposes, clock)
    threads = os.cpu_count() or 1
    files, customers = RuleFolder(rules), customers_of(held)
    privacy = Privacy(*_rights(held))
    hour = task_hour(read_prices(), ENGINE_TASK)
    reads, learning = ReadsFile(store, clock), learning_of_store(held)
    deps = ConsoleDependencies(
        held,
        files,
        feeds,
        customers,
        purposes,
        threads,
        budget,
        reads,
        privacy,
        learning.read_log,
        hour,
    )
    return console_app(deps, key)


def _rights(
    store: StoreFolder,
) -> tuple[Callable[[str], dict[str, Any]], Callable[[str], "ErasureReport"]]:
    """Return functions that export and erase a customer of a store."""
    from tuppence.usecases.export_personal_data import export_from_store  # noqa: PLC0415

    def erase(customer: str) -> "ErasureReport":
        # Locks of SQLite belong to a process: a search of the files would end those of this one.
        with ProcessPoolExecutor(1, get_context("spawn")) as processes:
            return processes.submit(_erase, store.path, customer).result()

    return lambda customer: export_from_store(personal_folder(store), customer), erase


def _erase(path: Path, customer: str) -> "ErasureReport":
    from tuppence.usecases.erase_customer import erase_from_store  # noqa: PLC0415

    store = open_store(path)
    with store.lock("serve console", lambda _: None):
        return erase_from_store(personal_folder(store), customer)
