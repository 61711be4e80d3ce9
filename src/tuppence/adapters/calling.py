"""The HTTP client of our own services, with timeouts and retries."""

import re
import ssl
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import stamina

from tuppence import logs, tracing
from tuppence.errors import RETRYABLE, UserError


class ServiceClient:
    """Sends requests to one service. It is thread-safe.

    Requests carry the id of the request that this process works on, if there is one, so that the
    log lines of both services can be joined, its trace if that is recorded, and the seconds after
    which this process stops waiting, so that an engine does not work on answers that nobody reads.

    Args:
        service: Name of the service, `relay` or `engine`, with which the codes of errors begin.
        address: Address of the service, such as http://127.0.0.1:8601.
        token: Token of this caller.
        attempt_timeout: Seconds for one attempt.
        attempts: Maximum number of attempts; the pauses between them grow, with jitter.
        timeout: Seconds for all attempts; None for no limit.
        longest_wait: Maximum number of seconds between two attempts.
        tls_ca: Authorities for the certificate of an https address, in PEM; None for those of the
            system.
        server_name: Name in the certificate, if it differs from the host of the address.

    Raises:
        UserError: The token is missing or malformed, or `tls_ca` contains no certificates.
    """

    def __init__(
        self,
        service: str,
        address: str,
        token: str,
        attempt_timeout: float,
        attempts: int = 1,
        timeout: float | None = None,
        longest_wait: float = 10.0,
        tls_ca: Path | None = None,
        server_name: str | None = None,
    ) -> None:
        _check_token(service, token)
        self._service = service
        self._attempt_timeout = attempt_timeout
        self._attempts = attempts
        self._timeout = timeout
        self._longest_wait = longest_wait
        self._client = httpx2.Client(
            base_url=address,
            # No compression, so that a small answer cannot expand to a large one.
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
            trust_env=False,
            verify=_trusted(tls_ca),
        )
        self._extensions = {} if server_name is None else {"sni_hostname": server_name}

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        **query: str | int,
    ) -> bytes:
        """Return the body of a successful answer.

        Args:
            method: HTTP method.
            path: Path of the request, which names nobody: it is a name of spans.
            body: Sent as JSON.
            timeout: Seconds for all attempts and the pauses between them; None for the client's.
            attempt_timeout: Seconds for one attempt; None for the client's.
            query: Parameters of the query.

        Raises:
            UserError: `SERVICE.unreachable` if no attempt got an answer; `SERVICE.denied` if the
                token is not known; `SERVICE.refused` if the service answered with another error.
        """
        timeout = self._timeout if timeout is None else timeout
        one = self._attempt_timeout if attempt_timeout is None else attempt_timeout
        end = None if timeout is None else time.monotonic() + timeout
        retries = stamina.retry_context(
            on=_RetryableError,
            attempts=self._attempts,
            timeout=None if timeout is None else max(timeout - self._longest_wait, 0.001),
            wait_initial=0.05,
            wait_max=self._longest_wait,
        )
        try:
            for attempt in retries:
                with attempt, tracing.span(f"{method} {path}", "CLIENT"):
                    left = one if end is None else end - time.monotonic()
                    return self._send(method, path, body, query, min(one, left))
        except _RetryableError as error:
            message = f"the {self._service} does not answer ({error})"
            raise UserError(f"{self._service}.unreachable", message, "try again later") from None
        raise AssertionError("an attempt returns or raises")

    def _send(
        self, method: str, path: str, body: Any, query: dict[str, Any], seconds: float
    ) -> bytes:
        seconds = max(seconds, 0.001)
        end = time.monotonic() + seconds
        content = bytearray()
        headers = {"X-Request-Timeout": f"{seconds:.3f}", **tracing.carrier()}
        request_id = logs.request_id()
        if request_id is not None:
            headers["X-Request-Id"] = request_id
        try:
            with self._client.stream(
                method,
                path,
                json=body,
                params=query,
                headers=headers,
                timeout=httpx2.Timeout(seconds, connect=min(seconds, 2.0)),
                extensions=self._extensions,
            ) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if time.monotonic() > end:  # httpx limits the time for each chunk only
                        raise _RetryableError("its answer took too long")
        except httpx2.TransportError as error:
            raise _RetryableError(type(error).__name__) from None
        status = answer.status_code
        if status == 401:
            message = f"the {self._service} does not know the token of this caller"
            raise UserError(f"{self._service}.denied", message, "tuppence serve token makes one")
        if status in RETRYABLE:
            raise _RetryableError(f"status {status}")
        if status != 200:
            message = f"the {self._service} refused: {_title(status, bytes(content))}"
            raise UserError(f"{self._service}.refused", message)
        return bytes(content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _check_token(service: str, token: str) -> None:
    """Check that a header can carry a token.

    Raises:
        UserError: `access.token` if it is empty, or has blanks or characters that are not ASCII.
    """
    if not re.fullmatch("[!-~]+", token):
        what = "is not one word of ASCII characters" if token else "is missing"
        hint = "give the file with the token that tuppence serve token printed"
        raise UserError("access.token", f"the token for the {service} {what}", hint)


def _trusted(tls_ca: Path | None) -> ssl.SSLContext:
    """Return TLS settings that check certificates.

    Raises:
        UserError: The file contains no certificates.
    """
    try:
        return ssl.create_default_context(cafile=tls_ca)
    except OSError as error:  # ssl.SSLError is one
        message = f"{tls_ca}: contains no certificates of authorities ({error.strerror or error})"
        raise UserError("tls.files", message, "give certificates in PEM") from None


class _RetryableError(Exception):
    """Raised when an attempt fails in a way that another attempt may not."""


class _Problem(msgspec.Struct):
    title: str


def _title(status: int, content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_Problem).title
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {status}"
