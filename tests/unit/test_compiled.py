"""Loops give the same as plain Python, which needs no compiler."""

import sys
from pathlib import Path
from types import SimpleNamespace

import filelock
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


def test_a_loop_is_compiled_by_one_process_at_a_time(tmp_path: Path) -> None:
    asked: list[str] = []

    def compile_or_load(signature: str) -> None:
        asked.append(signature)
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(folder / "lock").acquire(blocking=False)

    loop, folder = SimpleNamespace(compile=compile_or_load), tmp_path / "loops"
    compiled._compile_once(loop, folder)
    loop.compile("int64")
    assert asked == ["int64"]
    with filelock.FileLock(folder / "lock").acquire(blocking=False):
        pass
