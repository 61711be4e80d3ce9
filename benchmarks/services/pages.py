"""Measures the pages and the time that PostgreSQL needs for the transactions of a customer.

They arrive night by night for all customers. `python benchmarks/services/pages.py` takes a minute.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from local.servers import postgresql

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.migrating import migrate

CUSTOMERS: Final = 400
NIGHTS: Final = 400
SAMPLE: Final = 40
ROWS: Final = """
    INSERT INTO new_transactions (customer_id, account_id, id, booking_date, sequence, amount,
        category, merchant, type, text, country, own_transfer, balance, category_confidence,
        merchant_confidence)
    SELECT 'C' || lpad(n::text, 7, '0'), 'A' || lpad(n::text, 7, '0'),
        md5(n || '-' || %(night)s || '-' || k), DATE '2025-01-01' + %(night)s, k, -100 * k,
        'groceries', 'Some Merchant Ltd', 'card payment',
        'CARD PAYMENT TO SOME MERCHANT LTD LONDON GB 12345 REF 998877', 'GB', false, 100000, 93, 95
    FROM generate_series(1, %(customers)s) n,
        generate_series(1, 2 + ((%(night)s + n) %% 4 < 3)::int) k
"""
"""Two or three transactions of each customer: 2.75 on average."""
PEOPLE: Final = """
    INSERT INTO tuppence.customers (id, currency)
    SELECT 'C' || lpad(n::text, 7, '0'), 'GBP' FROM generate_series(1, %(customers)s) n;
    INSERT INTO tuppence.accounts (id, customer_id, type)
    SELECT 'A' || lpad(n::text, 7, '0'), 'C' || lpad(n::text, 7, '0'), 'current'
    FROM generate_series(1, %(customers)s) n;
"""


def main() -> None:
    """Load night by night, and print what one customer costs then."""
    with postgresql(durable=False) as (_, url):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(load_query("session"))
            measure(connection)


def measure(connection: psycopg.Connection) -> None:
    """Load night by night, and print what one customer costs then, with and without the index."""
    for statement in PEOPLE.split(";")[:2]:
        connection.execute(statement, {"customers": CUSTOMERS})
    began = time.monotonic()
    for night in range(NIGHTS):
        load(connection, night)
        if night % 20 == 19:
            connection.execute("VACUUM tuppence.transactions")
    rows = CUSTOMERS * NIGHTS * 2.75
    print(f"{rows / (time.monotonic() - began):,.0f} transactions/s are loaded")
    connection.execute("ANALYZE tuppence.transactions")
    show(connection, "after a vacuum")
    for night in range(NIGHTS, NIGHTS + 3):
        load(connection, night)
    show(connection, "three nights later")
    connection.execute("REINDEX TABLE tuppence.transactions")
    connection.execute("VACUUM tuppence.transactions")
    show(connection, "after REINDEX")
    connection.execute("DROP INDEX tuppence.transactions_covering")
    show(connection, "without the index")


def load(connection: psycopg.Connection, night: int) -> None:
    """Load the transactions of a night as the loader does."""
    with connection.transaction():
        connection.execute(
            "CREATE TEMP TABLE new_transactions (LIKE tuppence.transactions) ON COMMIT DROP"
        )
        connection.execute(ROWS, {"night": night, "customers": CUSTOMERS})
        connection.execute(load_query("load_transactions"))


def show(connection: psycopg.Connection, label: str) -> None:
    """Print the pages and the milliseconds of one customer, by the query of the relay."""
    pages, times = [], []
    connection.execute("SELECT set_config('tuppence.until', '2027-01-01', false)")
    for number in range(1, SAMPLE + 1):
        wanted = json.dumps({f"C{number * CUSTOMERS // SAMPLE:07d}": ["transactions", "balances"]})
        connection.execute("SELECT set_config('tuppence.wanted', %s, false)", (wanted,))
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {load_query('transactions')}"
        row: Any = connection.execute(explain.encode()).fetchone()
        plan = row[0][0]
        pages.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
        times.append(plan["Execution Time"])
    print(f"{label}: {statistics.mean(pages):.0f} pages, {statistics.median(times):.2f} ms")


if __name__ == "__main__":
    main()
