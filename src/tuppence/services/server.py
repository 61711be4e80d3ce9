"""Runs a service until it is asked to stop, then finishes the requests in progress."""

import contextlib
import functools
import gc
import logging
import resource
import ssl
import sys
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from tuppence.errors import UserError
from tuppence.services.connections import Connection, ConnectionLimits, Register

_logger: Final = logging.getLogger(__name__)
SPARE_FILES: Final = 200
"""Number of open files for everything other than connections of callers."""
NEW_OBJECTS: Final = 20_000
"""Number of new objects after which Python looks for cycles among them: those of tens of requests.
"""


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    drain_seconds: int,
    tls: ssl.SSLContext | None = None,
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then accept no more connections, and finish open requests.

    Args:
        app: The service.
        host: Address to listen on.
        port: Port to listen on.
        drain_seconds: Time that requests in progress get to finish.
        tls: TLS settings; None for plain HTTP.
        limits: Limits on connections; the defaults if None.

    Raises:
        UserError: This process may not open enough files.
    """
    limits = limits or ConnectionLimits()
    _allow_files(limits.strangers + limits.known + SPARE_FILES)
    # By default a request would wait up to 5 ms whenever an evaluating thread holds the GIL.
    sys.setswitchinterval(0.0005)
    # Whatever a service has at its start it keeps: looking through it again and again for cycles
    # took a fifth of the time of a feed.
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    options = uvicorn_options(limits, tls, drain_seconds)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, **options))
    address = f"{'http' if tls is None else 'https'}://{host}:{port}"
    _logger.info("listening", extra={"address": address})
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after SIGINT
        server.run()
    _logger.info("stopped")


def uvicorn_options(
    limits: ConnectionLimits, tls: ssl.SSLContext | None, drain_seconds: int
) -> dict[str, Any]:
    """Return the settings of uvicorn that keep a service within its limits."""
    register = Register(limits)
    return {
        "http": functools.partial(Connection, register, tls),
        "ws": "none",
        # uvloop keeps reading from a transport that was paused before its first byte, so the start
        # of the TLS handshake would be parsed as a request.
        "loop": "auto" if tls is None else "asyncio",
        "log_config": None,  # `write_logs` has configured the log of the process
        "log_level": "error",  # a warning for each malformed request would fill a disk
        "access_log": False,  # paths hold identifiers of customers; `RequestMonitor` logs requests
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "backlog": 2_048,
        "timeout_keep_alive": limits.idle_seconds,
        "timeout_graceful_shutdown": drain_seconds,
        "callback_notify": register.close_late,
        "timeout_notify": 0,  # on every tick of uvicorn, about once a second
    }


def read_tls(
    certificate: Path | None, key: Path | None, client_ca: Path | None = None
) -> ssl.SSLContext | None:
    """Return the TLS settings of a service, version 1.2 or newer; None if no file is named.

    Args:
        certificate: Certificate of the service with its intermediates, in PEM like the others.
        key: Private key of the certificate.
        client_ca: Authorities for certificates of callers; if given, callers must present one.

    Raises:
        UserError: A file is missing, cannot be read, or has the wrong content.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        message = "TLS needs a certificate and its private key"
        raise UserError("tls.files", message, "give both --tls-certificate and --tls-key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(str(path) for path in (certificate, key, client_ca) if path is not None)
        message = f"{files}: cannot be used for TLS ({error.strerror or error})"
        hint = "give a certificate and its private key in PEM, without a password"
        raise UserError("tls.files", message, hint) from None
    return context


def _no_password() -> str:
    """Return an empty password, so that OpenSSL does not ask for one on the terminal."""
    return ""


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        message = f"this process may open {hard:,} files, but needs {needed:,}"
        raise UserError("service.files", message, "raise the limit, for example with ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
