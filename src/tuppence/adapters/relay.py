"""Facts from the SQL relay, over HTTP."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import httpx2
import msgspec
import nanoarrow
import polars as pl
import stamina

from tuppence.adapters.engines import RETRYABLE
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import with_attributes
from tuppence.facts.schema import Field, Schema
from tuppence.feel.values import Date

CUSTOMERS_PER_REQUEST: Final = 1_000
TABLES: Final = ("customers", "accounts", "transactions")


class _AgainError(Exception):
    """The relay could not answer now."""


class _Attributes(msgspec.Struct):
    attributes: tuple[Field, ...]


class _Page(msgspec.Struct):
    customers: tuple[str, ...]


class RelayFacts:
    """Implements the port CustomerFacts; it may be used by many threads.

    Args:
        url: Of the relay.
        token: Of this caller.
        patience: Seconds for which a request is tried, several times if need be.
    """

    def __init__(self, url: str, token: str, patience: float = 10.0) -> None:
        self._patience = patience
        self._schema: Schema | None = None
        self._client = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(patience, connect=2.0),
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=32),
            trust_env=False,
        )

    def schema(self) -> Schema:
        """The fields that the facts have."""
        answer = self._ask("GET", "/v1/schema")
        self._schema = Schema(msgspec.json.decode(answer, type=_Attributes).attributes)
        return self._schema

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        """The facts of those who exist and have agreed to be evaluated as of a date."""
        schema = self._schema or self.schema()
        parts = [
            self._frames(customer_ids[start : start + CUSTOMERS_PER_REQUEST], as_of, fields)
            for start in range(0, len(customer_ids), CUSTOMERS_PER_REQUEST)
        ]
        tables = {table: pl.concat([part[table] for part in parts]) for table in TABLES if parts}
        if tables:
            tables["customers"] = with_attributes(tables["customers"], schema)
        return batch_from(ordered(coded(tables, schema, fields)), schema)

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Customers who have agreed, beginning after one."""
        query = {"after": after, "as_of": str(as_of), "limit": limit}
        answer = self._ask("GET", "/v1/customers", params=query)
        return msgspec.json.decode(answer, type=_Page).customers

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _frames(
        self, customers: Sequence[str], as_of: Date, fields: Collection[str] | None
    ) -> dict[str, pl.DataFrame]:
        asked = {"as_of": str(as_of), "customers": customers, "fields": fields}
        wanted = msgspec.json.encode(asked)
        kind = {"Content-Type": "application/json"}
        source = io.BytesIO(self._ask("POST", "/v1/facts", content=wanted, headers=kind))
        return {
            table: pl.DataFrame(nanoarrow.ArrayStream.from_readable(source)) for table in TABLES
        }

    def _ask(self, method: str, path: str, **what: Any) -> bytes:
        """The body of a good answer.

        Raises:
            UserError: The relay refuses, or does not answer in time.
        """
        try:
            for attempt in self._attempts():
                with attempt:
                    return self._once(method, path, what)
        except _AgainError as error:
            message = f"the SQL relay does not answer ({error})"
            raise UserError("relay.unreachable", message, "try again in a second") from None
        raise AssertionError("an attempt returns or raises")

    def _once(self, method: str, path: str, what: Mapping[str, Any]) -> bytes:
        try:
            response = self._client.request(method, path, **what)
        except httpx2.TransportError as error:
            raise _AgainError(type(error).__name__) from None
        if response.status_code in RETRYABLE:
            raise _AgainError(f"status {response.status_code}")
        if response.status_code != 200:
            message = f"the relay refused with status {response.status_code}"
            raise UserError("relay.refused", f"{message}: {response.text[:200]}")
        return response.content

    def _attempts(self) -> Iterator[Any]:
        return iter(
            stamina.retry_context(
                on=_AgainError, attempts=6, timeout=self._patience, wait_initial=0.05, wait_max=1.0
            )
        )
