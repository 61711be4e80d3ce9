"""Contract of result stores and ledgers, checked for every implementation."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fleet import MemoryLedger
from tests.results import LAYOUT, LAYOUTS, new_table, night, row

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.results import DynamoResults
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.postgres.results import PostgresResults
from tuppence.errors import UserError
from tuppence.feel import Date, evaluate
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, ResultStore, State, packed
from tuppence.usecases.fleet.messages import (
    FleetItem,
    FleetRun,
    GivenUp,
    Page,
    PageName,
    PageState,
)
from tuppence.usecases.fleet.ports import FleetLedger
from tuppence.usecases.ledger import RunRecord, Tally


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "results.sqlite") as database:
        yield database


@pytest.fixture(params=["sqlite", "dynamodb", "postgresql"])
def kept(request: pytest.FixtureRequest) -> Iterator[ResultStore]:
    if request.param == "sqlite":
        yield request.getfixturevalue("database")
        return
    store: DynamoResults | PostgresResults
    if request.param == "postgresql":
        new_database = request.getfixturevalue("new_database")
        store = PostgresResults(new_database(request.getfixturevalue("migrated")))
    else:
        request.getfixturevalue("aws")
        table = new_table("customer_id", "rule_id")
        store = DynamoResults(client("dynamodb"), table, LAYOUTS.__getitem__)
    yield store
    store.close()


@pytest.fixture(params=["memory", "dynamodb"])
def book(request: pytest.FixtureRequest) -> FleetLedger:
    if request.param == "memory":
        return MemoryLedger()
    request.getfixturevalue("aws")
    return DynamoLedger(client("dynamodb"), new_table("run_id", "entry"))


def test_an_erased_customer_has_no_results(kept: ResultStore) -> None:
    kept.put([row("ann"), row("bob")])
    assert kept.erase("ann") is True
    assert set(kept.get(["ann", "bob"])) == {"bob"}
    assert kept.erase("ann") is False


def test_stored_results_are_read_back_unchanged(kept: ResultStore) -> None:
    rows = [row(f"c{n}") for n in range(250)]
    kept.put(rows)
    found = kept.get([r.customer_id for r in rows] + ["nobody"])
    assert found == {r.customer_id: r for r in rows}
    assert kept.get([]) == {}


def test_results_are_found_among_many_others(database: Database) -> None:
    rows = [row(f"c{n:05d}") for n in range(5000)]
    database.put(rows)
    few = ["c00000", "c04999", "c02500", "c0", "d"]
    assert sorted(database.get(few)) == ["c00000", "c02500", "c04999"]


def test_newer_results_replace_older_ones_but_older_ones_never_replace_newer(
    kept: ResultStore,
) -> None:
    kept.put([row("ann", as_of=5)])
    kept.put([row("ann", as_of=4, score="2.0000")])
    assert kept.get(["ann"])["ann"] == row("ann", as_of=5)
    kept.put([row("ann", as_of=5, score="3.0000")])
    assert kept.get(["ann"])["ann"] == row("ann", as_of=5, score="3.0000")


def test_a_scan_is_ordered_and_can_start_anywhere(database: Database) -> None:
    database.put([row(name) for name in ("cat", "ann", "bob")])
    assert [r.customer_id for r in database.scan()] == ["ann", "bob", "cat"]
    assert [r.customer_id for r in database.scan("ann")] == ["bob", "cat"]


def test_every_kind_of_value_is_read_back_unchanged(kept: ResultStore) -> None:
    values = {
        "number": Decimal("-12345678901234.5678"),
        "large": Decimal(10) ** 33,
        "larger": Decimal(10) ** 40,
        "text": "",
        "yes": True,
        "none": None,
        "day": Date(20_000),
        "list": [Decimal("1.5"), "a", None, {"x": Date(1)}],
        "duration": evaluate('@"P1Y2M"'),
    }
    layout = Layout("values", (("a", tuple(values)),))
    LAYOUTS["values"] = layout
    result = Result("a", State.QUALIFIED, None, values, 3)
    kept.put([CustomerResults("ann", 3, layout, pack([packed(result)]))])
    assert kept.get(["ann"])["ann"].results == (result,)


def test_a_removed_rule_leaves_no_result(kept: ResultStore) -> None:
    kept.put([row("ann", as_of=5)])
    fewer = Layout("fewer", LAYOUT.rules[:1])
    LAYOUTS["fewer"] = fewer
    left = CustomerResults("ann", 6, fewer, pack([packed(row("ann", 5).results[0])]))
    kept.put([left])
    assert [r.rule_id for r in kept.get(["ann"])["ann"].results] == ["a"]
    kept.put([row("ann", as_of=7)])
    assert kept.get(["ann"])["ann"].results == row("ann", as_of=7).results


RUN = RunRecord("r1", 5, "digest", ("i1", "i2"))


def test_a_ledger_records_which_items_are_done(database: Database) -> None:
    assert database.latest() is None
    database.start(RUN)
    assert database.latest() == RUN
    assert database.done("r1") == {}
    with database.completing("r1", "i1", Tally(customers=3)):
        database.put([row("ann")])
    assert database.done("r1") == {"i1": Tally(customers=3)}
    assert list(database.get(["ann"])) == ["ann"]
    database.finish("r1")
    latest = database.latest()
    assert latest is not None
    assert latest.finished


def test_a_failed_item_is_not_recorded_as_done(database: Database) -> None:
    database.start(RUN)
    with pytest.raises(ZeroDivisionError), database.completing("r1", "i1", Tally()):
        raise ZeroDivisionError
    assert database.done("r1") == {}


def test_finishing_an_item_twice_is_allowed(database: Database) -> None:
    database.start(RUN)
    for n in (1, 2):
        with database.completing("r1", "i1", Tally(customers=n)):
            pass
    assert database.done("r1") == {"i1": Tally(customers=2)}


def test_a_restarted_run_has_no_finished_items(database: Database) -> None:
    database.start(RUN)
    with database.completing("r1", "i1", Tally()):
        pass
    database.start(RunRecord("r2", 6, "digest", ()))
    database.start(RUN)
    assert database.done("r1") == {}
    assert database.latest() == RUN


def test_the_results_of_the_run_before_are_kept_beside_the_last_ones(database: Database) -> None:
    night(database, "r1", row("ann", 5), row("bob", 5))
    first = database.of("ann")
    assert (first.results, first.before) == (row("ann", 5), None)
    assert first.latest is not None
    assert first.latest.before is None
    night(database, "r2", row("ann", 6), row("cat", 6), as_of=6)
    ann, bob, cat = (database.of(name) for name in ("ann", "bob", "cat"))
    assert (ann.results, ann.before) == (row("ann", 6), row("ann", 5))
    assert (bob.results, bob.before) == (row("bob", 5), row("bob", 5))  # the run changed nothing
    assert (cat.results, cat.before) == (row("cat", 6), None)
    assert ann.latest is not None
    assert ann.latest.before == 5
    night(database, "r3", row("bob", 7), as_of=7)
    ann, bob = (database.of(name) for name in ("ann", "bob"))
    assert ann.before == ann.results == row("ann", 6)
    assert bob.before == row("bob", 5)


def test_a_run_that_did_not_finish_is_not_the_run_before(database: Database) -> None:
    night(database, "r1", row("ann", 5), row("bob", 5))
    night(database, "r2", row("ann", 6), as_of=6, finished=False)
    night(database, "r3", row("ann", 7), row("bob", 7), as_of=7)
    for name in ("ann", "bob"):
        found = database.of(name)
        assert found.before == row(name, 5)
        assert found.latest is not None
        assert found.latest.before == 5


def test_a_run_that_starts_again_keeps_what_it_replaced_first(database: Database) -> None:
    night(database, "r1", row("ann", 5))
    night(database, "r2", row("ann", 6), as_of=6, finished=False)
    night(database, "r2", row("ann", 6), as_of=6)
    night(database, "r2", row("ann", 6), as_of=6)
    assert database.of("ann").before == row("ann", 5)


def test_an_item_keeps_what_it_replaces_with_its_results_or_not_at_all(database: Database) -> None:
    night(database, "r1", row("ann", 5))
    database.start(RunRecord("r2", 6, "digest", ("i1",)))
    with contextlib.suppress(ZeroDivisionError), database.completing("r2", "i1", Tally()):
        database.replace([row("ann", 6)], database.get(["ann"]))
        raise ZeroDivisionError
    found = database.of("ann")
    assert found.results == found.before == row("ann", 5)


NIGHT = FleetRun("night", "2026-06-30", "digest")


def test_a_run_is_begun_once(book: FleetLedger) -> None:
    assert book.latest() == ""
    assert book.begin(NIGHT) == NIGHT
    moved = book.compare_and_set(NIGHT, replace(NIGHT, cursor="c", pages=2, unsent=("b", "c")))
    assert book.begin(NIGHT) == moved
    assert book.latest() == "2026-06-30"
    with pytest.raises(UserError, match="night is as of 2026-06-30, with ruleset digest"):
        book.begin(replace(NIGHT, ruleset="other"))


def test_an_older_run_is_refused(book: FleetLedger) -> None:
    book.begin(NIGHT)
    with pytest.raises(UserError, match="the latest run is as of 2026-06-30"):
        book.begin(FleetRun("older", "2026-06-29", "digest"))
    assert book.begin(FleetRun("same", "2026-06-30", "other")).pages == 0


def test_only_one_of_two_listers_continues(book: FleetLedger) -> None:
    book.begin(NIGHT)
    first = replace(NIGHT, cursor="b", pages=1, unsent=("a", "b"))
    assert book.compare_and_set(NIGHT, first) == first
    assert book.compare_and_set(NIGHT, replace(NIGHT, cursor="x", pages=1)) == first
    listed = replace(first, unsent=(), listed=True)
    assert book.compare_and_set(first, listed) == listed
    assert book.compare_and_set(first, replace(first, pages=2)) == listed


def test_an_entry_made_twice_counts_once(book: FleetLedger) -> None:
    book.begin(NIGHT)
    page = PageName("night", "2026-06-30", 17)
    for _ in range(2):
        book.record(page, items=5)
        book.record(page, done=[0, 1])
        book.record(page, done=[1, 2])
        book.give_up(REFUSED)
    run, pages = book.read("night")
    assert run == NIGHT
    assert list(pages) == [PageState(17, 5, frozenset({0, 1, 2}), {3: REFUSED})]


REFUSED = GivenUp(
    FleetItem("night", "2026-06-30", "digest", 17, 3, ("ann", "bob"), ("fees",)), "refused"
)
LOST = GivenUp(Page("night", "2026-06-30", "digest", 17, ("ann", "bob"), 2, 0), "dead letter")


def test_what_is_given_up_is_kept_with_its_reason_until_it_is_sent_again(book: FleetLedger) -> None:
    book.begin(NIGHT)
    book.give_up(REFUSED)
    later = replace(REFUSED, work=replace(REFUSED.work, customers=("bob",)), reason="poison")
    book.give_up(later)
    book.give_up(LOST)
    assert list(book.read("night")[1]) == [PageState(17, None, frozenset(), {3: later}, LOST)]
    book.forget(later)
    book.forget(LOST)
    assert not any(page.given_up or page.page for page in book.read("night")[1])


def test_the_run_of_everybody_of_a_date_is_found(book: FleetLedger) -> None:
    assert book.night("2026-06-30") is None
    book.begin(NIGHT)
    book.begin(FleetRun("some", "2026-06-30", "digest", chosen=("ann",)))
    book.begin(FleetRun("others", "2026-06-30", "digest", prefix="b"))
    assert book.night("2026-06-30") == "night"
    book.begin(FleetRun("again", "2026-06-30", "other"))
    book.begin(NIGHT)
    assert book.night("2026-06-30") == "night", "the one that was begun, or resumed, last"


def test_a_page_that_is_not_split_has_no_number_of_items(book: FleetLedger) -> None:
    book.begin(NIGHT)
    book.record(PageName("night", "2026-06-30", 0), done=[4])
    _, pages = book.read("night")
    assert list(pages) == [PageState(0, None, frozenset({4}), {})]
    with pytest.raises(UserError, match="no run day"):
        book.read("day")
