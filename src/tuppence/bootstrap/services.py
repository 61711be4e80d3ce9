"""Composes the services with real adapters, and runs them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import result_store, ruleset_store
from tuppence.feel.values import Date

if TYPE_CHECKING:
    from ssl import SSLContext

    from starlette.applications import Starlette


def relay_service(
    url: str,
    callers: str,
    pool_size: int,
    queue_limit: int,
    timeout: float,
    query_seconds: float,
    caller_requests: int,
    purposes: frozenset[str],
    today: Callable[[], Date],
) -> "Starlette":
    """Return an SQL relay for a database, which returns what consents for some purposes allow.

    The database need not answer yet: the relay says on `/readyz` that it does not.

    Raises:
        UserError: A package is missing, or the file of callers is malformed.
    """
    with extra("relay"):
        from tuppence.adapters.postgres.pool import Pool  # noqa: PLC0415
        from tuppence.services.access import read_callers  # noqa: PLC0415
        from tuppence.services.sql_relay import RelayLimits, relay_app  # noqa: PLC0415

    pool = Pool(url, pool_size, query_seconds, purposes, today)
    limits = RelayLimits(queue_limit, timeout, caller_requests)
    return relay_app(pool, read_callers(callers), limits)


def rules_engine_service(
    relay: str,
    relay_token: str,
    rulesets: str,
    results: str,
    callers: str,
    batches: int,
    queue_limit: int,
    timeout: float,
    caller_requests: int,
    tls_ca: Path | None,
) -> "Starlette":
    """Return a rules engine for facts of a relay; rulesets and results are local or on AWS.

    Raises:
        UserError: A package is missing, or the file of callers is malformed.
    """
    with extra("engine"):
        from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415
        from tuppence.services.access import read_callers  # noqa: PLC0415
        from tuppence.services.rules_engine.app import Limits, rules_engine_app  # noqa: PLC0415
        from tuppence.usecases.serving.ruleset_cache import RulesetCache  # noqa: PLC0415

    facts = RelayFacts(relay, relay_token, timeout=timeout / 2, tls_ca=tls_ca)
    store = ruleset_store(rulesets)
    cache = RulesetCache(store, facts.schema)
    limits = Limits(batches, queue_limit, timeout, caller_requests)
    return rules_engine_app(
        cache, facts, result_store(results, store), read_callers(callers), limits
    )


def read_tls(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> "SSLContext | None":
    """Return the TLS settings of a service; None if no file is named."""
    from tuppence.services.server import read_tls  # noqa: PLC0415 - an extra

    return read_tls(certificate, key, client_ca)


def run_service(
    service: "Starlette",
    host: str,
    port: int,
    drain_seconds: int,
    tls: "SSLContext | None",
    *,
    log_metrics: bool,
) -> None:
    """Run a service until SIGTERM or SIGINT, then finish the requests in progress.

    Args:
        service: The service.
        host: Address to listen on.
        port: Port to listen on.
        drain_seconds: Time that requests in progress get to finish.
        tls: TLS settings; None for plain HTTP.
        log_metrics: Whether its metrics are written to the log each minute.
    """
    from tuppence.services.server import serve  # noqa: PLC0415 - an extra

    with _metrics_logged(service) if log_metrics else contextlib.nullcontext():
        serve(service, host, port, drain_seconds, tls)


@contextlib.contextmanager
def _metrics_logged(service: "Starlette") -> Iterator[None]:
    """Write the metrics of a service to the log, each minute until the end of the block."""
    from tuppence.services.metrics_log import MetricsLog  # noqa: PLC0415 - an extra

    over = threading.Event()
    writer = threading.Thread(target=MetricsLog(service.state.metrics).write_until, args=(over,))
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def add_caller(name: str, callers: Path) -> str:
    """Return a new token for a caller, and add its digest to the file of callers."""
    with extra("engine"):
        from tuppence.services.access import add_caller  # noqa: PLC0415

    return add_caller(name, callers)
