"""Asking our own services over HTTP, again where that may help."""

import re
import ssl
import time
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import stamina

from tuppence.errors import UserError

RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may be sent again."""


class Caller:
    """Asks one service; it may be used by many threads.

    Args:
        service: Its name, `relay` or `engine`: codes of errors begin with it.
        address: Such as http://127.0.0.1:8601.
        token: Of this caller.
        seconds: How long one try may take.
        attempts: Tries at most; between them it waits, longer each time, by chance less or more.
        patience: Seconds for all of them; None for no end.
        longest_wait: Seconds between two tries at most.
        tls_ca: Authorities for the certificate of an https address, PEM; those of the system
            where it is None.
        server_name: In the certificate, where it is not that of the address.

    Raises:
        UserError: The token is missing or is not one; `tls_ca` has no certificates in it.
    """

    def __init__(
        self,
        service: str,
        address: str,
        token: str,
        seconds: float,
        attempts: int = 1,
        patience: float | None = None,
        longest_wait: float = 10.0,
        tls_ca: Path | None = None,
        server_name: str | None = None,
    ) -> None:
        _check_token(service, token)
        self._service = service
        self._seconds = seconds
        self._attempts = attempts
        self._patience = patience
        self._longest_wait = longest_wait
        self._client = httpx2.Client(
            base_url=address,
            # Nothing small that becomes large when it is unpacked.
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
            trust_env=False,
            verify=_trusted(tls_ca),
        )
        self._extensions = {} if server_name is None else {"sni_hostname": server_name}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        within: float | None = None,
        **query: str | int,
    ) -> bytes:
        """The body of a good answer.

        Args:
            method: Of HTTP.
            path: Of what is asked.
            body: Sent as JSON.
            within: Seconds for all tries and the waits between them, in place of the patience.
            query: Added to the path.

        Raises:
            UserError: `SERVICE.unreachable` where there was no answer, however often it was tried;
                `SERVICE.refused` where the answer is final.
        """
        patience = self._patience if within is None else within
        end = None if patience is None else time.monotonic() + patience
        retries = stamina.retry_context(
            on=_AgainError,
            attempts=self._attempts,
            timeout=None if patience is None else max(patience - self._longest_wait, 0.001),
            wait_initial=0.05,
            wait_max=self._longest_wait,
        )
        try:
            for attempt in retries:
                with attempt:
                    left = self._seconds if end is None else end - time.monotonic()
                    return self._once(method, path, body, query, min(self._seconds, left))
        except _AgainError as error:
            message = f"the {self._service} does not answer ({error})"
            raise UserError(f"{self._service}.unreachable", message, "try again later") from None
        raise AssertionError("an attempt returns or raises")

    def _once(
        self, method: str, path: str, body: Any, query: dict[str, Any], seconds: float
    ) -> bytes:
        seconds = max(seconds, 0.001)
        end = time.monotonic() + seconds
        content = bytearray()
        try:
            with self._client.stream(
                method,
                path,
                json=body,
                params=query,
                timeout=httpx2.Timeout(seconds, connect=min(seconds, 2.0)),
                extensions=self._extensions,
            ) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if time.monotonic() > end:  # the time-out is for each piece of an answer
                        raise _AgainError("its answer took too long")
        except httpx2.TransportError as error:
            raise _AgainError(type(error).__name__) from None
        status = answer.status_code
        if status == 401:
            message = f"the {self._service} does not know the token of this caller"
            raise UserError(f"{self._service}.denied", message, "tuppence serve token makes one")
        if status in RETRYABLE:
            raise _AgainError(f"status {status}")
        if status != 200:
            message = f"the {self._service} refused: {_title(status, bytes(content))}"
            raise UserError(f"{self._service}.refused", message)
        return bytes(content)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _check_token(service: str, token: str) -> None:
    """Check that a header can carry a token.

    Raises:
        UserError: `access.token`: it is empty, or has blanks or characters that are not ASCII.
    """
    if not re.fullmatch("[!-~]+", token):
        what = "is not one word of ASCII characters" if token else "is missing"
        hint = "give the file that holds the token which tuppence serve token printed"
        raise UserError("access.token", f"the token for the {service} {what}", hint)


def _trusted(tls_ca: Path | None) -> ssl.SSLContext:
    """Return the settings of a client that checks certificates.

    Raises:
        UserError: The file has no certificates in it.
    """
    try:
        return ssl.create_default_context(cafile=tls_ca)
    except OSError as error:  # ssl.SSLError is one
        message = f"{tls_ca}: not certificates of authorities ({error.strerror or error})"
        raise UserError("tls.files", message, "they are needed in PEM") from None


class _AgainError(Exception):
    """The service could not answer now."""


class _Problem(msgspec.Struct):
    title: str


def _title(status: int, content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_Problem).title
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {status}"
