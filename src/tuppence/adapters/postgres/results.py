"""Results in PostgreSQL: a row for each customer, written only when it changes."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import psycopg

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.feeds import Connections
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults


class PostgresResults:
    """Results in a database. Implements the port ResultStore; each thread needs its own.

    Args:
        url: Address of the database, for a login with the role tuppence_loader, or with
            tuppence_feed to read only.
    """

    by_rule = False

    def __init__(self, url: str) -> None:
        self._connections = Connections(url, 1)
        self._layouts: dict[str, Layout] = {}

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the results of those of some customers who have any."""
        with self._connections.reading() as connection:
            query = load_query("results_get")
            rows = connection.execute(query, [list(customer_ids)]).fetchall()
            unknown = {ruleset for _, _, ruleset, _ in rows} - self._layouts.keys()
            if unknown:
                found = connection.execute(load_query("results_layouts"), [sorted(unknown)])
                self._layouts |= {
                    ruleset: msgspec.json.decode(layout, type=Layout) for ruleset, layout in found
                }
        return {
            customer: CustomerResults(customer, as_of, self._layouts[ruleset], packed)
            for customer, as_of, ruleset, packed in rows
        }

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Write results that changed, except where results of a later date are stored."""
        rows = list(rows)
        layouts = {row.ruleset: row.layout for row in rows}
        with self._connections.transaction() as connection:
            for ruleset in layouts.keys() - self._layouts.keys():
                layout = msgspec.json.encode(layouts[ruleset]).decode()
                connection.execute(load_query("results_put_layout"), [ruleset, layout])
            connection.execute(load_query("results_stage"))
            _copy(connection, rows)
            connection.execute(load_query("results_put"))
        self._layouts |= layouts

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer, and return whether there were any."""
        with self._connections.reading() as connection:
            erased = connection.execute(load_query("results_erase"), [customer_id])
        return erased.rowcount > 0


def _copy(connection: psycopg.Connection, rows: Iterable[CustomerResults]) -> None:
    """Copy results into the temporary table."""
    with connection.cursor() as cursor, cursor.copy(load_query("results_copy")) as copy:
        copy.set_types(["text", "int4", "text", "bytea"])
        for row in rows:
            copy.write_row((row.customer_id, row.as_of, row.ruleset, row.packed))
