"""Checks that FEEL becomes rows of the form exactly where rows mean the same."""

import random
import re
from typing import Any

import msgspec
import pytest
from tests.building import catalogue
from tests.examples import examples

from tuppence.facts.schema import Schema
from tuppence.rules.checking import check_rule
from tuppence.rules.definition import Criteria, Measure, feel_of_form
from tuppence.rules.domain import load_definitions
from tuppence.rules.form_reading import criteria_in, measure_in
from tuppence.rules.rule import Message

SCHEMA = Schema()


def measure(chance: random.Random) -> dict[str, Any]:
    """Return a measure that a form could have."""
    kind = chance.choice(["how many", "how much", "average", "biggest", "smallest", "latest",
                          "days since", "merchants", "change", "customer"])  # fmt: skip
    if kind == "customer":
        return {"measure": kind, "field": chance.choice(["birth year", "household size"])}
    found: dict[str, Any] = {"measure": kind, "of": chance.choice(["payments", "receipts"])}
    if chance.random() < 0.2 and kind in {"how many", "how much", "average", "smallest"}:
        states = {"state": ["early", "mature"], "cadence": "monthly"}
        return found | {"of": chance.choice(["bills", "subscriptions", "incomes"]), "where": states}
    accounts = chance.random() < 0.1 and kind in {"how many", "how much", "biggest"}
    if accounts:
        return found | {"of": "accounts", "where": {"type": "savings"}}
    where: dict[str, Any] = {}
    options: dict[str, Any] = {
        "category": ["groceries", ["groceries", "energy"]], "not category": ["rent", ["a", "b"]],
        "merchant": ['The "Shop"', ["x", "y", "z"]], "text": ["fee"], "over": ["12.50", "-3"],
        "under": ["100"], "own transfer": [True, False], "country": ["FR"], "type": ["card"],
    }  # fmt: skip
    for name in chance.sample(sorted(options), chance.randrange(3)):
        where[name] = chance.choice(options[name])
    if where:
        found["where"] = where
    if kind == "change" or chance.random() < 0.7:
        found["days"] = chance.choice([7, 30, 365])
    if chance.random() < 0.3:
        found["until days ago"] = chance.choice([1, 30])
    return found | ({"times": chance.choice(["2", "-0.5"])} if chance.random() < 0.2 else {})


def criteria(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return rows that a form could have."""
    if depth < 2 and (depth == 0 or chance.random() < 0.3):
        group = chance.choice(["all", "any", "none"])
        return {group: [criteria(chance, depth + 1) for _ in range(chance.randrange(1, 4))]}
    signs = ["at least", "at most", "more than", "less than", "exactly", "not"]
    if chance.random() < 0.2:
        what = {"measure": "customer", "field": "home"}
        return {"what": what, "is": chance.choice(["exactly", "not"]),
                "value": chance.choice(["rent", ["own", "family"]])}  # fmt: skip
    value: Any = chance.choice(["5", "-2.5", "1000"]) if chance.random() < 0.8 else measure(chance)
    return {"what": measure(chance), "is": chance.choice(signs), "value": value}


def bare(text: str) -> str:
    """Return a text without blanks and brackets: groups in groups of their kind need none."""
    return re.sub(r"[()\s]", "", text)


@pytest.mark.hypothesis  # so that make test-long runs it, with more rows
def test_rows_become_feel_and_rows_again_that_mean_the_same() -> None:
    chance = random.Random(1)  # noqa: S311 - repeated
    for _ in range(examples(60, 1_000).max_examples):
        given = msgspec.convert(criteria(chance), Criteria)
        text = feel_of_form(given, SCHEMA)
        found = criteria_in(text, SCHEMA)
        assert found is not None, text
        again = feel_of_form(found, SCHEMA)
        assert bare(again) == bare(text)
        assert criteria_in(again, SCHEMA) == found
        one = msgspec.convert(measure(chance), Measure)
        assert measure_in(feel_of_form(one, SCHEMA), SCHEMA) == one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'count(payments[booking date > today() - @"P30D" and category = "energy"]) > 2',
            {"all": [{"what": {"measure": "how many", "where": {"category": "energy"}, "days": 30},
                      "is": "more than", "value": "2"}]},
        ),
        ("customer.birth year > 1990", {"all": [{"what": {"measure": "customer",
         "field": "birth year"}, "is": "more than", "value": "1990"}]}),
    ],
)  # fmt: skip
def test_a_text_that_people_wrote_becomes_rows(text: str, expected: dict[str, Any]) -> None:
    assert msgspec.to_builtins(criteria_in(text, SCHEMA)) == expected


def test_rows_over_streams_are_valid_conditions() -> None:
    for of in ("bills", "subscriptions", "incomes"):
        what = {"measure": "how much", "of": of, "where": {"state": ["early", "mature"]}}
        row = {"what": what, "is": "more than", "value": "500"}
        text = feel_of_form(msgspec.convert(row, Criteria), SCHEMA)
        assert text == f'total({of}[state in ("early", "mature")].monthly amount) > 500'
        rule = msgspec.structs.replace(catalogue().rules[0].rule, when=text, score="1", values={})
        rule = msgspec.structs.replace(rule, message=Message("a", "b"))
        _, findings = check_rule(rule, SCHEMA, load_definitions())
        assert [one for one in findings if one.place == ("when",)] == []
    for wrong in ({"days": 30}, {"measure": "latest"}):
        with pytest.raises(msgspec.ValidationError, match=r"of bills|bills are measured"):
            msgspec.convert({"measure": "how much", "of": "bills", **wrong}, Measure)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "count(paymnts) > 2",
        "count(payments",
        'count(payments[booking date > today() - @"P1Y"]) > 2',
        'count(payments[booking date >= today() - @"P30D"]) > 2',
        'count(payments[category = "a" and category = "b"]) > 2',
        'count(payments[category = "a" or category = "b"]) > 2',
        "total(payments.balance) > 2",
        "payments[1].amount > 2",
        "total(bills.amount) > 1",
        "2 < count(payments)",
        "count(payments) + 1 > 2",
        "(today() - payments[-2].booking date).days > 3",
        'contains(lower case(customer.region), "x")',
        "not(count(payments) > 2, true)",
        "percentage(total(payments.amount) - total(receipts.amount), total(payments.amount)) > 1",
    ],
)
def test_a_text_that_rows_cannot_say_stays(text: str) -> None:
    assert criteria_in(text, SCHEMA) is None


def test_conditions_of_the_catalogue_mean_the_same_as_rows() -> None:
    found = {one.rule.id: criteria_in(one.rule.when, SCHEMA) for one in catalogue().rules}
    assert sum(rows is not None for rows in found.values()) >= 3, found
