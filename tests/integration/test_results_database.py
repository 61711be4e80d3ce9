"""Nights whose results go to PostgreSQL: in threads, on a cluster, twice, and to a busy one."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import stamina
from stamina.instrumentation import RetryDetails, RetryHookFactory, set_on_retry_hooks
from tests.addresses import AS_OF, Packed, packed, population, run_there, share, use_as_of
from tests.building import some_rules
from tests.clusters import Cluster

from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.adapters.postgres.connection import connect_columns
from tuppence.adapters.postgres.facts import erase
from tuppence.adapters.postgres.results import PostgresResults
from tuppence.bootstrap.address import night_at_address
from tuppence.bootstrap.store import StoreFolder
from tuppence.errors import UserError
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import WorkItem

Ask = Callable[..., list[tuple[object, ...]]]
NEXT = "2026-07-01"


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return some_rules("bank_fees", "eating_out_up", "pay_arrived")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> StoreFolder:
    return population(tmp_path_factory.mktemp("here"))


@pytest.fixture
def shared(here: StoreFolder, tmp_path: Path) -> StoreAddress:
    return share(here, f"file://{tmp_path}/shared")


@pytest.fixture
def loader(login: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a login that may write results; its password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", "pass")
    return login("night_login", "loader").replace(":pass@", "@")


def stored(url: str, customers: Packed) -> Packed:
    with closing(PostgresResults(url)) as results:
        found = results.get([*customers])
    return {customer: (row.as_of, row.packed) for customer, row in found.items()}


def versions(rows_of: Ask) -> dict[str, str]:
    """Return which transaction has written the row of each customer."""
    query = "SELECT customer_id, xmin::text FROM tuppence.results"
    return {str(customer): str(version) for customer, version in rows_of(query)}


def test_a_night_leaves_its_results_in_a_database_and_writes_only_what_is_new(
    shared: StoreAddress,
    rules: Ruleset,
    loader: str,
    login: Callable[..., str],
    database: str,
    rows_of: Ask,
) -> None:
    run_there(shared, rules, results=loader)
    first = packed(shared)
    assert len(first) == 60
    days = "SELECT DISTINCT as_of::text FROM tuppence.results"
    assert rows_of(days) == [(AS_OF,)]
    assert stored(login("feed_login", "feed"), first) == first, "the service of feeds reads it"
    before = versions(rows_of)
    run_there(shared, rules, as_of=NEXT, results=loader)
    second = packed(shared)
    assert stored(loader, second) == second
    changed = {customer for customer, row in second.items() if row != first[customer]}
    assert 0 < len(changed) < 60
    after = versions(rows_of)
    assert {customer for customer in after if after[customer] != before[customer]} == changed
    with closing(connect_columns(database)) as connection:
        assert erase(connection, "C0000001")["results"] == 1
    assert "C0000001" not in versions(rows_of)


def test_a_part_that_is_done_twice_writes_nothing_the_second_time(
    shared: StoreAddress, rules: Ruleset, loader: str, rows_of: Ask
) -> None:
    outcome = run_there(shared, rules, results=loader)
    before = versions(rows_of)
    entry = Path(f"{shared}".removeprefix("file://"))
    (done,) = entry.glob("runs/*/done/p00000.json")
    done.unlink()  # as if its worker had ended before it entered the part
    nights = night_at_address(shared, use_as_of(), "", 1, loader).nights
    assert (
        nights.doing(outcome.run_id)(WorkItem("p00000", 0, 10))
        == nights.done(outcome.run_id)["p00000:0-10"]
    )
    assert versions(rows_of) == before


def test_workers_of_a_cluster_write_to_the_database(
    shared: StoreAddress, rules: Ruleset, loader: str, tmp_path: Path
) -> None:
    with Cluster(tmp_path, 2, {"PGPASSWORD": "pass"}).running() as cluster:
        run_there(shared, rules, on=cluster.address, results=loader)
    assert stored(loader, packed(shared)) == packed(shared)


def test_a_database_without_a_free_connection_is_tried_again(
    shared: StoreAddress, rules: Ruleset, loader: str, database: str
) -> None:
    waited: list[str] = []

    def allow(limit: int) -> None:
        with psycopg.connect(database) as owner:
            owner.execute(f"ALTER ROLE night_login CONNECTION LIMIT {limit}")

    def wait(details: RetryDetails) -> None:
        waited.append(str(details.caused_by))
        allow(-1)

    allow(0)
    set_on_retry_hooks([RetryHookFactory(lambda: wait)])
    try:
        with stamina.set_testing(True, attempts=3):
            run_there(shared, rules, results=loader)
    finally:
        set_on_retry_hooks(None)
    assert "too many connections" in waited[0]
    assert stored(loader, packed(shared)) == packed(shared)


def test_parts_say_that_a_database_stays_unreachable(shared: StoreAddress, rules: Ruleset) -> None:
    with stamina.set_testing(True, attempts=2), pytest.raises(UserError) as raised:
        run_there(shared, rules, results="postgresql://nobody@127.0.0.1:9/results")
    assert raised.value.code == "database.unreachable"
    assert len(raised.value.details) == 6


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("postgresql://ann:secret@host/results", "results.password"),
        ("postgresql://host/results?password=secret", "results.password"),
        ("postgresql://host/results?nonsense=1", "results.address"),
        ("mysql://host/results", "results.address"),
    ],
)
def test_an_address_with_a_password_or_of_no_database_is_refused(
    shared: StoreAddress, address: str, code: str
) -> None:
    with pytest.raises(UserError) as raised:
        night_at_address(shared, use_as_of(), "", 1, address)
    assert raised.value.code == code
    assert "secret" not in raised.value.message
