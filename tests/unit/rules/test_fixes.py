"""Checks that the corrections which diagnostics propose correct the text."""

import functools

import msgspec
import pytest
from tests.building import some_rules

from tuppence.facts.schema import Schema
from tuppence.feel.diagnostics import Diagnostic
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.usecases.check_rules import known_words, word_findings

FUNCTIONS = load_definitions()


def found(when: str) -> list[Diagnostic]:
    """Return what is wrong with a condition."""
    rule = msgspec.structs.replace(some_rules("bank_fees").rules[0].rule, when=when)
    _, findings = check_rule(rule, Schema(), FUNCTIONS)
    return [one.diagnostic for one in findings if one.place == ("when",)]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("count(paymnts) > 1", "count(payments) > 1"),
        ('count(payments[catgory = "energy"]) > 1', 'count(payments[category = "energy"]) > 1'),
        ("customer.hom = null", "customer.home = null"),
        ("cuont(payments) > 1", "count(payments) > 1"),
        ('"🐎" = "x" or\n count(paymnts) > 1', '"🐎" = "x" or\n count(payments) > 1'),
        ("count(payments[bookng date = null]) > 1", "count(payments[booking date = null]) > 1"),
    ],
)
def test_the_proposed_correction_corrects_the_text(wrong: str, right: str) -> None:
    (one,) = [diagnostic for diagnostic in found(wrong) if diagnostic.fix]
    assert one.fix is not None
    start, end = one.fix.span
    assert f"{wrong[:start]}{one.fix.text}{wrong[end:]}" == right
    assert one.hint == f"did you mean {one.fix.text}?"


def test_a_misspelt_word_is_corrected_with_its_quotes() -> None:
    when = 'count(payments[category = "bank fees"]) > 1'
    checked = some_rules("bank_fees").rules[0]
    rule = msgspec.structs.replace(checked.rule, when=when)
    checked, _ = check_rule(rule, Schema(), FUNCTIONS)
    (one,) = word_findings(checked, functools.partial(known_words, {}))
    fix = one.diagnostic.fix
    assert fix is not None
    start, end = fix.span
    assert f"{when[:start]}{fix.text}{when[end:]}" == when.replace("fees", "fee")


def test_nothing_is_proposed_for_what_is_like_nothing_known() -> None:
    assert [one.fix for one in found("xyzzy > 1")] == [None]
