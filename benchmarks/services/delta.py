"""Measures what it costs PostgreSQL to take in a night's transactions, and which parts of it.

Run it with `python benchmarks/services/delta.py`; it takes a minute. A database of 5,000 customers
with 60 transactions each gets 20 more of each, in the two steps of a load: a temporary table is
filled, and its rows are inserted or compared. Then it gets 20 more again and again, each time
without one more thing that guards or speeds up the table. Processor time is that of the one server
process that does the work.
"""

import sys
from pathlib import Path
from typing import Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from local.servers import postgresql

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.migrating import migrate

CUSTOMERS: Final = 5_000
BEFORE: Final = 60
NIGHT: Final = 20
TABLE: Final = "tuppence.transactions"
CASES: Final = (
    ("as a load does it", ""),
    ("without the foreign key", f"ALTER TABLE {TABLE} DROP CONSTRAINT transactions_account"),
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
FROM generate_series(1, {customers}) c, generate_series({first}, {last}) n ORDER BY {order}
"""


def main() -> None:
    """Print the transactions that one processor takes in a second, for each case."""
    with postgresql(durable=False) as (_, url):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection)
            for number, (name, without) in enumerate(CASES):
                print(f"{name}: {night(connection, number, without):,.0f} a processor second")


def fill(connection: psycopg.Connection) -> None:
    """Add customers with their accounts and the transactions of the days before, day by day."""
    connection.execute(PEOPLE.format(customers=CUSTOMERS).encode())
    connection.execute(rows(TABLE, 1, BEFORE, "n, c"))
    connection.execute(f"VACUUM ANALYZE {TABLE}".encode())


def night(connection: psycopg.Connection, number: int, without: str) -> float:
    """Take a night in, and return how many transactions a processor takes in a second."""
    first = BEFORE + number * NIGHT + 1
    if without:
        connection.execute(without.encode())
    with connection.transaction():
        for statement in load_query("load_stage").split(";"):
            connection.execute(statement.encode())
        began = seconds(connection)
        connection.execute(rows("new_transactions", first, first + NIGHT - 1, "c, n"))
        connection.execute(load_query("load_transactions").encode())
        return CUSTOMERS * NIGHT / (seconds(connection) - began)


def rows(table: str, first: int, last: int, order: str) -> bytes:
    """Return the statement that adds some transactions of every customer."""
    text = ROWS.format(table=table, customers=CUSTOMERS, first=first, last=last, order=order)
    return text.encode()


def seconds(connection: psycopg.Connection) -> float:
    """Return the processor seconds that the server process of a connection has used."""
    fields = (
        Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
