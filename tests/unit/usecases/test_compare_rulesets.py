"""Checks comparisons of rulesets: per rule and per customer, as two runs would find."""

import json
from pathlib import Path

import pytest
from tests.building import TODAY, batch, copy_rules, rule
from tests.commands import command

from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Schema
from tuppence.facts.source import LoadedFacts
from tuppence.feel.values import Date
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.compare_rulesets import (
    ComparedRule,
    RuleChange,
    RulesetComparison,
    compare_rulesets,
)
from tuppence.usecases.everybody import Everybody
from tuppence.usecases.ledger import RuleCount

BEFORE = make_ruleset([
    rule("total(payments.amount) > 5", name="moved"),
    rule("total(payments.amount) > 7", name="same"),
    rule("total(payments.amount) > 8", name="removed"),
])  # fmt: skip
AFTER = make_ruleset([
    rule("if total(payments.amount) > 8 then null else total(payments.amount) > 3", name="moved"),
    rule("total(payments.amount) > 7", name="same"),
    rule("total(payments.amount) > 9", name="added"),
])  # fmt: skip


def compared(listed: int = 100) -> tuple[RulesetComparison, list[int]]:
    """Compare the rulesets for customers who have paid 1 to 10."""
    amounts = [(-100 * (n + 1),) for n in range(10)]
    facts = LoadedFacts(Schema(), "digest", {"p": batch(*amounts)})
    everybody = Everybody(PermittedFacts(facts, {}), Date(TODAY), 2)
    seen: list[int] = []
    return compare_rulesets(everybody, BEFORE, AFTER, listed, seen.append), seen


def test_each_rule_says_who_stays_comes_and_goes() -> None:
    found, seen = compared()
    assert found.customers == 10
    assert found.rules == (
        ComparedRule("added", RuleChange.ADDED, None, RuleCount("added", 1, 0), 0, 1, 0),
        ComparedRule("moved", RuleChange.CHANGED, RuleCount("moved", 5, 0),
                     RuleCount("moved", 5, 2), 3, 2, 2),
        ComparedRule("removed", RuleChange.REMOVED, RuleCount("removed", 2, 0), None, 0, 0, 2),
        ComparedRule("same", RuleChange.SAME, RuleCount("same", 3, 0), RuleCount("same", 3, 0),
                     3, 0, 0),
    )  # fmt: skip
    assert seen == [10, 10], "rules of both are evaluated once"


def test_each_customer_says_what_differs() -> None:
    found, _ = compared()
    assert found.different == 4
    told = [(one.rule_id, one.before, one.after) for one in found.results]
    assert told == [
        ("moved", "not_qualified", "qualified"),
        ("moved", "not_qualified", "qualified"),
        ("moved", "qualified", "unknown"),
        ("removed", "qualified", None),
        ("added", None, "qualified"),
        ("moved", "qualified", "unknown"),
        ("removed", "qualified", None),
    ]
    fewer, _ = compared(listed=1)
    assert (fewer.different, len(fewer.results)) == (4, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    rules = copy_rules(folder / "rules", "bank_fees", "energy_costs")
    command("synth", "--store", folder / "store", "--customers", 60, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", "2026-06-30")
    other = copy_rules(folder / "other", "bank_fees", "energy_costs")
    file = other / "energy_costs.yaml"
    file.write_text(file.read_text().replace("> 1800", "> 900"))
    return folder


def test_the_command_counts_as_previews_do(made: Path) -> None:
    store, other = made / "store", made / "other"
    shown = ("--store", store, "--format", "json")
    found = json.loads(command("compare", made / "rules", other, *shown))
    told = json.loads(command("rules", "preview", other / "energy_costs.yaml", *shown))
    (row,) = (one for one in found["rules"] if one["change"] == "changed")
    assert row["rule_id"] == "energy_costs"
    assert {name: row[name] for name in ("stay", "come", "go")} == told["compared"]
    assert found["different"] == len(found["results"]) == told["compared"]["come"] > 0
    ran = found["before"]
    assert json.loads(command("compare", ran, other, *shown)) == found
    said = command("compare", ran, other, "--store", store, "--limit", 1)
    assert f"{found['different']} customers have other results" in said
    assert f"and {found['different'] - 1} more customers" in said


def test_a_name_with_two_meanings_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (digest,) = (path.stem for path in (made / "store/rulesets").glob("*.json"))
    copy_rules(tmp_path / digest, "bank_fees")
    asked = ("compare", digest, made / "other", "--store", made / "store")
    assert "is a file and a ruleset that has run" in command(*asked, status=1)
    plain = command("compare", f"./{digest}", made / "other", "--store", made / "store")
    assert "1 of 2 rules are the same in both" in plain


def test_without_a_run_a_day_is_needed(tmp_path: Path) -> None:
    rules = copy_rules(tmp_path / "rules", "bank_fees")
    command("synth", "--store", tmp_path / "store", "--customers", 2, "--seed", 1)
    asked = ("compare", rules, rules, "--store", tmp_path / "store")
    assert "there is no run here" in command(*asked, status=1)
    assert "0 customers have other results" in command(*asked, "--as-of", "2026-06-30")
