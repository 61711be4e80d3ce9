"""Definitions, and the translation of the form to FEEL."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from tests.building import ROOT

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, parse_date
from tuppence.plan.plan import make_plan
from tuppence.rules.checking import check_rule
from tuppence.rules.definition import Definition, Measure, document_of, json_schema, rule_of
from tuppence.rules.domain import load_definitions
from tuppence.rules.files import read_rules
from tuppence.rules.rule import Offer, Rule
from tuppence.rules.ruleset import make_ruleset

FORM = """
id: energy_form
kind: saving
title: Energy costs a lot
when:
  all:
    - {what: {measure: how many, where: {category: energy}, days: 365}, is: at least, value: 9}
    - what: {measure: how much, where: {category: energy}, days: 90}
      is: more than
      value:
        {measure: how much, where: {category: energy}, days: 90, until days ago: 90, times: 1.25}
    - any:
        - {what: {measure: customer, field: home}, is: exactly, value: [rent, own]}
        - {what: {measure: customer, field: household size}, is: at least, value: 3}
    - none:
        - {what: {measure: how many, of: accounts, where: {type: loan}}, is: more than, value: 0}
score:
  start: 20
  terms:
    - {what: {measure: how much, where: {category: energy}, days: 365}, weight: 0.02, most: 60}
  most: 90
values:
  yearly: {measure: how much, where: {category: energy}, days: 365}
message:
  title: Energy
  body: You paid {{ yearly | money }} in a year.
"""
OFFER = """
id: coffee
kind: offer
communication: information
title: Coffee
when: count(payments[category = "eating out" and booking date > today() - @"P30D"]) >= 4
score: 40
message: {title: Coffee, body: A coffee from Acorn.}
offer: {partner: Acorn Coffee, terms: Once per person.}
approval: {by: A Firm, date: 2026-05-01, reference: FP-7, until: 2026-11-30}
valid_from: 2026-04-01
valid_until: 2026-12-31
"""
WHEN = """count(payments[category = "energy" and booking date > today() - @"P365D"]) >= 9
and total(payments[category = "energy" and booking date > today() - @"P90D"].amount)
  > 1.25
    * total(
      payments[
        category = "energy" and booking date > today() - @"P180D"
        and booking date <= today() - @"P90D"
      ].amount
    )
