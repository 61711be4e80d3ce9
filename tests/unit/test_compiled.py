"""Loops give the same as plain Python, which needs no compiler."""

import sys

import pytest
from tests.building import TODAY, batch, rule

from tuppence import compiled
from tuppence.engine.explanation import explain
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule

RULES = (
    rule('count(payments[merchant = "M"]) > 2 and sum(receipts.amount) < 10'),
    rule("count(subscriptions) + count(bills) + count(incomes) > 0", "count(bills)"),
    rule("max(accounts.balance) > 0 or count(accounts[pay day > today()]) > 0"),
    rule("count(payments[repeated]) > 1 and max(payments.amount) > 3"),
)


@pytest.mark.parametrize("checked", RULES, ids=range(len(RULES)))
def test_plain_loops_give_what_compiled_ones_give(
    checked: CheckedRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts = [(-999 if n % 7 else 150_000) for n in range(200)]
    facts = batch(amounts)
    expected = explain(checked, facts, Date(TODAY), Schema())
    assert expected.features
    monkeypatch.delitem(sys.modules, "numba")
    monkeypatch.setattr(compiled, "_compiled", None)  # so that a compiled loop would fail
    with compiled.interpreted():
        assert explain(checked, facts, Date(TODAY), Schema()) == expected
