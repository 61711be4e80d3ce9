"""Checks facts in PostgreSQL: loading, constraints, reading back."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from local.servers import installations, postgresql
from tests.building import ROOT, bank, day, frame
from tests.conftest import Run
from tests.database import AGREED, put, three_customers

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.adapters.postgres.connection import connect_columns, load_query
from tuppence.adapters.postgres.facts import consents, everything, load, page
from tuppence.bootstrap.database import migrate_database
from tuppence.bootstrap.store import open_store
from tuppence.errors import UserError
from tuppence.facts.consent import NOTHING, PURPOSES, Consent, Use
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import Date
from tuppence.relevance.scorecard import PRIOR

Ask = Callable[..., list[tuple[object, ...]]]
SUMMER = Date(day("2026-06-30"))
BANK_FEES = ROOT / "catalogue" / "bank_fees.yaml"


def use(as_of: Date, today: Date = SUMMER) -> Use:
    return Use(PURPOSES, today.day, as_of.day)


NIGHTS = 20


def night(number: int, names: Sequence[str]) -> Rows:
    """Return a transaction of each customer; every fifth night it has a very long text."""
    row = {
        "id": str(number),
        "sequence": 0,
        "booking date": day("2026-01-01") + number,
        "amount": -100,
        "own transfer": False,
        "merchant": "A shop",
        "text": "x" * 3_000 if number % 5 == 2 else "CARD PAYMENT TO A SHOP IN LONDON",
    }
    return Rows(
        frame("customers", [{"id": name, "currency": "GBP"} for name in names]),
        frame(
            "accounts",
            [{"id": f"{name}-1", "customer": name, "type": "current"} for name in names],
        ),
        frame("transactions", [row | {"account": f"{name}-1"} for name in names]),
    )


def test_transactions_that_came_night_by_night_are_read_from_an_index(database: str) -> None:
    names = [f"c{number:03d}" for number in range(30)]
    for number in range(NIGHTS):
        put(database, night(number, names))
    query = load_query("transactions")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE tuppence.transactions")
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        wanted = json.dumps({names[7]: ["transactions", "balances"]})
        for name, value in (("wanted", wanted), ("until", "2026-12-31")):
            connection.execute("SELECT set_config(%s, %s, false)", (f"tuppence.{name}", value))
        texts = [row[9] for row in connection.execute(query)]
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}"))
    assert len(texts) == NIGHTS
    assert sorted(map(len, texts)) == [32] * 16 + [3_000] * 4
    assert "Index Only Scan using transactions_covering" in plan
    assert "Index Scan using transactions_long" in plan


def test_the_log_of_some_nights_is_read_by_night(database: str) -> None:
    """From an index of the views, and without events of months before the first night."""
    views = """INSERT INTO tuppence.feed_views SELECT 'ann', 'v' || n,
        json_build_object('night', 20000 + n / 10) FROM generate_series(0, 2999) AS n"""
    with psycopg.connect(database, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("INSERT INTO tuppence.customers (id, currency) VALUES ('ann', 'GBP')")
        connection.execute(views)
        connection.execute("SELECT tuppence.feed_month('2025-01-15'), tuppence.feed_month(now())")
        connection.execute("ANALYZE")

        def plan(query: str, *given: int) -> str:
            rows = connection.execute(f"EXPLAIN {query}", given)
            return "\n".join(row[0] for row in rows)

        last = plan(load_query("feed_last_night"))
        log = plan(load_query("feed_log"), 20_298)
        rows = connection.execute(load_query("feed_log"), [20_298]).fetchall()
    assert "Index Scan Backward using feed_views_by_night" in last
    assert (
        "Index Scan using feed_views_by_night" in log
        or "Bitmap Index Scan on feed_views_by_night" in log
    )
    assert "feed_events_2025_01" not in log
    assert len(rows) == 20


def test_migrations_run_forward_and_back(empty_database: Callable[[], str]) -> None:
    url = empty_database()
    assert migrate_database(url) == ("base", "0013")
    assert migrate_database(url) == ("0013", "0013")
    assert migrate_database(url, "0001") == ("0013", "0001")
    assert migrate_database(url, "base") == ("0001", "base")
    assert migrate_database(url) == ("base", "0013")
    with pytest.raises(UserError, match="no version 0014"):
        migrate_database(url, "0014")


def test_a_database_without_tables_is_reported(
    empty_database: Callable[[], str], store: Path, tuppence: Run
) -> None:
    options = (
        "--to",
        empty_database(),
        "--consent-from",
        "2026-01-01",
        "--consent-until",
        "2099-01-01",
    )
    done = tuppence("load", "--store", store, *options, status=1)
    assert "tuppence database migrate" in done.stderr


def test_a_run_after_a_round_trip_gives_the_same_results(
    database: str, tmp_path: Path, tuppence: Run
) -> None:
    """From store to database to store, every result stays the same, byte for byte."""
    tuppence("synth", "--store", "there", "--customers", 40, "--seed", 5)
    consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    tuppence("load", "--store", "there", "--to", database, *consent)
    tuppence("load", "--from", database, "--store", "back")
    for store in ("there", "back"):
        options = ("--rules", ROOT / "catalogue", "--as-of", "2026-06-30")
        tuppence("run", "--store", store, *options)
    with (
        open_store(tmp_path / "there").read_results() as there,
        open_store(tmp_path / "back").read_results() as back,
    ):
        assert list(there.scan()) == list(back.scan())
        assert len(list(back.scan())) == 40


@pytest.mark.parametrize("binaries", installations(), ids=lambda path: path.parent.name)
def test_every_supported_version_of_postgresql_works(binaries: Path) -> None:
    with postgresql(binaries) as (_, url):
        migrate_database(url)
        put(url, *three_customers())
        put(url, *three_customers())
        connection = connect_columns(url)
        (found,) = everything(connection)
        assert found.transactions is not None
        assert found.transactions.height == 9
        assert page(connection, "", use(SUMMER), 9) == ["c0", "c1", "c2"]
        connection.close()
        assert migrate_database(url, "base") == ("0013", "base")


def test_loading_again_changes_nothing_and_a_changed_row_is_replaced(
    database: str, rows_of: Ask
) -> None:
    put(database, *three_customers())
    query = "SELECT xmin, * FROM tuppence.transactions ORDER BY customer_id, id"
    before = rows_of(query)
    put(database, *three_customers())
    assert rows_of(query) == before
    changed = bank([{"booking date": day("2026-06-01"), "amount": -101}], "c1")
    put(database, changed)
    after = rows_of(query)
    assert len(after) == len(before) == 9
    assert [(a[1], a[3]) for a, b in zip(after, before, strict=True) if a != b] == [("c1", "0")]


def test_an_interrupted_load_leaves_nothing(database: str, rows_of: Ask) -> None:
    def breaks_off() -> Iterator[Rows]:
        yield from three_customers()
        raise KeyboardInterrupt

    connection = connect_columns(database)
    with pytest.raises(KeyboardInterrupt):
        load(connection, Schema(), breaks_off(), AGREED)
    connection.close()
    assert rows_of("SELECT count(*) FROM tuppence.customers") == [(0,)]
    put(database, *three_customers())
    (constraints,) = rows_of(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'tuppence.transactions'::regclass"
        " AND contype IN ('p', 'f')"
    )
    assert constraints == (2,)


def test_declared_attributes_travel(database: str, rows_of: Ask) -> None:
    tier = Field("tier", FieldType.TEXT, "Of the bank.")
    points = Field("points", FieldType.NUMBER, "Collected.", decimals=1)
    schema = Schema((tier, points))
    rows = [{"id": "ann", "currency": "GBP", "tier": "gold", "points": 125}]
    put(database, Rows(frame("customers", rows, schema)), schema=schema)
    query = "SELECT attributes ->> 'tier', attributes -> 'points' FROM tuppence.customers"
    assert rows_of(query) == [("gold", 125)]
    with pytest.raises(UserError, match="other attributes"):
        put(database, *three_customers())


def test_only_customers_with_a_live_consent_are_listed(database: str, rows_of: Ask) -> None:
    put(database, *three_customers())
    connection = connect_columns(database)
    assert page(connection, "", use(SUMMER), 2) == ["c0", "c1"]
    assert page(connection, "c1", use(SUMMER), 2) == ["c2"]
    assert page(connection, "", use(Date(day("2025-12-31"))), 9) == []  # before the grant
    assert page(connection, "", use(AGREED.expires), 9) == []
    connection.commit()
    rows_of("UPDATE tuppence.consents SET withdrawn_on = '2026-07-01' WHERE customer_id = 'c1'")
    assert page(connection, "", use(SUMMER), 9) == ["c0", "c2"]
    connection.close()


def test_consents_of_a_store_go_with_its_facts_and_back(
    database: str, tuppence: Run, tmp_path: Path
) -> None:
    store = FactStore.create(tmp_path / "here", Schema())
    for part in three_customers():
        store.append(part)
    known = [
        Consent("c0", "1", "insights", ("transactions",), "GB", 20_000, 20_050),
        Consent(
            "c1", "1", "insights", ("accounts", "balances"), "GB", 20_000, None, 30_000, 20_100
        ),
    ]
    Consents(tmp_path / "here").record(known)
    dates = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    for _ in range(2):
        tuppence("load", "--store", "here", "--to", database, *dates)
    connection = connect_columns(database)
    assert page(connection, "", use(SUMMER), 9) == ["c0", "c2"]  # c1 withdrew
    assert page(connection, "", use(AGREED.expires), 9) == ["c0"]  # c0's consent has no end
    connection.close()
    tuppence("load", "--from", database, "--store", "back")
    back = Consents(tmp_path / "back")
    assert back.of("c0") + back.of("c1") == known
    assert [(one.id, one.expires) for one in back.of("c2")] == [
        ("loaded c2/2026-01-01", AGREED.expires.day)
    ]
    assert back.limited(use(SUMMER)) == {"c0": {"transactions"}, "c1": NOTHING}
    assert migrate_database(database, "0002") == ("0013", "0002")
    assert migrate_database(database) == ("0002", "0013")
    connection = connect_columns(database)
    assert consents(connection, ["c0"])[0].expires is None
    connection.close()


def test_a_customer_without_consent_is_not_made_the_owner_of_a_store(
    database: str, rows_of: Ask, tuppence: Run, tmp_path: Path
) -> None:
    put(database, *three_customers())
    rows_of("DELETE FROM tuppence.consents WHERE customer_id = 'c1'")
    done = tuppence("load", "--from", database, "--store", "back", status=1)
    assert "error[consent.none]: the database has no consent of 1 customers" in done.stderr
    assert not (tmp_path / "back").exists()


def test_the_services_give_all_that_is_held_and_forget_it(
    database: str, rows_of: Ask, tuppence: Run, tmp_path: Path
) -> None:
    put(database, *three_customers())
    tuppence("load", "--from", database, "--store", "copy")
    tuppence("run", "--store", "copy", "--rules", BANK_FEES, "--as-of", "2026-06-30")
    copy = tmp_path / "copy"
    results_file = tmp_path / "services.sqlite"
    shutil.copy(copy / "results.sqlite", results_file)  # as services share no file with a store
    kept = ("--results", results_file, "--rulesets", copy / "rulesets")
    where = ("--database", database, *kept)
    of_services = json.loads(tuppence("export", "c1", *where).stdout)
    of_store = json.loads(tuppence("export", "c1", "--store", "copy").stdout)
    for only_in_stores in ("set aside", "imports", "corrections", "replaced results"):
        assert of_store.pop(only_in_stores) == []
    assert not any(of_store.pop("feed").values())
    assert not any(of_services.pop("feed").values())
    assert of_services == of_store
    assert [one["purpose"] for one in of_services["consents"]] == ["insights"]
    models = ModelDirectory(tmp_path / "models")
    models.put(PRIOR)
    models.publish(PRIOR.digest)
    done = tuppence("forget", "c1", *where, "--models", tmp_path / "models", "--settle", 0, "--yes")
    assert "destroyed: 1 models" in done.stdout
    assert (models.digests(), models.published()) == ([], None), "nobody has used a feed yet"
    assert "1 customers, 1 accounts, 3 transactions, 1 connections, 1 consents" in done.stdout
    assert "the results" in done.stdout
    for table in ("accounts", "transactions", "connections", "consents"):
        query = f"SELECT count(*) FROM tuppence.{table} WHERE customer_id = 'c1'"
        assert rows_of(query) == [(0,)]
    with Database(results_file, reading=True) as results:
        assert set(results.get(["c0", "c1", "c2"])) == {"c0", "c2"}
    for command in (("export", "c1"), ("forget", "c1", "--yes")):
        assert "there is no customer c1" in tuppence(*command, *where, status=1).stderr
    assert "say where the data are" in tuppence("export", "c1", status=1).stderr


def test_the_services_find_a_customer_by_the_card_number_that_a_store_hides(
    database: str, rows_of: Ask, tuppence: Run, tmp_path: Path
) -> None:
    card, store = "4111111111111111", tmp_path / "money"
    (tmp_path / "bank.csv").write_text(f"c,d,a\n{card},2026-06-24,-3.00\nc1,2026-06-24,-3.00\n")
    (tmp_path / "bank.yaml").write_text(
        "table: transactions\nconstants: {currency: GBP}\n"
        "columns: {customer: c, account: c, booking date: d, amount: a}\n"
    )
    tuppence("import", "csv", "bank.csv", "--mapping", "bank.yaml", "--store", store)
    consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    tuppence("load", "--store", store, "--to", database, *consent)
    tuppence("run", "--store", store, "--rules", BANK_FEES, "--as-of", "2026-06-30")
    results = tmp_path / "services.sqlite"
    where = ("--database", database, "--results", results, "--rulesets", store / "rulesets")
    settle = ("--settle", 0, "--yes")
    for command in (("export", "c1", *where), ("forget", "c1", *where, *settle)):
        assert "error[results.missing]" in tuppence(*command, status=1).stderr
    assert not results.exists()
    shutil.copy(store / "results.sqlite", results)
    key = ("--key", store / "identifiers.key")
    for command in (("export", card, *where), ("forget", card, *where, *settle)):
        refused = tuppence(*command, status=1).stderr
        assert "error[privacy.key-missing]" in refused
        assert "give --key with the file identifiers.key of the store" in refused
        assert "no customer" not in refused
        assert card not in refused
    assert json.loads(tuppence("export", "c1", *where).stdout)["transactions"]
    of_services = json.loads(tuppence("export", card, *where, *key).stdout)
    assert of_services["customers"][0]["id"].startswith("hidden-")
    of_store = json.loads(tuppence("export", card, "--store", store).stdout)
    assert of_store["transactions"] == of_services["transactions"]
    done = tuppence("forget", card, *where, *key, *settle)
    assert "1 customers, 1 accounts, 1 transactions" in done.stdout
    assert "the results" in done.stdout
    assert rows_of("SELECT id FROM tuppence.customers") == [("c1",)]
    assert "no customer hidden-" in tuppence("forget", card, *where, *key, *settle, status=1).stderr
    other = tmp_path / "other.key"
    other.write_text("nothing")
    broken = tuppence("export", card, *where, "--key", other, status=1).stderr
    assert "error[store.corrupt]" in broken


def test_the_services_find_a_customer_whose_identifier_an_older_version_let_in(
    database: str, rows_of: Ask, tuppence: Run, tmp_path: Path
) -> None:
    card = "4111111111111111"
    put(database, bank([], card))
    Database(tmp_path / "services.sqlite").close()
    (tmp_path / "rulesets").mkdir()
    where = ("--database", database, "--results", "services.sqlite", "--rulesets", "rulesets")
    assert card in tuppence("export", card, *where).stdout
    tuppence("forget", card, *where, "--settle", 0, "--yes")
    assert rows_of("SELECT id FROM tuppence.customers") == []


def test_the_last_known_balance_is_a_view(database: str, rows_of: Ask) -> None:
    put(database, *three_customers()[:1])
    query = "SELECT account_id, booking_date::text, balance FROM tuppence.balances"
    assert rows_of(query) == [("c0-1", "2026-06-02", 300)]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO tuppence.customers (id, currency) VALUES ('x', 'pounds')",
        "INSERT INTO tuppence.customers (id, currency) VALUES (E'a\\x1fb', 'GBP')",
        "UPDATE tuppence.customers SET country = 'Britain'",
        "UPDATE tuppence.customers SET attributes = '[]'",
        "UPDATE tuppence.consents SET expires_on = granted_on",
        "UPDATE tuppence.consents SET withdrawn_on = granted_on - 1",
        "UPDATE tuppence.accounts SET customer_id = 'c1' WHERE id = 'c0-1'",
        "INSERT INTO tuppence.accounts VALUES ('c1-1', 'c0', 'current')",
        "UPDATE tuppence.transactions SET account_id = 'c1-1' WHERE customer_id = 'c0'",
        "INSERT INTO tuppence.transactions SELECT * FROM tuppence.transactions",
    ],
)
def test_constraints_refuse_invalid_rows(database: str, rows_of: Ask, change: str) -> None:
    put(database, *three_customers())
    with pytest.raises(psycopg.IntegrityError):
        rows_of(change)


def test_erasing_a_customer_erases_all_of_it(database: str, rows_of: Ask) -> None:
    put(database, *three_customers())
    rows_of("DELETE FROM tuppence.customers WHERE id = 'c1'")
    for table in ("connections", "consents", "accounts", "transactions"):
        found = rows_of(f"SELECT DISTINCT customer_id FROM tuppence.{table} ORDER BY 1")
        assert found == [("c0",), ("c2",)]


def test_readers_cannot_write(database: str) -> None:
    put(database, *three_customers())
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE tuppence_reader")
        assert connection.execute("SELECT count(*) FROM tuppence.transactions").fetchone() == (9,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM tuppence.transactions")
