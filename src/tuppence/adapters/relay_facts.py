"""The client of the SQL relay, for facts and definitions."""

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import nanoarrow

from tuppence.adapters.relay import Relay
from tuppence.facts.arrow import arrow_columns, joined
from tuppence.facts.assembled import assembled, column_of
from tuppence.facts.batch import Column, FactBatch
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
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
            self._tables(customer_ids[start : start + CUSTOMERS_PER_REQUEST], as_of, fields)
            for start in range(0, max(len(customer_ids), 1), CUSTOMERS_PER_REQUEST)
        ]
        customers, accounts, transactions = (joined(tables) for tables in zip(*parts, strict=True))
        return assembled(_with_attributes(customers, schema), accounts, transactions)

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

    def _tables(
        self, customers: Sequence[str], as_of: Date, fields: Collection[str] | None
    ) -> list[dict[str, Column]]:
        """Return the columns of each of `TABLES`."""
        fields = None if fields is None else sorted(fields)
        asked = {"as_of": str(as_of), "customers": customers, "fields": fields}
        source = io.BytesIO(self._client.request("POST", "/v1/facts", asked))
        return [
            arrow_columns(nanoarrow.ArrayStream.from_readable(source), _FIELDS[table])
            for table in TABLES
        ]


_JSON: Final = Field("attributes", FieldType.TEXT, "Attributes by name, as JSON.")
_FIELDS: Final = {
    table: {**columns(table, Schema()), **({"attributes": _JSON} if table == "customers" else {})}
    for table in TABLES
}


def _with_attributes(customers: dict[str, Column], schema: Schema) -> dict[str, Column]:
    """Expand the column `attributes`, which is JSON, to one column for each declared attribute."""
    written = customers.pop("attributes")
    texts = (written.dictionary[code] or "{}" for code in written.values.tolist())
    values = [msgspec.json.decode(text, type=dict[str, Any]) for text in texts]
    of_fields = {
        f.name: column_of([one.get(f.name) for one in values], f) for f in schema.attributes
    }
    return {**customers, **of_fields}
