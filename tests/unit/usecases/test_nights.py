"""Checks the counts of each rule in runs, and the nights that are made of them."""

from pathlib import Path

import pytest
from tests.building import some_rules

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.nights import night_dependencies
from tuppence.facts.consent import PURPOSES, Use
from tuppence.feel.values import Date, parse_date
from tuppence.results.result import State
from tuppence.usecases.ledger import RuleCount, RunRecord, Tally, add
from tuppence.usecases.nights import (
    Drift,
    Night,
    Publication,
    by_day,
    nights_of,
    publication_of,
    trends_of,
)
from tuppence.usecases.run_night import run_night


def night(day: int, qualified: int | None, *, finished: bool = True) -> Night:
    counts = () if qualified is None else (RuleCount("a", qualified, 1),)
    run = RunRecord(f"r{day}", day, "x", ("i1",), finished)
    return Night(run, 1, Tally(100, by_rule=counts), {one.rule_id: one for one in counts})


def test_a_run_counts_each_rule(store: Path) -> None:
    held = StoreFolder(store)
    as_of = parse_date("2026-06-30")
    assert as_of is not None
    deps = night_dependencies(held, Use(PURPOSES, as_of.day, as_of.day))
    ruleset = some_rules("bank_fees", "energy_costs")
    outcome = run_night(deps, ruleset, as_of, 1, lambda _: None)
    with held.read_results() as kept:
        states = {one.rule_id: one.state for row in kept.scan() for one in row.results}
    assert {one.rule_id: (one.qualified, one.unknown) for one in outcome.tally.by_rule} == {
        rule: (state is State.QUALIFIED, state is State.UNKNOWN) for rule, state in states.items()
    }
    assert set(states.values()) == {State.QUALIFIED, State.UNKNOWN}
    (found,) = nights_of(held)
    assert (found.run.finished, found.done, found.tally, found.as_of) == (
        True, 1, outcome.tally, as_of,
    )  # fmt: skip


def test_counts_of_several_items_are_added() -> None:
    one = Tally(by_rule=(RuleCount("b", 1, 2), RuleCount("a", 1, 0)))
    other = Tally(by_rule=(RuleCount("b", 10, 20),))
    assert add([one, other, Tally()]).by_rule == (RuleCount("a", 1, 0), RuleCount("b", 11, 22))


def test_the_newest_runs_come_first_with_what_is_done(tmp_path: Path) -> None:
    with Database(tmp_path / "results.sqlite") as database:
        for name in ("r1", "r2", "r3"):
            database.start(RunRecord(name, int(name[1]), "x", ("i1", "i2")))
            with database.completing(name, "i1", Tally(customers=1)):
                pass
        found = database.newest(2)
    assert [(run.run_id, dict(done)) for run, done in found] == [
        ("r3", {"i1": Tally(customers=1)}),
        ("r2", {"i1": Tally(customers=1)}),
    ]


def test_a_store_without_runs_has_no_nights(store: Path) -> None:
    assert nights_of(StoreFolder(store)) == []
    assert trends_of([]) == []


def test_the_last_finished_run_of_a_day_is_its_night() -> None:
    runs = [night(3, 1, finished=False), night(2, 5), night(2, 9), night(1, 4)]
    assert by_day(runs) == [runs[1], runs[3]]


@pytest.mark.parametrize(
    ("newest", "earlier", "is_unusual"),
    [
        (150, [100] * 7, True),
        (50, [100] * 7, True),
        (105, [100] * 7, False),
        (150, [100] * 6, False),
        (9, [1] * 7, False),
        (150, [100] * 6 + [160], False),
        (150, [100] * 7 + [None], True),
    ],
)
def test_a_count_outside_of_a_week_of_nights_is_unusual(
    newest: int, earlier: list[int | None], is_unusual: bool
) -> None:
    nights = [night(100, newest), *(night(99 - n, one) for n, one in enumerate(earlier))]
    (trend,) = trends_of(nights)
    assert trend.is_unusual is is_unusual
    assert [one and one.qualified for one in trend.counts] == [newest, *earlier]
    unfinished = [night(100, newest, finished=False), *nights[1:]]
    assert not trends_of(unfinished)[0].is_unusual


def test_a_number_of_unknown_results_can_be_unusual_alone() -> None:
    earlier = [night(99 - n, 100) for n in range(7)]
    counts = RuleCount("a", 100, 40)
    newest = night(100, 100)._replace(rules={"a": counts})
    (trend,) = trends_of([newest, *earlier])
    assert trend.qualified == Drift(100, 100, is_unusual=False)
    assert trend.unknown == Drift(1, 1, is_unusual=True)
    assert trend.is_unusual


def test_a_publication_says_which_rules_differ() -> None:
    rules = {one.rule.id: one.rule for one in some_rules("bank_fees", "energy_costs").rules}
    other = {"bank_fees": rules["energy_costs"], "new": rules["bank_fees"]}
    assert publication_of(other, rules) == Publication(("new",), ("bank_fees",), ("energy_costs",))


def test_a_night_says_its_day() -> None:
    assert night(20_634, 1).as_of == Date(20_634)
