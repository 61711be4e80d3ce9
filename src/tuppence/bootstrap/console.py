"""Composes the console with real adapters."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuppence.bootstrap.database import open_definitions
from tuppence.bootstrap.engines import running_engines
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.feeds import customers_of, store_feeds
from tuppence.bootstrap.learning import learning_of_store
from tuppence.bootstrap.personal import personal_folder
from tuppence.bootstrap.service_stores import ruleset_store
from tuppence.bootstrap.store import StoreFolder, open_store
from tuppence.capacity.cost import task_hour
from tuppence.capacity.environments import ENGINE_TASK, ENVIRONMENTS
from tuppence.capacity.tables import read_prices
from tuppence.structured import read_secret
from tuppence.usecases.team_policy import TeamPolicy

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from tuppence.adapters.postgres.feeds import Connections
    from tuppence.services.console.page import Team
    from tuppence.usecases.erase_customer import ErasureReport

CONNECTIONS = 8
"""Number of connections of a team's console to its database."""


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
        privacy=Privacy(*_rights(held)),
        read_log=lambda: learning.read_log(None),
        hour=task_hour(read_prices(ENVIRONMENTS["prod"].region), ENGINE_TASK),
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


def team_console(
    store: Path,
    database: str,
    policy: Path | None,
    purposes: frozenset[str],
    budget: int,
    clock: Callable[[], int],
    team: TeamPolicy,
    origin: str,
    rulesets: str,
    engines: Sequence[str],
    token: str,
    tls_ca: Path | None,
) -> "Starlette":
    """Return the console of a team: rules, versions, people and sessions are in a database.

    Args:
        store: The folder of the store whose customers previews are about.
        database: Address of the database, for a login with the role tuppence_service.
        policy: The file of the feed's policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        budget: Maximum number of bytes of facts that previews keep in memory.
        clock: Returns the time, in milliseconds since 1970-01-01.
        team: The decisions of the team.
        origin: The address at which people reach the console.
        rulesets: The store that engines load from; empty if the console does not publish.
        engines: Addresses of engines.
        token: The token of a caller of the engines.
        tls_ca: Authorities for the certificates of https addresses, in PEM.

    Raises:
        UserError: There is no store, a file is malformed, or a package is missing.
    """
    with extra("team"):
        from tuppence.adapters.postgres.feeds import Connections  # noqa: PLC0415
        from tuppence.adapters.postgres.rule_table import RuleTable  # noqa: PLC0415
        from tuppence.adapters.postgres.team import TeamReads  # noqa: PLC0415
        from tuppence.services.console.app import console_app  # noqa: PLC0415
        from tuppence.services.console.page import ConsoleDependencies  # noqa: PLC0415

    held = open_store(store)
    feeds = store_feeds(store, policy, purposes, clock)
    connections = Connections(database, CONNECTIONS)
    deps = ConsoleDependencies(
        held,
        RuleTable(open_definitions(database)),
        feeds,
        customers_of(held),
        purposes,
        os.cpu_count() or 1,
        budget,
        TeamReads(connections),
        _team(database, connections, team, rulesets, engines, token, tls_ca),
        read_log=lambda: learning_of_store(held).read_log(None),
        hour=task_hour(read_prices(ENVIRONMENTS["prod"].region), ENGINE_TASK),
    )
    return console_app(deps, origin=origin)


def _team(
    database: str,
    connections: "Connections",
    team: TeamPolicy,
    rulesets: str,
    engines: Sequence[str],
    token: str,
    tls_ca: Path | None,
) -> "Team":
    """Return the ports of a team; the arguments are those of `team_console`."""
    from tuppence.adapters.postgres.team import (  # noqa: PLC0415 - an extra
        TeamPasswords,
        TeamReviews,
        TeamSessions,
    )
    from tuppence.adapters.sign_in import OpenIdProvider  # noqa: PLC0415
    from tuppence.services.console.page import Team  # noqa: PLC0415
    from tuppence.usecases.publisher import Publisher  # noqa: PLC0415

    definitions, settings = open_definitions(database), team.sign_in
    provider = None if settings is None else OpenIdProvider(settings, read_secret(settings.secret))
    publisher = None
    if rulesets:
        publisher = Publisher(
            definitions.acting,
            ruleset_store(rulesets),
            lambda: running_engines(engines, token, tls_ca),
        )
    return Team(
        TeamSessions(connections),
        TeamPasswords(connections) if provider is None else None,
        provider,
        TeamReviews(definitions, connections),
        team,
        publisher,
        connections.close,
    )


def put_person(database: str, name: str, shown: str, password: str, roles: Sequence[str]) -> None:
    """Add somebody who signs in to the console with a password, or replace them."""
    with extra("team"):
        from tuppence.adapters.postgres.team import put_person  # noqa: PLC0415

    put_person(database, name, shown, password, roles)


def remove_person(database: str, name: str) -> bool:
    """Remove somebody who signs in with a password; return whether there was such a person."""
    with extra("team"):
        from tuppence.adapters.postgres.team import remove_person  # noqa: PLC0415

    return remove_person(database, name)
