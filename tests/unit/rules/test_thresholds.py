"""Checks the thresholds of conditions, and rules with others in their place."""

from decimal import Decimal

import msgspec
import pytest
from tests.building import some_rules

from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.thresholds import thresholds, with_threshold


def rule(when: str) -> CheckedRule:
    base = some_rules("bank_fees").rules[0].rule
    changed = msgspec.structs.replace(base, when=when)
    checked, findings = check_rule(changed, Schema(), load_definitions())
    assert [one for one in findings if not one.diagnostic.warning] == []
    return checked


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ("count(payments) >= 5", ["5"]),
        ("5 < count(payments)", ["5"]),
        ("count(payments) >= 5 and (total(payments.amount) < 100 or count(receipts) > 2.5)",
         ["5", "100", "2.5"]),
        ("count(payments[amount > 5]) >= 2", ["2"]),
        ("count(payments) > 0", []),
        ("count(payments) = 5", []),
        ("clamp(count(payments), 0, 9) > 3", ["3"]),
    ],
)  # fmt: skip
def test_thresholds_are_the_numbers_outside_of_filters(when: str, numbers: list[str]) -> None:
    found = thresholds(rule(when))
    assert [str(one.value) for one in found] == numbers
    assert [when[slice(*one.span)] for one in found] == numbers


def test_each_rule_has_another_number_in_the_place_of_one_threshold() -> None:
    checked = rule("count(payments) >= 10 and count(receipts) >= 10")
    found = with_threshold(checked, thresholds(checked)[1])
    assert list(found) == sorted(found)
    assert {Decimal(5), Decimal(10), Decimal(20)} <= found.keys()
    for number, one in found.items():
        assert [str(other.value) for other in thresholds(one)] == ["10", str(number)]


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("1", ["1", "2"]),
        ("9", ["4", "7", "8", "9", "10", "11", "14", "18"]),
        ("0.5", ["0.25", "0.375", "0.45", "0.5", "0.55", "0.625", "0.75", "1.0"]),
        ("1234", ["617", "926", "1110", "1230", "1234", "1360", "1540", "1850", "2470"]),
    ],
)
def test_the_numbers_are_whole_where_the_threshold_is(value: str, numbers: list[str]) -> None:
    checked = rule(f"count(payments) >= {value}")
    found = with_threshold(checked, thresholds(checked)[0])
    assert [f"{number:f}" for number in found] == numbers
