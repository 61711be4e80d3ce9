"""Words of rules that nobody can have."""

import pytest

from tuppence.facts.schema import Schema
from tuppence.feel import parse
from tuppence.feel.library import BUILTINS
from tuppence.rules.domain import expand, load_definitions
from tuppence.rules.words import compared_words, unknown_words

WORDS = {
    ("transactions", "category"): {"groceries", "eating out", "energy"},
    ("transactions", "type"): {"card", "direct debit"},
    ("accounts", "type"): {"current", "savings"},
    ("streams", "cadence"): {"monthly", "yearly"},
    ("customer", "home"): {"own", "rent"},
}


def hints(text: str) -> list[tuple[str, str]]:
    definitions = load_definitions()
    names = Schema().words() | BUILTINS.keys() | definitions.keys()
    tree = expand(parse(text, names), definitions)
    found = unknown_words(tree, lambda table, field: WORDS.get((table, field), ()))
    return [(text[slice(*one.span)], one.hint) for one in found]


@pytest.mark.parametrize(
    ("text", "word", "hint"),
    [
        ('count(payments[category = "grocery"])', '"grocery"', 'did you mean "groceries"?'),
        ('count(payments[category = "Groceries"])', '"Groceries"', 'did you mean "groceries"?'),
        ('count(payments["eating" = category])', '"eating"', 'did you mean "eating out"?'),
        ('total(payments[category in ("energy", "enrgy")].amount)', '"enrgy"', "energy"),
        ('count(payments[category in ["enrgy"]])', '"enrgy"', "energy"),
        ('count(payments[not(type != "debit")])', '"debit"', 'did you mean "direct debit"?'),
        ('accounts[1].type = "saving"', '"saving"', 'did you mean "savings"?'),
        ('largest(payments[amount > 1]).category = "x"', '"x"', "there is eating out, energy"),
        ('some p in payments satisfies p.type = "crad"', '"crad"', 'did you mean "card"?'),
        ('for s in bills return s.cadence = "annual"', '"annual"', "there is monthly, yearly"),
        ('customer.home in ("rented")', '"rented"', 'did you mean "rent"?'),
        ('count(accounts[type = "card"])', '"card"', "there is current, savings"),
    ],
)
def test_a_word_that_nobody_has_is_found_with_the_nearest(text: str, word: str, hint: str) -> None:
    ((found, advice),) = hints(text)
    assert found == word
    assert hint in advice


@pytest.mark.parametrize(
    "text",
    [
        'count(payments[category = "energy" and type = "card"]) > 1',
        'count(payments[text = "anything"])',
        'customer.region = "anywhere"',
        'count(payments[contains(category, "eat")])',
        'count(accounts[type = "current"]) + count(payments[type = "card"])',
        'for category in ["x"] return category = "y"',
    ],
)
def test_words_that_somebody_may_have_are_not_told(text: str) -> None:
    assert hints(text) == []


def test_every_comparison_in_a_domain_function_is_of_its_argument() -> None:
    text = 'smallest(accounts[type = "x"]).type = "y"'
    definitions = load_definitions()
    names = Schema().words() | BUILTINS.keys() | definitions.keys()
    tree = expand(parse(text, names), definitions)
    found = {(table, field, one.value) for table, field, one in compared_words(tree, {}, "")}
    assert found == {("accounts", "type", "x"), ("accounts", "type", "y")}
