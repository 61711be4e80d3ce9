"""Checks test customers made from real ones: they have the result, and nothing that identifies."""

import json

import msgspec
import pytest
from tests.building import ROOT, catalogue, day, some_rules
from tests.commands import command

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Example
from tuppence.usecases.make_test_customer import MAX_ROWS, make_test_customer

DAY = Date(day("2026-06-30"))
PERSON = "C0000002"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> StoreFolder:
    store = tmp_path_factory.mktemp("made") / "store"
    command("synth", "--store", store, "--customers", 4, "--seed", 3)
    assert (ROOT / "catalogue").exists()
    return StoreFolder(store)


def made(held: StoreFolder, checked: CheckedRule) -> dict[str, object]:
    return make_test_customer(held, PERSON, checked, DAY, PURPOSES, DAY)


@pytest.mark.parametrize("name", ["energy_costs", "overdrawn", "week_in_review", "bank_fees"])
def test_a_test_customer_has_the_result_and_no_personal_details(
    held: StoreFolder, name: str
) -> None:
    (checked,) = some_rules(name).rules
    test = made(held, checked)
    rule = msgspec.structs.replace(checked.rule, tests=[msgspec.convert(test, Example)])
    (verdict,) = try_examples(CheckedRule(rule, checked.trees, checked.types), Schema())
    assert verdict.failures == ()
    told = json.dumps(test)
    facts = held.facts().find(PERSON).transactions.columns
    merchants = {one for one in facts["merchant"].dictionary if one}
    texts = {one for one in facts["text"].dictionary if one}
    for personal in (PERSON, *merchants, *texts, "booking date", "2026-"):
        assert f'"{personal}' not in told, personal
    rows = test.get("transactions", [])
    assert isinstance(rows, list)
    assert len(rows) <= MAX_ROWS


def test_of_the_transactions_it_has_those_that_counted(held: StoreFolder) -> None:
    (checked,) = some_rules("energy_costs").rules
    rows = made(held, checked)["transactions"]
    assert isinstance(rows, list)
    assert sum(row.get("category") == "energy" for row in rows) > 5
    assert all("." not in row["amount"] for row in rows), "amounts are rounded"


def test_a_result_that_needs_a_text_is_refused(held: StoreFolder) -> None:
    rule = msgspec.structs.replace(
        catalogue().rules[0].rule,
        when="count(payments[text != null]) > 3", score="1", values={},
    )  # fmt: skip
    rule = msgspec.structs.replace(rule, minimum_history_days=0, tests=[])
    checked, _ = check_rule(rule, Schema(), load_definitions())
    with pytest.raises(UserError, match="no test without personal details"):
        made(held, checked)
