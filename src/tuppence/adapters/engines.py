"""Clients of running rules engines."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from tuppence.adapters.calling import ServiceClient
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.usecases.fleet.messages import FleetItem
from tuppence.usecases.ledger import Tally

ATTEMPTS: Final = 5
"""Maximum number of attempts of a request for evaluations."""
REFRESH_SECONDS = 300.0
"""Timeout of a refresh: on a new machine it compiles the loops, then plans hundreds of rules."""


class HttpEvaluations:
    """The engines behind one address. Implements the ports EvaluationService and Evaluations.

    Args:
        address: Address of the load balancer, or of one engine.
        token: Token of this caller.
        seconds: Timeout of one attempt.
        longest_wait: Maximum number of seconds between two attempts.
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
        self._client = ServiceClient(
            "engine",
            address,
            token,
            seconds,
            attempts=ATTEMPTS,
            longest_wait=longest_wait,
            tls_ca=tls_ca,
        )

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        """Evaluate customers, keep their results, and return the tally."""
        body = {"run_id": run_id, "as_of": str(as_of), "ruleset": ruleset, "customers": customers}
        answer = self._client.request("POST", "/v1/evaluations", body)
        return msgspec.json.decode(answer, type=Tally)

    def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
        """Evaluate an item and keep its results, within some seconds."""
        body: dict[str, Any] = {
            "run_id": item.run_id,
            "as_of": item.as_of,
            "ruleset": item.ruleset,
            "customers": item.customers,
        }
        if item.rules is not None:
            body["rules"] = item.rules
        self._client.request(
            "POST", "/v1/evaluations", body, timeout=seconds, attempt_timeout=one_try
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Serving(msgspec.Struct):
    serving: str | None
    ready: str | None = None


class HttpEngine:
    """One engine. Implements the port RunningEngine.

    Args:
        address: Address of the engine, such as http://10.0.0.7:8602.
        token: Token of this caller.
        tls_ca: Authorities for the certificate of an https address, in PEM.
        server_name: Name in the certificate, if it differs from the host of the address.
    """

    def __init__(
        self, address: str, token: str, tls_ca: Path | None = None, server_name: str | None = None
    ) -> None:
        self.address = address
        self._client = ServiceClient(
            "engine", address, token, REFRESH_SECONDS, tls_ca=tls_ca, server_name=server_name
        )

    def serving(self) -> str | None:
        """Return the digest of the ruleset that the engine serves."""
        return self._request("GET", "/v1/ruleset").serving

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        """Make a ruleset ready in the engine, or the current one for None, and maybe serve it.

        Returns:
            The digest of the served ruleset if `serve` is true, else of the ruleset that is ready.
        """
        answer = self._request("POST", "/v1/ruleset/refresh", {"ruleset": digest, "serve": serve})
        return answer.serving if serve else answer.ready

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, method: str, path: str, body: Any = None) -> _Serving:
        return msgspec.json.decode(self._client.request(method, path, body), type=_Serving)


def discover(addresses: Sequence[str], token: str, tls_ca: Path | None = None) -> list[HttpEngine]:
    """Return the engines at some addresses; a name with several IP addresses gives several engines.

    Raises:
        UserError: An address is malformed, or a name cannot be resolved.
    """
    engines: dict[str, HttpEngine] = {}
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"{address!r} is not the address of an engine"
            raise UserError("engine.address", message, "write it as http://host:port")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            resolved = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            message = f"the name {parts.hostname} cannot be resolved"
            hint = "check the name, and the name server"
            raise UserError("engine.address", message, hint) from None
        for family, *_, place in resolved:
            host = f"[{place[0]}]" if family == socket.AF_INET6 else str(place[0])
            one = urlunsplit(parts._replace(netloc=f"{host}:{port}"))
            engines.setdefault(one, HttpEngine(one, token, tls_ca, parts.hostname))
    return list(engines.values())
