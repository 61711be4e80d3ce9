"""What every ResultStore and every Ledger does, whatever is behind it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest

from tuppence.adapters.embedded.database import Database
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, ResultStore, State, packed
from tuppence.runs.ledger import Ledger, RunRecord, Tally

LAYOUT = Layout("digest", (("a", ("x",)), ("b", ())))


class Both(ResultStore, Ledger, Protocol):
    """Today's adapters implement the two ports together."""


@pytest.fixture(params=["embedded"])
def kept(tmp_path: Path) -> Iterator[Both]:
    with Database(tmp_path / "results.sqlite") as database:
        yield database


def row(customer: str, as_of: int = 1, score: str = "1.0000") -> CustomerResults:
    result = Result("a", State.QUALIFIED, Decimal(score), {"x": "é"}, as_of)
    other = Result("b", State.UNKNOWN, None, {}, 1)
    return CustomerResults(customer, as_of, LAYOUT, pack([packed(result), packed(other)]))


def test_results_come_back_as_they_were(kept: ResultStore) -> None:
    rows = [row(f"c{n}") for n in range(1200)]
    kept.put(rows)
    found = kept.get([r.customer_id for r in rows] + ["nobody"])
    assert found == {r.customer_id: r for r in rows}
    assert kept.get([]) == {}


def test_results_are_found_among_many_others(kept: ResultStore) -> None:
    rows = [row(f"c{n:05d}") for n in range(5000)]
    kept.put(rows)
    few = ["c00000", "c04999", "c02500", "c0", "d"]
    assert sorted(kept.get(few)) == ["c00000", "c02500", "c04999"]


def test_newer_results_replace_older_ones_and_never_the_other_way(kept: ResultStore) -> None:
    kept.put([row("ann", as_of=5)])
    kept.put([row("ann", as_of=4, score="2.0000")])
    assert kept.get(["ann"])["ann"] == row("ann", as_of=5)
    kept.put([row("ann", as_of=5, score="3.0000")])
    assert kept.get(["ann"])["ann"] == row("ann", as_of=5, score="3.0000")


def test_a_scan_is_in_order_and_can_begin_anywhere(kept: ResultStore) -> None:
    kept.put([row(name) for name in ("cat", "ann", "bob")])
    assert [r.customer_id for r in kept.scan()] == ["ann", "bob", "cat"]
    assert [r.customer_id for r in kept.scan("ann")] == ["bob", "cat"]


RUN = RunRecord("r1", 5, "digest", ("i1", "i2"))


def test_a_ledger_knows_what_is_done(kept: Both) -> None:
    assert kept.latest() is None
    kept.start(RUN)
    assert kept.latest() == RUN
    assert kept.done("r1") == {}
    with kept.finishing("r1", "i1", Tally(customers=3)):
        kept.put([row("ann")])
    assert kept.done("r1") == {"i1": Tally(customers=3)}
    assert list(kept.get(["ann"])) == ["ann"]
    kept.finish("r1")
    latest = kept.latest()
    assert latest is not None
    assert latest.finished


def test_an_item_that_fails_is_not_done(kept: Both) -> None:
    kept.start(RUN)
    with pytest.raises(ZeroDivisionError), kept.finishing("r1", "i1", Tally()):
        raise ZeroDivisionError
    assert kept.done("r1") == {}


def test_an_item_can_be_finished_again(kept: Both) -> None:
    kept.start(RUN)
    for n in (1, 2):
        with kept.finishing("r1", "i1", Tally(customers=n)):
            pass
    assert kept.done("r1") == {"i1": Tally(customers=2)}


def test_a_run_that_is_started_again_has_nothing_done(kept: Both) -> None:
    kept.start(RUN)
    with kept.finishing("r1", "i1", Tally()):
        pass
    kept.start(RunRecord("r2", 6, "digest", ()))
    kept.start(RUN)
    assert kept.done("r1") == {}
    assert kept.latest() == RUN
