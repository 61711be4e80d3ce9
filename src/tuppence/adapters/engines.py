"""Running rules engines, over HTTP."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from tuppence.adapters.calling import Caller
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.usecases.fleet.messages import FleetItem
from tuppence.usecases.ledger import Tally

ATTEMPTS: Final = 5
REFRESH_SECONDS = 300.0
"""Time for checking and planning hundreds of rules, on a new machine after compiling the loops."""


class HttpEvaluations:
    """The engines behind one address. Implements the ports EvaluationService and Evaluations.

    Args:
        address: Of the load balancer, or of one engine.
        token: Of this caller.
        seconds: One try may take.
        longest_wait: Seconds between two of at most five tries.
        tls_ca: Authorities for the certificate of an https address, in PEM.
    """

    def __init__(
        self,
        address: str,
        token: str,
        seconds: float = 60.0,
        longest_wait: float = 10.0,
        tls_ca: Path | None = None,
    ) -> None:
        self._caller = Caller(
            "engine",
            address,
            token,
            seconds,
            attempts=ATTEMPTS,
            longest_wait=longest_wait,
            tls_ca=tls_ca,
        )

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        """What became of customers."""
        body = {"run_id": run_id, "as_of": str(as_of), "ruleset": ruleset, "customers": customers}
        answer = self._caller.ask("POST", "/v1/evaluations", body)
        return msgspec.json.decode(answer, type=Tally)

    def evaluate_item(self, item: FleetItem, seconds: float) -> None:
        """Have an item evaluated and its results kept."""
        body: dict[str, Any] = {
            "run_id": item.run_id,
            "as_of": item.as_of,
            "ruleset": item.ruleset,
            "customers": item.customers,
        }
        if item.rules is not None:
            body["rules"] = item.rules
        self._caller.ask("POST", "/v1/evaluations", body, within=seconds)

    def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()


class _Serving(msgspec.Struct):
    serving: str | None
    ready: str | None = None


class HttpEngine:
    """One engine. Implements the port RunningEngine.

    Args:
        address: Such as http://10.0.0.7:8602.
        token: Of this caller.
        tls_ca: Authorities for the certificate of an https address, in PEM.
        server_name: In the certificate, where it is not that of the address.
    """

    def __init__(
        self, address: str, token: str, tls_ca: Path | None = None, server_name: str | None = None
    ) -> None:
        self.address = address
        self._caller = Caller(
            "engine", address, token, REFRESH_SECONDS, tls_ca=tls_ca, server_name=server_name
        )

    def serving(self) -> str | None:
        """Digest of the ruleset that it serves."""
        return self._ask("GET", "/v1/ruleset").serving

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        """Have it make a ruleset ready, the current one for None, and serve it if so wanted."""
        answer = self._ask("POST", "/v1/ruleset/refresh", {"ruleset": digest, "serve": serve})
        return answer.serving if serve else answer.ready

    def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()

    def _ask(self, method: str, path: str, body: Any = None) -> _Serving:
        return msgspec.json.decode(self._caller.ask(method, path, body), type=_Serving)


def discover(addresses: Sequence[str], token: str, tls_ca: Path | None = None) -> list[HttpEngine]:
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
            found.setdefault(one, HttpEngine(one, token, tls_ca, parts.hostname))
    return list(found.values())
