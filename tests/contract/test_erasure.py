"""Erases a customer at every moment of their evaluation, with each store of results."""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pytest
from tests.building import ROOT, bank, day
from tests.results import LAYOUT, new_table, night, row

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.results import DynamoResults
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.postgres.results import PostgresResults
from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import ResultStore
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.serving.answering import evaluate_kept
from tuppence.usecases.serving.messages import Request
from tuppence.usecases.serving.ruleset_cache import RulesetCache

AS_OF = Date(day("2026-06-30"))
MOMENTS = ("before", "facts read", "results written", "asked", "after")


class Interrupted:
    """Facts of ann and bob; runs a hook at each moment of an evaluation."""

    def __init__(
        self,
        store: FactStore,
        happen: Callable[[str], None] = lambda _: None,
        erased: set[str] | None = None,
    ) -> None:
        self._batch = store.read(store.partitions()[0][0])
        self._happen = happen
        self.erased = set() if erased is None else erased

    def schema(self) -> Schema:
        return Schema()

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        del as_of, fields
        self._happen("before")
        there = [i for i in self._batch.customer_ids if i in {*customer_ids} - self.erased]
        first = self._batch.customer_ids.index(there[0]) if there else 0
        found = self._batch.slice(first, first + len(there))
        self._happen("facts read")
        return found

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        self._happen("results written")
        found = [i for i in customer_ids if i in self.erased]
        self._happen("asked")
        return found

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    directory = RulesetDirectory(tmp_path_factory.mktemp("rulesets"))
    ruleset = make_ruleset(read_rules(ROOT / "catalogue" / "bank_fees.yaml", Schema()).usable())
    directory.put(ruleset)
    return RulesetCache(directory, Schema).engine(ruleset.digest, AS_OF)


@pytest.fixture(params=["sqlite", "dynamodb", "postgresql"])
def results(
    request: pytest.FixtureRequest, tmp_path: Path, engine: Engine
) -> Iterator[Callable[[], ResultStore]]:
    """Yield a function that opens the results, as engines and the eraser each do for themselves."""
    opened: list[Database | DynamoResults | PostgresResults] = []
    where = ""
    if request.param == "dynamodb":
        request.getfixturevalue("aws")
        where = new_table("customer_id", "rule_id")
    elif request.param == "postgresql":
        where = request.getfixturevalue("database")

    def open_results() -> ResultStore:
        found: Database | DynamoResults | PostgresResults
        if request.param == "sqlite":
            found = Database(tmp_path / "results.sqlite")
        elif request.param == "postgresql":
            found = PostgresResults(where)
        else:
            found = DynamoResults(client("dynamodb"), where, lambda _: engine.plan.layout)
        opened.append(found)
        return found

    yield open_results
    for one in opened:
        one.close()


@pytest.fixture
def store(tmp_path: Path) -> FactStore:
    rows = [{"booking date": day("2026-06-25"), "amount": -1250, "category": "bank fee"}]
    found = FactStore.create(tmp_path / "facts", Schema())
    for customer in ("ann", "bob"):
        found.append(bank(rows, customer))
    return found


class Erasure:
    """An erasure whose two steps happen at given moments of an evaluation, or at its end."""

    def __init__(self, store: ResultStore, facts_at: str, results_at: str) -> None:
        self._store = store
        self._moments = (facts_at, results_at)
        self._steps = 0
        self.erased: set[str] = set()

    def happen(self, moment: str) -> None:
        while self._steps < 2 and moment in (self._moments[self._steps], "after"):
            self._steps += 1
            if self._steps == 1:
                self.erased.add("ann")
            else:
                self._store.erase("ann")


@pytest.mark.parametrize("seen", [False, True], ids=["first time", "evaluated before"])
def test_results_of_erased_customers_never_reappear(
    engine: Engine, results: Callable[[], ResultStore], store: FactStore, seen: bool
) -> None:
    """The facts are erased at one moment of an evaluation, the results then or later."""
    kept, erasing = results(), results()
    for moments in itertools.combinations_with_replacement(MOMENTS, 2):
        if seen:
            evaluate_kept(engine, [Request(("ann", "bob"))], Interrupted(store), kept)
        erasure = Erasure(erasing, *moments)
        facts = Interrupted(store, erasure.happen, erasure.erased)
        (answer,) = evaluate_kept(engine, [Request(("ann", "bob"), results=True)], facts, kept)
        erasure.happen("after")
        assert set(kept.get(["ann", "bob"])) == {"bob"}, moments
        answered = {one.customer_id for one in answer.results or ()}
        assert answered | set(answer.missing) == {"ann", "bob"}
        kept.erase("bob")


def test_results_that_a_killed_engine_left_are_erased_at_the_next_request(
    engine: Engine, results: Callable[[], ResultStore], store: FactStore
) -> None:
    kept = results()
    facts = Interrupted(store)
    evaluate_kept(engine, [Request(("ann", "bob"))], facts, kept)
    facts.erased.add("ann")  # the engine was killed before it asked, and left results
    (answer,) = evaluate_kept(engine, [Request(("ann", "bob"))], facts, kept)
    assert answer.missing == ("ann",)
    assert set(kept.get(["ann", "bob"])) == {"bob"}


def test_erasure_is_checked_even_if_some_results_cannot_be_written(
    engine: Engine, results: Callable[[], ResultStore], store: FactStore
) -> None:
    kept = results()

    class Failing:
        by_rule = kept.by_rule
        get, erase = kept.get, kept.erase

        def put(self, rows: object) -> None:
            kept.put(rows)  # type: ignore[arg-type]
            raise UserError("store.disk", "some were written")

    def happen(moment: str) -> None:
        if moment == "facts read":
            facts.erased.add("ann")

    facts = Interrupted(store, happen)
    with pytest.raises(UserError, match="some were written"):
        evaluate_kept(engine, [Request(("ann", "bob"))], facts, Failing())
    assert set(kept.get(["ann", "bob"])) == {"bob"}


def test_results_that_a_run_has_replaced_are_erased_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Database(path) as kept:
        for as_of in (5, 6):
            night(kept, f"r{as_of}", row("ann", as_of), row("bob", as_of), as_of=as_of)
        assert kept.of("ann").before == row("ann", 5)
        assert kept.erase("ann") is True
        assert kept.of("ann")[:2] == (None, None)
        assert kept.of("bob").before == row("bob", 5)
    assert b"ann" not in path.read_bytes()
    with Database(path) as kept:  # what is left of the last run alone
        night(kept, "r7", row("bob", 7), as_of=7)
        kept._file.connection.execute("DELETE FROM results")
        assert kept.erase("bob") is True
    assert b"bob" not in path.read_bytes()


@pytest.mark.usefixtures("aws")
def test_retiring_an_erased_result_does_not_recreate_it() -> None:
    table = new_table("customer_id", "rule_id")
    kept = DynamoResults(client("dynamodb"), table, lambda _: LAYOUT)
    kept._retire(row("ann"), "a")
    assert client("dynamodb").scan(TableName=table)["Items"] == []
    kept.close()
