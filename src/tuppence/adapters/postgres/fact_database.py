"""Facts and consents of a database, behind the ports of use cases."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from adbc_driver_postgresql import dbapi

from tuppence.adapters.postgres import facts
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import Consent, Use
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.usecases.copy_facts import Agreement


class FactDatabase:
    """Facts and consents of a database.

    Implements the ports FactDatabase, PersonalDatabase and ErasableDatabase.

    Args:
        connection: Connection to the database, which the caller closes.
    """

    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        return facts.read_schema(self._connection)

    def turn(self) -> AbstractContextManager[None]:
        """Keep other loads out until the end of the block."""
        return facts.turn(self._connection)

    def load(
        self,
        schema: Schema,
        parts: Iterable[Rows],
        agreement: Agreement | None,
        consents_of: Callable[[Sequence[str]], Sequence[Consent]],
        names: Collection[str] = (),
    ) -> None:
        """Load facts into the database in one transaction."""
        facts.load(self._connection, schema, parts, agreement, consents_of, names)

    def loaded(self) -> frozenset[str]:
        """Return the names of parts of stores whose transactions the database has."""
        return facts.loaded(self._connection)

    def everything(self) -> Iterator[Rows]:
        """Yield all facts, in pages of customers."""
        return facts.everything(self._connection)

    def consents(self, customers: Sequence[str]) -> Sequence[Consent]:
        """Return the consents of some customers."""
        return facts.consents(self._connection, customers)

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name."""
        is_known = not facts.gone(self._connection, [customer])
        self._connection.commit()  # what comes next sees the facts as they are then
        return is_known

    def rows_of(self, customer: str) -> Rows:
        """Return all rows of a customer; no rows if there is no such customer."""
        return facts.rows_of(self._connection, customer)

    def permitted_facts_of(self, customer: str, use: Use) -> FactBatch:
        """Return the facts of a customer that their consents let be read for a use.

        Raises:
            UserError: There is no such customer, or no consent of theirs allows it.
        """
        rows = facts.rows_of(self._connection, customer, use)
        if rows.customers is None:
            message = f"no consent of customer {customer} lets their facts be read"
            raise UserError("consent.none", message)
        schema = self.schema()
        return batch_from(ordered(coded(rows.tables(), schema)), schema)

    def feed_of(self, customer: str) -> Mapping[str, Any]:
        """Return all that is kept of a customer's feeds, for JSON."""
        return facts.feed_of(self._connection, customer)

    def erase(self, customer: str) -> Mapping[str, int]:
        """Erase a customer, and return the number of their rows in each table."""
        return facts.erase(self._connection, customer)
