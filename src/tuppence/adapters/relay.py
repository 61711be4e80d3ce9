"""The client of the SQL relay, for lists of customers."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tuppence.adapters.calling import ServiceClient
from tuppence.feel.values import Date


class _Page(msgspec.Struct):
    customers: tuple[str, ...]


class Relay:
    """Customers from the SQL relay. Implements the port Customers; it is thread-safe.

    Args:
        url: Address of the relay.
        token: Token of this caller.
        timeout: Seconds for all attempts of a request.
        tls_ca: Authorities for the certificate of an https address, in PEM.
    """

    def __init__(
        self, url: str, token: str, timeout: float = 10.0, tls_ca: Path | None = None
    ) -> None:
        self._client = ServiceClient(
            "relay",
            url,
            token,
            timeout,
            attempts=6,
            timeout=timeout,
            longest_wait=1.0,
            tls_ca=tls_ca,
        )

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Return customers after a given one who consent to an evaluation as of a date."""
        answer = self._client.request(
            "GET", "/v1/customers", after=after, as_of=str(as_of), limit=limit
        )
        return msgspec.json.decode(answer, type=_Page).customers

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
