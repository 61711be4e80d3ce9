"""The client of the SQL relay, for facts and definitions."""

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec
import nanoarrow
import polars as pl

from tuppence.adapters.relay import Relay
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import with_attributes
from tuppence.facts.schema import Field, Schema
from tuppence.feel.values import Date
from tuppence.rules.definition import Definition
from tuppence.usecases.editions import Edition

CUSTOMERS_PER_REQUEST: Final = 1_000
"""Maximum number of customers in one request."""
TABLES: Final = ("customers", "accounts", "transactions")


class _Attributes(msgspec.Struct):
    attributes: tuple[Field, ...]


class _Rule(msgspec.Struct):
    document: Definition


class _Rules(msgspec.Struct):
    rules: tuple[_Rule, ...]
    versions: int


class _Gone(msgspec.Struct):
    gone: tuple[str, ...]


class RelayFacts(Relay):
    """Facts and definitions from the SQL relay.

    Implements the ports CustomerFacts and ApprovedDefinitions; it is thread-safe.

    Args:
        url: Address of the relay.
        token: Token of this caller.
        timeout: Seconds for all attempts of a request.
        tls_ca: Authorities for the certificate of an https address, in PEM.
    """

    def __init__(
        self, url: str, token: str, timeout: float = 10.0, tls_ca: Path | None = None
    ) -> None:
        super().__init__(url, token, timeout, tls_ca)
        self._schema: Schema | None = None

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        answer = self._client.request("GET", "/v1/schema")
        self._schema = Schema(msgspec.json.decode(answer, type=_Attributes).attributes)
        return self._schema

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        """Return the facts of those customers who consent to an evaluation as of a date."""
        schema = self._schema or self.schema()
        parts = [
            self._frames(customer_ids[start : start + CUSTOMERS_PER_REQUEST], as_of, fields)
            for start in range(0, len(customer_ids), CUSTOMERS_PER_REQUEST)
        ]
        tables = {table: pl.concat([part[table] for part in parts]) for table in TABLES if parts}
        if tables:
            tables["customers"] = with_attributes(tables["customers"], schema)
        return batch_from(ordered(coded(tables, schema, fields)), schema)

    def in_force(self, as_of: Date) -> tuple[Sequence[Definition], Edition]:
        """Return the approved definitions that are valid on a date, and their edition."""
        answer = self._client.request("GET", "/v1/rules", as_of=str(as_of))
        found = msgspec.json.decode(answer, type=_Rules)
        return [rule.document for rule in found.rules], Edition(found.versions, str(as_of))

    def gone(self, customer_ids: Sequence[str]) -> list[str]:
        """Return those customers who are not in the database: erased, or never loaded."""
        return [
            customer
            for start in range(0, len(customer_ids), CUSTOMERS_PER_REQUEST)
            for customer in msgspec.json.decode(
                self._client.request(
                    "POST",
                    "/v1/gone",
                    {"customers": customer_ids[start : start + CUSTOMERS_PER_REQUEST]},
                ),
                type=_Gone,
            ).gone
        ]

    def _frames(
        self, customers: Sequence[str], as_of: Date, fields: Collection[str] | None
    ) -> dict[str, pl.DataFrame]:
        fields = None if fields is None else sorted(fields)
        asked = {"as_of": str(as_of), "customers": customers, "fields": fields}
        source = io.BytesIO(self._client.request("POST", "/v1/facts", asked))
        return {
            table: pl.DataFrame(nanoarrow.ArrayStream.from_readable(source)) for table in TABLES
        }
