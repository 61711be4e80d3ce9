"""Running rules engines, over HTTP."""

import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import msgspec
import stamina

from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.runs.ledger import Tally

RETRYABLE = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may be sent again."""
REFRESH_SECONDS = 300.0
"""Time for checking and planning hundreds of rules, on a new machine after compiling the loops."""


class HttpEvaluations:
    """The engines behind one address. Implements the port EvaluationService.

    Args:
        address: Of the load balancer, or of one engine.
        token: Of this caller.
        seconds: How long one try may take.
        attempts: Tries at most; between them it waits, longer each time.
    """

    def __init__(self, address: str, token: str, seconds: float = 60.0, attempts: int = 5) -> None:
        self._attempts = attempts
        self._client = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(seconds, connect=2.0),
            trust_env=False,
        )

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        """What became of customers."""
        body = {"run_id": run_id, "as_of": str(as_of), "ruleset": ruleset, "customers": customers}
        found = msgspec.json.decode(self._post("/v1/evaluations", body), type=_Counts)
        return Tally(
            found.customers, found.evaluations, found.qualified, found.unknown, found.changed
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _post(self, path: str, body: Any) -> bytes:
        try:
            for attempt in stamina.retry_context(
                on=_AgainError, attempts=self._attempts, timeout=None, wait_max=10.0
            ):
                with attempt:
                    return self._once(path, body)
        except _AgainError as error:
            message = f"the engines did not answer, tried {self._attempts} times: {error}"
            raise UserError("engine.unreachable", message, "the same run goes on later") from None
        raise AssertionError("an attempt returns or raises")

    def _once(self, path: str, body: Any) -> bytes:
        try:
            response = self._client.post(path, json=body)
        except httpx2.TransportError as error:
            raise _AgainError(type(error).__name__) from None
        if response.status_code in RETRYABLE:
            raise _AgainError(f"status {response.status_code}")
        if response.status_code != 200:
            raise UserError("engine.refused", f"an engine refused: {_title(response.content)}")
        return response.content


class _Counts(msgspec.Struct):
    customers: int
    evaluations: int
    qualified: int
    unknown: int
    changed: int


class _AgainError(Exception):
    """The engines could not answer now."""


def _title(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Problem).title
    except msgspec.DecodeError:
        return "in other words than an engine does"


class _Serving(msgspec.Struct):
    serving: str | None
    ready: str | None = None


class _Problem(msgspec.Struct):
    title: str


class HttpEngine:
    """One engine. Implements the port RunningEngine.

    Args:
        address: Such as http://10.0.0.7:8602.
        token: Of this caller.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._headers = {"Authorization": f"Bearer {token}"}

    def serving(self) -> str | None:
        """Digest of the ruleset that it serves."""
        return self._ask("GET", "/v1/ruleset").serving

    def refresh(self, digest: str, *, serve: bool) -> str | None:
        """Have it make a ruleset ready, and serve it if so wanted."""
        answer = self._ask("POST", "/v1/ruleset/refresh", {"ruleset": digest, "serve": serve})
        return answer.serving if serve else answer.ready

    def _ask(self, method: str, path: str, body: Any = None) -> _Serving:
        try:
            response = httpx2.request(
                method,
                self.address + path,
                json=body,
                headers=self._headers,
                timeout=REFRESH_SECONDS,
                trust_env=False,
            )
        except httpx2.TransportError as error:
            message = f"cannot be reached ({type(error).__name__})"
            raise UserError("engine.unreachable", message) from None
        if response.status_code != 200:
            raise UserError("engine.refused", _title(response.content))
        return msgspec.json.decode(response.content, type=_Serving)


def discover(addresses: Sequence[str], token: str) -> list[HttpEngine]:
    """The engines behind addresses; a name that stands for several machines gives one for each.

    Raises:
        UserError: A name is not known, or an address is none.
    """
    found: dict[str, HttpEngine] = {}
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"{address!r} is not the address of an engine"
            raise UserError("engine.address", message, "write it as http://host:port")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            machines = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            message = f"there is no machine {parts.hostname}"
            raise UserError("engine.address", message, "see the name and the name server") from None
        for family, *_, place in machines:
            host = f"[{place[0]}]" if family == socket.AF_INET6 else str(place[0])
            one = urlunsplit(parts._replace(netloc=f"{host}:{port}"))
            found.setdefault(one, HttpEngine(one, token))
    return list(found.values())
