"""Composes the console with real adapters."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.feeds import customers_of, store_feeds
from tuppence.bootstrap.local import open_store

if TYPE_CHECKING:
    from starlette.applications import Starlette


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
    from tuppence.adapters.embedded.rule_folder import RuleFolder  # noqa: PLC0415

    with extra("feed"):
        from tuppence.services.console.app import console_app  # noqa: PLC0415
        from tuppence.services.console.page import ConsoleDependencies  # noqa: PLC0415

    held = open_store(store)
    feeds = store_feeds(store, policy, purposes, clock)
    threads = os.cpu_count() or 1
    files, customers = RuleFolder(rules), customers_of(held)
    deps = ConsoleDependencies(held, files, feeds, customers, purposes, threads, budget)
    return console_app(deps, key)
