"""Asking our own services over HTTP, again where that may help."""

import time
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
    ) -> None:
        self._service = service
        self._seconds = seconds
        self._attempts = attempts
        self._patience = patience
        self._longest_wait = longest_wait
        self._client = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64),
            trust_env=False,
        )

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
        timeout = httpx2.Timeout(max(seconds, 0.001), connect=min(max(seconds, 0.001), 2.0))
        try:
            answer = self._client.request(method, path, json=body, params=query, timeout=timeout)
        except httpx2.TransportError as error:
            raise _AgainError(type(error).__name__) from None
        if answer.status_code in RETRYABLE:
            raise _AgainError(f"status {answer.status_code}")
        if answer.status_code != 200:
            message = f"the {self._service} refused: {_title(answer)}"
            raise UserError(f"{self._service}.refused", message)
        return answer.content

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


class _AgainError(Exception):
    """The service could not answer now."""


class _Problem(msgspec.Struct):
    title: str


def _title(answer: httpx2.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=_Problem).title
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {answer.status_code}"
