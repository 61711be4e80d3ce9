"""Findings of a check beyond the language: words, days, and conditions that nobody fulfils."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.building import bank, day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.files import RuleProblem, read_rules
from tuppence.usecases.check_rules import examiner, last_booking, reach

T = TypeVar("T")
TODAY = Date(day("2026-06-30"))
USE = Use(PURPOSES, TODAY.day, TODAY.day)
RULE = """
id: a
kind: tip
title: A
when: {when}
score: 40
message: {{title: A, body: A}}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreFolder:
    path = tmp_path_factory.mktemp("words") / "store"
    paid = {"booking date": day("2026-06-20"), "amount": -500, "category": "bees", "type": "card"}
    facts = FactStore.create(path, Schema())
    facts.append(bank([{**paid, "merchant": "The Hive of Wells", "balance": 10_000}]))
    return StoreFolder(path)


def problems(tmp_path: Path, text: str, store: StoreFolder | None = None) -> list[RuleProblem]:
    (tmp_path / "rule.yaml").write_text(text)
    examine = examiner(TODAY, store, USE)
    if store is not None:
        examine = reach(store, USE, examine)
    return list(read_rules(tmp_path / "rule.yaml", Schema(), examine).problems)


def test_merchants_and_categories_are_those_of_imports_and_of_the_store(
    tmp_path: Path, store: StoreFolder
) -> None:
    usual = RULE.format(when='count(payments[merchant = "Tesko"]) > 0')
    (found,) = problems(tmp_path, usual)
    assert (found.code, found.warning, found.hint) == (
        "rule.word", True, 'did you mean "Tesco"?',
    )  # fmt: skip
    own = 'count(payments[merchant = "The Hive of Wells" and category = "bees"]) > 0'
    assert len(problems(tmp_path, RULE.format(when=own))) == 2
    assert problems(tmp_path, RULE.format(when=own), store) == []


def test_the_store_is_read_for_unusual_words_only(tmp_path: Path, store: StoreFolder) -> None:
    reads = []

    class Counted:
        def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
            reads.append(use)
            return store.read_permitted(use, read)

    examine = examiner(TODAY, Counted(), USE)
    for number, (category, times) in enumerate({"groceries": 0, "bees": 1, "wasps": 1}.items()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(RULE.format(when=f'count(payments[category = "{category}"]) > 0'))
        told = list(read_rules(path, Schema(), examine).problems)
        assert (len(told), len(reads)) == (int(category == "wasps"), times)


def test_a_word_in_a_form_is_shown_on_the_line_of_the_author(tmp_path: Path) -> None:
    row = "{what: {measure: how many, where: {category: coffee shops}}, is: at least, value: 1}"
    (found,) = problems(tmp_path, RULE.format(when=f"\n  all:\n    - {row}"))
    assert found.line == 7
    assert "coffee shops}}, is: at least" in found.excerpt


def test_a_condition_that_nobody_fulfils_is_named(tmp_path: Path, store: StoreFolder) -> None:
    when = "count(payments) > 0 and total(payments.amount) > 1000"
    (found,) = problems(tmp_path, RULE.format(when=when), store)
    assert found.code == "rule.nobody"
    assert found.message == "nobody of 1 customers of this store fulfils this condition"
    assert found.excerpt.splitlines()[1].strip() == "^" * len("total(payments.amount) > 1000")
    assert problems(tmp_path, RULE.format(when="count(payments) > 0"), store) == []
    apart = "count(payments[amount > 1]) = 1 and count(payments[amount > 1]) != 1"
    (found,) = problems(tmp_path, RULE.format(when=apart), store)
    assert found.warning


def test_the_check_of_a_store_is_of_its_last_day(store: StoreFolder) -> None:
    def last(today: str) -> Date:
        return store.read_permitted(USE, lambda facts: last_booking(facts, Date(day(today))))

    assert last("2026-06-30") == Date(day("2026-06-20"))
    assert last("2026-06-01") == Date(day("2026-06-01"))


OFFER = RULE.format(when="1 = 1").replace("kind: tip", "kind: offer\ncommunication: information")


@pytest.mark.parametrize(
    ("lines", "code", "warning", "message"),
    [
        ("approval: {by: F, date: 2029-01-01, reference: R}", "rule.validity", False, "2029-01-01"),
        ("approval: {by: F, date: 2025-01-01, reference: R, until: 2026-01-01}", "rule.validity",
         True, "held until 2026-01-01"),
        ("valid_until: 2020-01-01", "rule.validity", True, "valid until 2020-01-01"),
    ],
)  # fmt: skip
def test_days_that_do_not_fit_are_told(
    tmp_path: Path, lines: str, code: str, warning: bool, message: str
) -> None:
    (found,) = problems(tmp_path, RULE.format(when="1 = 1") + lines)
    assert (found.code, found.warning) == (code, warning)
    assert message in found.message
    assert lines.split("\n", maxsplit=1)[0] in found.excerpt


def test_an_offer_without_partner_terms_or_end_is_told(tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path, OFFER)] == ["rule.offer", "rule.offer"]
    whole = OFFER + "offer: {partner: P, terms: T}\nvalid_until: 2026-07-01\n"
    assert problems(tmp_path, whole) == []


def test_a_sum_of_rows_instead_of_amounts_is_an_error(tmp_path: Path) -> None:
    for call in ("total(payments)", 'average(payments[category = "energy"])', "sum(payments)"):
        errors = [p for p in problems(tmp_path, RULE.format(when=f"{call} > 5")) if not p.warning]
        assert [(one.code, one.line) for one in errors] == [("feel.argument-type", 5)]
    (found,) = problems(tmp_path, RULE.format(when="total(bills[amount > 1]) > 5"))
    assert found.hint == "name a field of the rows, such as .amount"
    assert problems(tmp_path, RULE.format(when="total(payments.amount) > 5")) == []