and (customer.home in ("rent", "own") or customer.household size >= 3)
and not(count(accounts[type = "loan"]) > 0)"""


def converted(document: Any) -> Definition:
    return msgspec.convert(document, Definition, strict=False)


def loaded(text: str) -> Definition:
    return converted(yaml.load(text, yaml.BaseLoader))  # noqa: S506 - texts only


def checked(rule: Rule) -> list[str]:
    _, findings = check_rule(rule, Schema(), load_definitions())
    return [f.diagnostic.code for f in findings if not f.diagnostic.warning]


class _Editor(yaml.SafeLoader):
    """Reads YAML 1.2 as editors do, in which a day is a text."""


_Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def as_an_editor(text: str) -> Any:
    return yaml.load(text, _Editor)  # noqa: S506 - a safe loader


def test_a_form_is_translated_to_readable_feel() -> None:
    rule = rule_of(loaded(FORM), Schema())
    assert rule.when == WHEN
    assert rule.values["yearly"].startswith("total(payments[category")
    assert checked(rule) == []
    assert rule_of(loaded(FORM), Schema()) == rule


def measures() -> list[dict[str, Any]]:
    where = {"category": ["energy", "phone"], "not type": "cash", "text": 'Say "ho"', "over": "1.5"}
    rows = [
        {"measure": measure, "of": of, "where": where, "days": "30", "until days ago": "5"}
        for measure in (
            *("how many", "how much", "average", "biggest", "smallest"),
            *("latest", "days since", "merchants", "change"),
        )
        for of in ("payments", "receipts", "transactions")
    ]
    accounts = [
        {"measure": measure, "of": "accounts", "where": {"type": "current"}}
        for measure in ("how many", "how much", "average", "biggest", "smallest")
    ]
    return [*rows, *accounts, {"measure": "customer", "field": "birth year", "times": "2"}]


@pytest.mark.parametrize("measure", measures(), ids=lambda m: f"{m['measure']} {m.get('of', '')}")
def test_every_measure_is_valid_feel_of_the_columnar_profile(measure: dict[str, Any]) -> None:
    document = yaml.load(FORM, yaml.BaseLoader)  # noqa: S506 - texts only
    document |= {
        "when": {"all": [{"what": measure, "is": "at least", "value": "3"}]},
        "score": {"terms": [{"what": measure, "most": "50"}]},
        "values": {"yearly": measure},
    }
    rule = rule_of(converted(document), Schema())
    assert checked(rule) == [], rule.when
    one, _ = check_rule(rule, Schema(), load_definitions())
    plan = make_plan(make_ruleset([one]), Date(20_000), Schema())
    assert plan.columns.rules[0].whole, rule.when


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"all": []}, "a group needs a row"),
        ({"what": {"measure": "how many"}, "is": "at least"}, "a row needs what, is and value"),
        ({"all": [{"any": []}], "any": []}, "a group needs a row"),
        ({"what": {"measure": "customer"}, "is": "not", "value": "1"}, "field is needed"),
        ({"what": {"measure": "change"}, "is": "not", "value": "1"}, "needs days"),
        ({"what": {"measure": "merchants", "of": "accounts"}}, "no merchants of accounts"),
        ({"what": {"measure": "how many", "of": "accounts", "days": "3"}}, "leave out days"),
        ({"what": {"measure": "how few"}}, "how few"),
        ({"what": {"measure": "how many", "where": {"over": "x"}}}, "matching regex"),
        ({}, "a row is one of"),
    ],
)
def test_a_contradictory_form_is_refused(row: Any, problem: str) -> None:
    document = yaml.load(FORM, yaml.BaseLoader) | {"when": row}  # noqa: S506 - texts only
    with pytest.raises(msgspec.ValidationError, match=problem):
        converted(document)


def test_groups_nested_too_deeply_are_refused() -> None:
    row: Any = {"what": {"measure": "how many"}, "is": "at least", "value": "1"}
    for _ in range(12):
        row = {"any": [row, row]}
    document = yaml.load(FORM, yaml.BaseLoader) | {"when": row}  # noqa: S506 - texts only
    with pytest.raises(UserError, match="nested deeper"):
        rule_of(converted(document), Schema())


def test_an_unknown_field_in_a_form_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "form.yaml"
    path.write_text(FORM.replace("field: household size", "field: houshold size"))
    problems = [p for p in read_rules(path, Schema()).problems if not p.warning]
    assert problems
    assert (problems[0].line, len(problems)) == (14, 1)
    assert "houshold size}, is: at least" in problems[0].excerpt
    assert problems[0].hint == "did you mean household size?"


@pytest.mark.parametrize(
    ("written", "wrong", "message", "hint"),
    [
        ("value: 9}", "value: £60}", "£60 is not a number", "write digits only: 60 or 12.50"),
        ("value: 3}", "value: [3, three]}", "three is not a number", "write digits only"),
        ("measure: how many, where", "measure: sum, where", "Invalid enum value 'sum'", "how much"),
        ("is: more than\n", "is: greater than\n", "Invalid enum value", "at least, at most"),
        ("days: 90, until", "dais: 90, until", "unknown field `dais`", "did you mean days?"),
        ("weight: 0.02", "weight: £2", "matching regex", "write it such as 12.50"),
    ],
)
def test_an_error_in_a_form_shows_the_line_and_what_it_takes(
    tmp_path: Path, written: str, wrong: str, message: str, hint: str
) -> None:
    path = tmp_path / "form.yaml"
    path.write_text(FORM.replace(written, wrong, 1))
    (problem,) = [p for p in read_rules(path, Schema()).problems if not p.warning]
    assert message in problem.message
    assert hint in problem.hint
    assert wrong.strip() in problem.excerpt


def test_the_json_schema_accepts_what_the_check_accepts() -> None:
    validator = jsonschema_rs.validator_for(json_schema())
    folders = (ROOT / "catalogue", ROOT / "examples")
    paths = [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    rules: dict[object, str] = {
        path: text for path in paths if "\nwhen:" in (text := path.read_text("utf-8"))
    }
    assert len(rules) > 60
    texts: dict[object, str] = {
        **rules,
        "form": FORM,
        "quoted": FORM + 'cooldown_days: "3"\n',
        "offer": OFFER,
    }
    for name, text in texts.items():
        found = [error.message for error in validator.iter_errors(as_an_editor(text))]
        assert (name, found) == (name, [])


@pytest.mark.parametrize(
    "wrong",
    [
        FORM.replace("is: at least", "is: greater than"),
        FORM.replace("weight: 0.02", "weight: much"),
        FORM + "cooldown_days: never\n",
        FORM + "whenever: 1\n",
        FORM.replace("kind: saving", "kind: savings"),
    ],
)
def test_the_json_schema_refuses_what_the_check_refuses(wrong: str) -> None:
    assert not jsonschema_rs.validator_for(json_schema()).is_valid(as_an_editor(wrong))


def test_an_offer_says_its_communication() -> None:
    assert rule_of(loaded(OFFER), Schema()).offer == Offer("Acorn Coffee", "Once per person.")
    with pytest.raises(msgspec.ValidationError, match="an offer must say its communication"):
        loaded(OFFER.replace("communication: information\n", ""))


@pytest.mark.parametrize(
    ("written", "wrong", "problem"),
    [
        ("valid_until: 2026-12-31", "valid_until: 2026-02-30", "there is no day 2026-02-30"),
        ("valid_until: 2026-12-31", "valid_until: 2026-01-01", "is before valid_from"),
        ("until: 2026-11-30", "until: 2025-11-30", "until 2025-11-30 is before date"),
    ],
)
def test_days_of_an_offer_are_days_in_order(written: str, wrong: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        loaded(OFFER.replace(written, wrong))


@pytest.mark.parametrize(
    ("day", "valid"),
    [
        ("2026-03-31", False), ("2026-04-01", False), ("2026-05-01", True),
        ("2026-11-30", True), ("2026-12-01", False), ("2027-01-01", False),
    ],
)  # fmt: skip
def test_a_rule_is_in_force_while_it_and_its_approval_are_valid(day: str, valid: bool) -> None:
    date = parse_date(day)
    assert date is not None
    assert rule_of(loaded(OFFER), Schema()).in_force(date) is valid


@pytest.mark.parametrize("path", sorted((ROOT / "catalogue").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_catalogue_survives_a_round_trip_through_json(path: Path) -> None:
    definition = loaded(path.read_text("utf-8"))
    document = msgspec.json.decode(msgspec.json.encode(document_of(definition)))
    assert converted(document) == definition
    assert rule_of(definition, Schema()).when == definition.when


def test_defaults_are_left_out_of_documents() -> None:
    document = document_of(loaded(FORM))
    assert "cooldown_days" not in document
    assert document["when"]["all"][0]["what"] == {
        "measure": "how many",
        "where": {"category": "energy"},
        "days": 365,
    }
    assert Measure("how many").times == "1"


def test_the_form_in_the_docs_is_translated_to_the_documented_condition() -> None:
    page = (ROOT / "docs" / "how-to" / "publish-rules.md").read_text("utf-8")
    form = page.partition("```yaml\n")[2].partition("```")[0]
    condition = page.partition("the same condition:\n\n```text\n")[2].partition("\n```")[0]
    rule = rule_of(loaded(form), Schema())
    assert rule.when == condition
    assert checked(rule) == []
