"""Checks what is offered at a place in a FEEL text."""

from collections.abc import Collection

import pytest

from tuppence.facts.schema import Schema
from tuppence.rules.completion import MAX_OPTIONS, complete

WORDS = {
    ("transactions", "category"): ("bank fee", "energy", "groceries"),
    ("customer", "home"): ("own", "rent"),
    ("streams", "category"): ("energy",),
}


def known(table: str, field: str) -> Collection[str]:
    return WORDS.get((table, field), ())


def offered(text: str, *values: str) -> tuple[str, list[str]]:
    """Return what a completion at `|` replaces, and the texts that it offers."""
    before, after = text.split("|")
    found = complete(before + after, len(before), Schema(), known, values)
    return before[found.start :], [option.insert for option in found.options]


@pytest.mark.parametrize(
    ("text", "replaced", "first"),
    [
        ("payments[booking d|", "booking d", "booking date"),
        ("payments[booking |", "booking ", "booking date"),
        ("count(payments[merchant = null and booking d|", "booking d", "booking date"),
        ("paym|", "paym", "payments"),
        ("not(receipts[category confid|", "category confid", "category confidence"),
        ("customer.hist|", "hist", "history days"),
        ("customer.history |", "history ", "history days"),
        ("payments[1].am|", "am", "amount"),
        ("bills[state = \"mature\"].next|", "next", "next date"),
        ("some p in payments satisfies p.mer|", "mer", "merchant"),
        ("for one in accounts return one.cred|", "cred", "credit limit"),
        ("clam|", "clam", "clamp("),
        ("// payments\nrece|", "rece", "receipts"),
    ],
)  # fmt: skip
def test_the_likeliest_name_comes_first(text: str, replaced: str, first: str) -> None:
    found = offered(text)
    assert found[0] == replaced
    assert found[1][0] == first


@pytest.mark.parametrize(
    ("text", "replaced", "options"),
    [
        ('payments[category = "bank|', "bank", ['bank fee"']),
        ('payments[category = "|', "", ['bank fee"', 'energy"', 'groceries"']),
        ('payments[category != "ene|', "ene", ['energy"']),
        ('payments[category in ("energy", "gro|', "gro", ['groceries"']),
        ('payments[amount > 3 and category = "FEE|', "FEE", ['bank fee"']),
        ('customer.home = "|', "", ['own"', 'rent"']),
        ('subscriptions[category = "|', "", ['energy"']),
        ('some p in payments satisfies p.category = "ene|', "ene", ['energy"']),
        ('payments[text = "|', "", []),
        ('payments[category = "energy"]; "|', "", []),
        ("payments // cat|", "", []),
    ],
)
def test_words_are_those_that_the_field_can_have(
    text: str, replaced: str, options: list[str]
) -> None:
    assert offered(text) == (replaced, options)


def test_fields_of_the_innermost_filter_come_first_and_values_of_the_rule_are_known() -> None:
    _, names = offered("payments[count(bills[|")
    assert names[0] == "kind"
    assert offered("yearl|", "yearly")[1] == ["yearly"]
    assert len(offered("|")[1]) == MAX_OPTIONS


@pytest.mark.parametrize("text", ['")]}[({', "]]]", "..", "/*", '"\\', "in in in (", "🐎 [", "@"])
def test_no_text_makes_it_fail(text: str) -> None:
    for place in range(len(text) + 1):
        found = complete(text, place, Schema(), known)
        assert 0 <= found.start <= place
