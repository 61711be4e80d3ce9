"""Running rules engines, over HTTP."""

import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import msgspec

from tuppence.errors import UserError

REFRESH_SECONDS = 60.0
"""A ruleset of hundreds of rules is checked and planned in this time."""


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
        try:
            if response.status_code != 200:
                problem = msgspec.json.decode(response.content, type=_Problem)
                raise UserError("engine.refused", problem.title)
            return msgspec.json.decode(response.content, type=_Serving)
        except msgspec.DecodeError:
            message = f"answers with status {response.status_code}, and not as an engine does"
            raise UserError("engine.refused", message) from None


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
