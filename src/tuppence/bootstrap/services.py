"""The services over real adapters, and how they are run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.bootstrap.local import extra, result_store, ruleset_store
from tuppence.feel.values import Date

if TYPE_CHECKING:
    from ssl import SSLContext

    from starlette.applications import Starlette


def relay_service(
    url: str,
    callers: str,
    pool_size: int,
    waiting: int,
    patience: float,
    query_seconds: float,
    caller_requests: int,
    purposes: frozenset[str],
    today: Callable[[], Date],
) -> "Starlette":
    """The SQL relay over a database, which gives what consents for some purposes allow.

    Raises:
        UserError: A package is missing, the file of callers is wrong, or the login may write.
    """
    with extra("relay"):
        from tuppence.adapters.postgres.pool import Pool  # noqa: PLC0415
        from tuppence.services.access import read_callers  # noqa: PLC0415
        from tuppence.services.sql_relay import RelayLimits, relay_app  # noqa: PLC0415

    pool = Pool(url, pool_size, query_seconds, purposes, today)
    pool.check()
    limits = RelayLimits(waiting, patience, caller_requests)
    return relay_app(pool, read_callers(callers), limits)


def rules_engine_service(
    relay: str,
    relay_token: str,
    rulesets: str,
    results: str,
    callers: str,
    batches: int,
    waiting: int,
    seconds: float,
    caller_requests: int,
    tls_ca: Path | None,
) -> "Starlette":
    """A rules engine over facts from a relay, with rulesets and results on this machine or on AWS.

    Raises:
        UserError: A package is missing, the file of callers is wrong, the relay does not answer,
            or the ruleset that was published last does not fit the facts.
    """
    with extra("engine"):
        from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415
        from tuppence.services.access import read_callers  # noqa: PLC0415
        from tuppence.services.rules_engine.app import Limits, rules_engine_app  # noqa: PLC0415
        from tuppence.usecases.serving.ruleset_cache import RulesetCache  # noqa: PLC0415

    facts = RelayFacts(relay, relay_token, patience=seconds / 2, tls_ca=tls_ca)
    kept = ruleset_store(rulesets)
    cache = RulesetCache(kept, facts.schema)
    known = read_callers(callers)
    cache.begin()
    limits = Limits(batches, waiting, seconds, caller_requests)
    return rules_engine_app(cache, facts, result_store(results, kept), known, limits)


def read_tls(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> "SSLContext | None":
    """Read the files for TLS; None if none is named."""
    from tuppence.services.server import read_tls  # noqa: PLC0415 - an extra

    return read_tls(certificate, key, client_ca)


def serve_until_told(
    service: "Starlette", host: str, port: int, drain_seconds: int, tls: "SSLContext | None"
) -> None:
    """Run a service until SIGTERM or SIGINT, and to the end of what it has begun."""
    from tuppence.services.server import serve  # noqa: PLC0415 - an extra

    serve(service, host, port, drain_seconds, tls)
