"""Checks previews for people who type: they stay warm, follow the store, and the newest wins."""

import itertools
import json
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from tests.building import ROOT, bank, catalogue, day, some_rules
from tests.commands import command

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.thresholds import thresholds, with_threshold
from tuppence.usecases.explain_result import explain_draft
from tuppence.usecases.nights import nights_of
from tuppence.usecases.preview_session import EDITORS, PreviewSession

TODAY = Date(day("2026-07-01"))


def session(store: Path) -> PreviewSession:
    return PreviewSession(StoreFolder(store), PURPOSES, lambda: TODAY, 2, 1_000_000_000)


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("session") / "store"
    command("synth", "--store", store, "--customers", 80, "--seed", 3)
    command("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", "2026-06-30")
    return store


@pytest.mark.parametrize("name", ["bank_fees", "energy_costs", "week_in_review"])
def test_numbers_are_those_of_the_command(population: Path, name: str) -> None:
    rule = some_rules(name).rules[0]
    previews = session(population)
    first, as_of = previews.preview(rule)
    again, _ = previews.preview(rule)
    asked = ("rules", "preview", ROOT / "catalogue" / f"{name}.yaml", "--store", population)
    told = json.loads(command(*asked, "--format", "json"))
    assert again == first
    assert str(as_of) == "2026-06-30"
    assert (first.qualified, first.unknown, list(first.examples)) == (
        told["qualified"], told["unknown"], told["examples"],
    )  # fmt: skip
    assert sum(one.count for one in first.reasons if one.place == "when") == first.unknown


def test_numbers_are_those_of_the_night_for_rules_of_all_kinds(population: Path) -> None:
    night = nights_of(StoreFolder(population))[0]
    previews = session(population)
    rules = catalogue().rules[::6]
    assert len(rules) > 10
    for rule in rules:
        found, as_of = previews.preview(rule)
        counts = night.rules[rule.rule.id]
        assert (found.qualified, found.unknown) == (counts.qualified, counts.unknown), rule.rule.id
        assert found.customers == night.tally.customers
        assert as_of == night.as_of
        assert found.compared is not None
        assert (found.compared.come, found.compared.go) == (0, 0)


def test_other_thresholds_are_counted_as_if_they_were_written(population: Path) -> None:
    rule = some_rules("energy_costs").rules[0]
    previews = session(population)
    found, as_of = previews.preview(rule)
    qualified = found.qualified
    bills, yearly = previews.reach(rule, thresholds(rule))
    assert bills[Decimal(9)].qualified == yearly[Decimal(1800)].qualified == qualified
    counts = [one.qualified for one in yearly.values()]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 2
    assert previews.reach(rule, []) == []
    for number, one in yearly.items():
        assert bool(one.newcomers) is (number < 1800 and one.qualified > qualified)
    looser = with_threshold(rule, thresholds(rule)[1])[Decimal(1620)]
    for customer in yearly[Decimal(1620)].newcomers:
        states = [
            explain_draft(StoreFolder(population), customer, one, as_of, PURPOSES, TODAY)
            for one in (rule, looser)
        ]
        assert [one.explanation.result.state for one in states] == ["not_qualified", "qualified"]


def test_a_change_of_the_store_is_seen(tmp_path: Path) -> None:
    store = tmp_path / "store"
    facts = FactStore.create(store, Schema())
    fee = {"booking date": day("2026-06-29"), "amount": -900, "category": "bank fee"}
    old = {"booking date": day("2026-01-01"), "amount": -1}
    facts.append(bank([old, fee], "ann"))
    previews, rule = session(store), some_rules("bank_fees").rules[0]
    assert previews.preview(rule)[0].qualified == 1
    facts.append(bank([old, fee], "bob"))
    assert previews.preview(rule)[0].qualified == 2
    command(
        "consent", "grant", "bob", "--on", "2026-01-01", "--until", "2026-06-25", "--store", store
    )
    assert previews.preview(rule)[0].customers == 1


def test_a_newer_text_of_the_same_editor_ends_a_preview(population: Path) -> None:
    previews, rule = session(population), some_rules("bank_fees").rules[0]
    first, other = previews.ticket("one"), previews.ticket("two")
    assert not first()
    second = previews.ticket("one")
    assert first()
    assert not second()
    assert not other()
    with pytest.raises(UserError) as error:
        previews.preview(rule, first)
    assert error.value.code == "preview.cancelled"
    assert previews.preview(rule, second)[0].customers == 80


def test_a_preview_that_runs_is_ended_by_a_newer_text(population: Path) -> None:
    previews, rule = session(population), some_rules("bank_fees").rules[0]
    began, go_on = threading.Event(), threading.Event()
    ticket, asked = previews.ticket("one"), itertools.count()
    ended: list[str] = []

    def is_cancelled() -> bool:
        if next(asked):  # the first time it is asked before anything is evaluated
            began.set()
            go_on.wait()
        return ticket()

    def run() -> None:
        try:
            previews.preview(rule, is_cancelled)
        except UserError as error:
            ended.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    began.wait()
    previews.ticket("one")
    go_on.set()
    thread.join()
    assert ended == ["preview.cancelled"]


def test_the_memory_of_editors_is_bounded(population: Path) -> None:
    previews = session(population)
    first = previews.ticket("first")
    for number in range(EDITORS):
        previews.ticket(f"editor {number}")
    assert not first(), "an editor that is forgotten goes on"
    assert len(previews._tickets) == EDITORS
