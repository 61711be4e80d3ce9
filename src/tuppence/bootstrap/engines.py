"""Connects to running engines; what calls them is an extra, imported when it is needed."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.locking import locked_file
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import refuse_part_of_store

if TYPE_CHECKING:
    from tuppence.adapters.engines import HttpEngine, HttpEvaluations
    from tuppence.adapters.relay_facts import RelayFacts


@contextlib.contextmanager
def running_engines(
    addresses: Sequence[str], token: str, tls_ca: Path | None = None
) -> "Iterator[Sequence[HttpEngine]]":
    """Connect to every running engine at some addresses, for the duration of the block."""
    with extra("engine"):
        from tuppence.adapters.engines import discover  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        engines = discover(addresses, token, tls_ca)
        for engine in engines:
            stack.callback(engine.close)
        yield engines


@contextlib.contextmanager
def dispatching(
    relay: str,
    relay_token: str,
    engines: str,
    token: str,
    ledger: Path,
    say: Callable[[str], None],
    tls_ca: Path | None,
) -> "Iterator[tuple[RelayFacts, HttpEvaluations, Database]]":
    """Yield the facts, the engines and the ledger of a run through running engines.

    One process at a time can use a ledger; others wait.

    Args:
        relay: Address of the SQL relay.
        relay_token: Token for the relay.
        engines: Address of the engines' load balancer.
        token: Token for the engines.
        ledger: File that records the progress.
        say: Called with one sentence before waiting for another run.
        tls_ca: Authorities for the certificates of https addresses, in PEM.

    Raises:
        UserError: The ledger is part of a store, or another run kept it for too long.
    """
    refuse_part_of_store(ledger)
    with extra("engine"):
        from tuppence.adapters.engines import HttpEvaluations  # noqa: PLC0415
        from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415

    lock = ledger.with_name(f"{ledger.name}.lock")
    with (
        locked_file(lock, ledger, "dispatch", say),
        contextlib.closing(RelayFacts(relay, relay_token, tls_ca=tls_ca)) as facts,
        contextlib.closing(HttpEvaluations(engines, token, tls_ca=tls_ca)) as service,
        Database(ledger, write_ahead=True) as database,
    ):
        yield facts, service, database
