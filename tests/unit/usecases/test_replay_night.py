"""Checks replays of past nights: they find what was found then, and say what has changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.building import bank, copy_rules, day
from tests.commands import command

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.errors import UserError
from tuppence.usecases.ledger import RunRecord
from tuppence.usecases.replay_night import find_night

RULES = ("bank_fees", "week_in_review", "energy_costs")
NIGHTS = ("2026-06-29", "2026-06-30")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store, rules = tmp_path / "store", copy_rules(tmp_path / "rules", *RULES)
    command("synth", "--store", store, "--customers", 40, "--seed", 1)
    for night in NIGHTS:
        command("run", "--store", store, "--rules", rules, "--as-of", night, "--processes", 1)
        (rules / "energy_costs.yaml").unlink(missing_ok=True)
    return store


def replay(store: Path, night: str, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        command("replay", night, "--store", store, "--format", "json", status=status)
    )
    return found


def test_each_night_is_found_again_with_its_own_rules(store: Path) -> None:
    first, second = (replay(store, night) for night in NIGHTS)
    assert [one["rule_id"] for one in first["rules"]] == sorted(RULES)
    assert [one["rule_id"] for one in second["rules"]] == sorted(RULES[:2])
    for found in (first, second):
        assert found["same_facts"]
        assert not found["differs"]
        assert found["customers"] == {"then": 40, "now": 40}
        assert sum(one["now"]["qualified"] for one in found["rules"]) > 0
    assert [one["stored"] for one in first["rules"]] == [None] * 3
    assert [one["stored"] for one in second["rules"]] == [0] * 2
    assert replay(store, second["run_id"]) == second
    assert "3 of 3 rules found what they found then" in command(
        "replay", NIGHTS[0], "--store", store
    )


def test_what_was_imported_since_then_is_told(store: Path) -> None:
    facts = StoreFolder(store).facts()
    late = [
        {"id": "late", "amount": -900, "category": "bank fee", "booking date": day("2026-06-20")}
    ]
    facts.append(bank(late, "C0000001"))
    found = replay(store, NIGHTS[1])
    assert not found["same_facts"]
    assert found["differs"]
    (fees,) = (one for one in found["rules"] if one["rule_id"] == "bank_fees")
    assert fees["now"]["qualified"] == fees["then"]["qualified"] + 1
    assert fees["stored"] == 1
    said = command("replay", NIGHTS[1], "--store", store)
    assert "facts or consents have changed since then" in said
    assert "1 of 2 rules found what they found then" in said


def test_a_night_that_cannot_be_found_again_is_an_error(store: Path) -> None:
    with StoreFolder(store).results() as kept:
        run = kept.latest()
        assert run is not None
        (item, tally), *_ = kept.done(run.run_id).items()
        wrong = [
            one.__class__(one.rule_id, one.qualified + 1, one.unknown) for one in tally.by_rule
        ]
        changed = tally.__class__(tally.customers, by_rule=tuple(wrong))
        with kept.completing(run.run_id, item, changed):
            pass
    said = command("replay", NIGHTS[1], "--store", store, status=1)
    assert "cannot be replayed: its facts give other results" in said


@pytest.mark.parametrize(
    ("night", "code"),
    [
        ("2026-06-30", None),
        ("r1", None),
        ("r3", "replay.unfinished"),
        ("2026-07-01", "replay.unfinished"),
        ("2026-01-01", "replay.unknown"),
        ("nothing", "replay.unknown"),
    ],
)
def test_a_night_is_named_by_its_day_or_its_run(night: str, code: str | None) -> None:
    day = 20_634
    runs = [RunRecord("r3", day + 1, "x", ()), RunRecord("r2", day, "x", (), finished=False),
            RunRecord("r1", day, "x", (), finished=True)]  # fmt: skip
    if code is None:
        assert find_night(runs, night).run_id == "r1"
        return
    with pytest.raises(UserError) as told:
        find_night(runs, night)
    assert told.value.code == code


def test_a_store_without_runs_has_no_night(tmp_path: Path) -> None:
    command("synth", "--store", tmp_path / "store", "--customers", 2, "--seed", 1)
    said = command("replay", "2026-06-30", "--store", tmp_path / "store", status=1)
    assert "there are no results here" in said
