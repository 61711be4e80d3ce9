"""Runs a service until it is told to stop, and then to the end of what it has begun."""

import sys
from typing import Final

import uvicorn
from starlette.types import ASGIApp

MOST_CONNECTIONS: Final = 2_000


def serve(app: ASGIApp, host: str, port: int, drain_seconds: int) -> None:
    """Serve until SIGTERM or SIGINT; then take no more connections, and finish what is begun.

    Args:
        app: The service.
        host: Address to listen on.
        port: Likewise.
        drain_seconds: How long requests that have begun may take to end.
    """
    # Requests must not wait five milliseconds for each turn of a thread that evaluates.
    sys.setswitchinterval(0.0005)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # paths hold customers' identifiers
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=2_048,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=drain_seconds,
        h11_max_incomplete_event_size=64 * 1024,
    )
