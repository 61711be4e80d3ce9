"""The SQL relay, over HTTP: who may be evaluated."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tuppence.adapters.calling import Caller
from tuppence.feel.values import Date


class _Page(msgspec.Struct):
    customers: tuple[str, ...]


class Relay:
    """The list of customers; it may be used by many threads. Implements the port Customers.

    Args:
        url: Of the relay.
        token: Of this caller.
        patience: Seconds for which a request is tried, several times if need be.
        tls_ca: Authorities for the certificate of an https address, in PEM.
    """

    def __init__(
        self, url: str, token: str, patience: float = 10.0, tls_ca: Path | None = None
    ) -> None:
        self._caller = Caller(
            "relay",
            url,
            token,
            patience,
            attempts=6,
            patience=patience,
            longest_wait=1.0,
            tls_ca=tls_ca,
        )

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Customers who have agreed, beginning after one."""
        answer = self._caller.ask(
            "GET", "/v1/customers", after=after, as_of=str(as_of), limit=limit
        )
        return msgspec.json.decode(answer, type=_Page).customers

    def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()
