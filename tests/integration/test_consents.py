"""Checks consents in PostgreSQL: the database decides as `readable` does, and returns no more."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given
from local.servers import installations, postgresql
from tests.building import bank, day, frame
from tests.consents import consents, uses
from tests.database import put
from tests.examples import examples

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.postgres.connection import connect_columns, load_query
from tuppence.adapters.postgres.facts import TABLES, page, tables
from tuppence.adapters.postgres.pool import Pool
from tuppence.bootstrap.database import migrate_database
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import EVERYTHING, PURPOSES, Consent, Use, readable
from tuppence.facts.permitted import restrict
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

TODAY, EARLIER = Date(day("2026-06-30")), Date(day("2026-02-01"))
CHECK = examples(15, 600, suppress_health_check=list(HealthCheck))


def ann() -> Rows:
    """Return Ann's accounts A and B, with a transaction every five days from day 0 to day 60."""
    accounts: list[dict[str, object]] = [
        {"id": name, "customer": "ann", "type": "current", "credit limit": 900} for name in "AB"
    ]
    transactions: list[dict[str, object]] = [
        {"id": f"{number}", "account": name, "booking date": number, "sequence": number,
         "amount": -number, "balance": 10 * number, "own transfer": False}
        for name in "AB" for number in range(0, 61, 5)
    ]  # fmt: skip
    people: list[dict[str, object]] = [{"id": "ann", "currency": "GBP"}]
    return Rows(
        frame("customers", people),
        frame("accounts", accounts),
        frame("transactions", transactions),
    )


@pytest.fixture(scope="module", params=installations(), ids=lambda path: path.parent.name)
def filled(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of a database with Ann's facts, for each version of PostgreSQL."""
    with postgresql(request.param) as (_, url):
        migrate_database(url)
        put(url, ann())
        yield url


def batch_of(tables_: Mapping[str, pl.DataFrame]) -> FactBatch:
    return batch_from(ordered(coded(tables_, Schema())), Schema())


def record(url: str, known: list[Consent]) -> None:
    """Replace the consents in the database by these."""
    with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("DELETE FROM tuppence.consents")
        document = msgspec.json.encode(known).decode()
        connection.execute(load_query("load_store_consents"), [document])


def values(batch: FactBatch) -> list[object]:
    """Return what a batch holds about accounts and transactions."""
    columns = [batch.accounts.columns["credit limit"]]
    columns += [batch.transactions.columns[name] for name in ("booking date", "amount", "balance")]
    return [batch.customer_ids, *(column.values.tolist() for column in columns)]


@pytest.mark.hypothesis
def test_the_database_says_and_gives_what_the_function_says(filled: str) -> None:
    stored = ann().tables()
    connection = connect_columns(filled)

    @CHECK
    @given(consents("ann"), uses())
    def agree(known: list[Consent], use: Use) -> None:
        record(filled, known)
        access = readable(known, use)
        with psycopg.connect(filled) as asking:
            row = asking.execute(
                "SELECT tuppence.readable('ann', %s::int + date '1970-01-01',"
                " %s::int + date '1970-01-01', %s)",
                [use.today, use.as_of, list(use.purposes)],
            ).fetchone()
        assert row == (sorted(access) or None,)
        assert page(connection, "", use, 9) == (["ann"] if access else [])
        connection.commit()
        found = [pl.DataFrame(reader) for reader in tables(connection, ["ann"], use)]
        if not access:
            assert [frame.height for frame in found] == [0, 0, 0]
            return
        booked = {**stored, "transactions": stored["transactions"].filter(
            pl.col("booking date") <= use.as_of)}  # fmt: skip
        expected = restrict(batch_of(booked), {"ann": access})
        found[0] = found[0].drop("attributes")
        assert values(batch_of(dict(zip(TABLES, found, strict=True)))) == values(expected)

    agree()
    connection.close()


@pytest.mark.hypothesis
def test_a_store_says_what_the_function_says(tmp_path: Path) -> None:
    store = Consents(tmp_path)

    @CHECK
    @given(consents("ann"), consents("bob"), uses())
    def agree(of_ann: list[Consent], of_bob: list[Consent], use: Use) -> None:
        expected = {}
        for customer, known in (("ann", of_ann), ("bob", of_bob)):
            store.erase(customer)
            if known and not readable(known, use) >= EVERYTHING:  # without any: the owner decides
                expected[customer] = readable(known, use)
        store.record([*of_ann, *of_bob])
        assert store.limited(use) == expected
        assert store.limited(use) == expected, "what is kept of the first answer"
        assert store.limited(use, "ann") == {n: a for n, a in expected.items() if n == "ann"}

    agree()


@pytest.mark.parametrize(
    ("change", "booked", "balances"),
    [
        ("", 1, [0]),
        ("expires_on = '2026-03-01'", 0, []),
        ("withdrawn_on = '2026-06-30'", 0, []),
        ("granted_on = '2026-02-02'", 0, []),
        ("purpose = 'marketing by others'", 0, []),
        ("scope = '{balances}'", 0, []),
        ("scope = '{transactions}'", 1, [None]),
    ],
)
def test_the_relay_gives_an_earlier_date_no_more_than_was_agreed(
    database: str, change: str, booked: int, balances: list[int | None]
) -> None:
    """Asks in June for February about a customer with a transaction before and one after."""
    put(database, bank([
        {"booking date": day("2026-01-15"), "amount": -100, "balance": 0},
        {"booking date": day("2026-06-01"), "amount": -200, "balance": 0},
    ]))  # fmt: skip
    if change:
        with psycopg.connect(database) as connection:
            connection.execute(f"UPDATE tuppence.consents SET {change}".encode())
    pool = Pool(database, 1, 5.0, PURPOSES, lambda: TODAY)
    found = [batch for name, batch in pool.facts(["ann"], EARLIER, None) if name == "transactions"]
    rows = [row for batch in found for row in batch.to_pylist()]
    assert [row["booking date"] for row in rows] == [day("2026-01-15")] * booked
    assert [row["balance"] for row in rows] == balances
    assert pool.page("", EARLIER, 9) == ["ann"] * booked
    pool.close()
