"""Measures what it costs PostgreSQL to take in a night's transactions, and which parts of it.

Run it with `python benchmarks/services/delta.py`; it takes a minute. A database of 5,000 customers
with 60 transactions each gets 20 more of each, in the two steps of a load: a temporary table is
filled, and its rows are inserted or compared. Then it gets 20 more again and again, each time
without one more thing that guards or speeds up the table. Processor time is that of the one server
process that does the work.

Before that, several connections take in a night at once, each some of the customers, as measured
on the clock. A load does not: it would no longer be all or nothing.
"""

import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from local.servers import postgresql

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.migrating import migrate

CUSTOMERS: Final = 5_000
BEFORE: Final = 60
NIGHT: Final = 20
CONNECTIONS: Final = (1, 2, 4)
TABLE: Final = "tuppence.transactions"
CASES: Final = (
    ("as a load does it", ""),
    ("without looking for known rows", ""),
    ("without the foreign key, too", f"ALTER TABLE {TABLE} DROP CONSTRAINT transactions_account"),
    ("without the covering index, too", "DROP INDEX tuppence.transactions_covering"),
    ("without the index of long rows, too", "DROP INDEX tuppence.transactions_long"),
)
PEOPLE: Final = """
INSERT INTO tuppence.customers (id, currency)
    SELECT 'C' || lpad(n::text, 7, '0'), 'GBP' FROM generate_series(1, {customers}) n;
INSERT INTO tuppence.accounts (id, customer_id, type)
    SELECT 'A' || lpad(n::text, 7, '0'), 'C' || lpad(n::text, 7, '0'), 'current'
    FROM generate_series(1, {customers}) n
"""
ROWS: Final = """
INSERT INTO {table} (customer_id, account_id, id, booking_date, sequence, amount, category,
    merchant, type, text, country, own_transfer, balance, category_confidence, merchant_confidence)
SELECT 'C' || lpad(c::text, 7, '0'), 'A' || lpad(c::text, 7, '0'), md5(c || '/' || n),
    DATE '2026-01-01' + n / 3, n, -(n * 37 % 5000), 'groceries', 'Merchant ' || n % 50, 'card',
    'CARD PAYMENT MERCHANT ' || n % 50, 'GB', false, 1000 + n, 100, 100
FROM generate_series({low}, {high}) c, generate_series({first}, {last}) n ORDER BY {order}
"""


def main() -> None:
    """Print the transactions that are taken in within a second, for each case."""
    with postgresql(durable=False) as (_, url):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection)
            nights = itertools.count()
            for count in CONNECTIONS:
                rate = at_once(url, next(nights), count)
                print(f"{count} connections at once: {rate:,.0f} a second on the clock")
            for case, (name, without) in enumerate(CASES):
                if without:
                    connection.execute(without.encode())
                whole = (1, CUSTOMERS)
                used = night(connection, next(nights), whole, looks_for_known=case == 0)
                print(f"{name}: {CUSTOMERS * NIGHT / used:,.0f} a processor second")


def fill(connection: psycopg.Connection) -> None:
    """Add customers with their accounts and the transactions of the days before, day by day."""
    connection.execute(PEOPLE.format(customers=CUSTOMERS).encode())
    connection.execute(rows(TABLE, 1, BEFORE, (1, CUSTOMERS), "n, c"))
    connection.execute(f"VACUUM ANALYZE {TABLE}".encode())


def at_once(url: str, number: int, count: int) -> float:
    """Take a night in by several connections, and return the transactions a second."""
    ready, share = Barrier(count + 1), CUSTOMERS // count

    def take_in(first: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            ready.wait()
            night(connection, number, (first, first + share - 1))

    with ThreadPoolExecutor(count) as pool:
        loads = [pool.submit(take_in, 1 + place * share) for place in range(count)]
        ready.wait()
        began = time.monotonic()
        for load in loads:
            load.result()
        return CUSTOMERS * NIGHT / (time.monotonic() - began)


def night(
    connection: psycopg.Connection,
    number: int,
    customers: tuple[int, int],
    *,
    looks_for_known: bool = True,
) -> float:
    """Take a night of some customers in, and return the processor seconds that it took."""
    first = BEFORE + number * NIGHT + 1
    query = load_query("load_transactions")
    with connection.transaction():
        for statement in load_query("load_stage").split(";"):
            connection.execute(statement.encode())
        began = seconds(connection)
        last = first + NIGHT - 1
        connection.execute(rows("new_transactions", first, last, customers, "md5(c || '/' || n)"))
        connection.execute((query if looks_for_known else query.split("ON CONFLICT")[0]).encode())
        return seconds(connection) - began


def rows(table: str, first: int, last: int, customers: tuple[int, int], order: str) -> bytes:
    """Return the statement that adds some transactions of each of some customers."""
    low, high = customers
    text = ROWS.format(table=table, low=low, high=high, first=first, last=last, order=order)
    return text.encode()


def seconds(connection: psycopg.Connection) -> float:
    """Return the processor seconds that the server process of a connection has used."""
    fields = (
        Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
