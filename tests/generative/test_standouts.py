"""Payments and spending stand out alike in columns and in the reference, near every threshold."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import day, frame
from tests.examples import examples
from tests.halves import assert_same

from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

AS_OF = Date(day("2026-06-30"))
Row = dict[str, Any]
SIZES = st.sampled_from((1, 300, 1_499, 1_500, 1_501, 2_000, 2_999, 3_000, 2**30 - 1, 2**30))


@st.composite
def payments(draw: st.DrawFn, name: str) -> list[Row]:
    """Draw payments at one merchant and of one category, the last of them near a threshold.

    In every other list, nothing but amounts keeps the last from standing out: of several chances
    that are drawn apart, one would nearly always do so.
    """
    if draw(st.booleans()):
        return _near(draw, name)
    usual = draw(st.integers(1, 3_000))
    count = draw(st.integers(10, 15))
    every = draw(st.sampled_from((30, 30, 30, 1, 29, 31)))
    largest, last = _sizes(draw, usual)
    sizes = [last, largest, *[usual] * count]
    what = {
        "merchant": draw(st.sampled_from((name, name, None))),
        "category": draw(st.sampled_from((name, "subscriptions", None))),
    }
    kinds = st.sampled_from(
        ("card", "card", "card", "card", None, "direct debit", "cash", "transfer")
    )
    kind, others = draw(kinds), draw(st.lists(kinds, max_size=1))
    first = draw(st.sampled_from((0, 0, 5, 12, -1, -2)))
    rows = [
        {
            "booking date": AS_OF.day - first - every * place,
            "amount": -size,
            "type": others[place] if place < len(others) else kind,
            "own transfer": False,
            **what,
        }
        for place, size in enumerate(sizes)
    ]
    if draw(st.integers(0, 3)):  # the largest purchase, beside which others are compared
        rows.append(rows[0] | {"merchant": None, "amount": -max(last, largest)})
    odd = rows[draw(st.integers(0, len(rows) - 1))]
    odd |= draw(
        st.sampled_from(
            (
                {},
                {},
                {"own transfer": True},
                {"amount": 500},
                {"refunded": 200},
                {"refunded": 2**40},
            )
        )
    )
    return rows


def _near(draw: st.DrawFn, name: str) -> list[Row]:
    """Draw card payments, one in each of 13 periods, all of which count."""
    usual = draw(st.integers(1, 3_000))
    largest, last = _sizes(draw, usual)
    what = {"merchant": name, "category": name, "type": "card", "own transfer": False}
    rows = [
        {"booking date": AS_OF.day - 30 * place, "amount": -size, **what}
        for place, size in enumerate([last, largest, *[usual] * 11])
    ]
    if draw(st.integers(0, 3)):
        rows.append(rows[0] | {"merchant": None, "amount": -max(last, largest)})
    return rows


def _sizes(draw: st.DrawFn, usual: int) -> tuple[int, int]:
    """Draw the largest earlier amount and the last one, which is near a threshold."""
    largest = usual * draw(st.sampled_from((1, 1, 2, 3))) + draw(st.integers(0, 1))
    least = -(-draw(st.sampled_from((3, 2))) * largest**2 // usual)
    return largest, draw(st.one_of(st.sampled_from((least - 1, least, least + 1, largest)), SIZES))


@st.composite
def trials(draw: st.DrawFn, name: str) -> list[Row]:
    """Draw two or three payments for something that may have been tried."""
    price = draw(st.integers(2, 3_000))
    begun = draw(st.integers(0, 20))
    gap = draw(st.sampled_from((2, 3, 14, 35, 36)))
    what = {"merchant": name, "category": "subscriptions", "own transfer": False}
    small = max(price // 3 + draw(st.integers(-1, 1)), 1)
    kinds = st.sampled_from(("card", "card", None, "direct debit"))
    rows = [
        {"booking date": AS_OF.day - begun - gap, "amount": -small, "type": draw(kinds), **what},
        {"booking date": AS_OF.day - begun, "amount": -price, "type": draw(kinds), **what},
    ]
    return rows[draw(st.integers(0, 1)) :] if draw(st.integers(0, 4)) == 0 else rows


@st.composite
def facts(draw: st.DrawFn) -> FactBatch:
    """Draw the facts of one to three customers."""
    tables: dict[str, list[Row]] = {"customers": [], "accounts": [], "transactions": []}
    for customer in "abc"[: draw(st.integers(1, 3))]:
        currency = draw(st.sampled_from(("GBP", "GBP", "GBP", "JPY", "KWD", "BTN")))
        tables["customers"].append({"id": customer, "currency": currency})
        tables["accounts"].append({"id": f"{customer}-1", "customer": customer, "type": "current"})
        rows = [row for name in ("A", "b") for row in draw(payments(name))]
        rows += draw(trials("Trial"))
        before = draw(st.sampled_from((390, 390, 390, 391, 389, 200)))
        rows.append({"booking date": AS_OF.day - before, "amount": 1, "own transfer": False})
        for number, row in enumerate(rows):
            keys = {"id": f"{customer}{number}", "sequence": number, "account": f"{customer}-1"}
            tables["transactions"].append(row | keys)
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    return batch_from(ordered(coded(frames, Schema())), Schema())


@pytest.mark.hypothesis
def test_what_stands_out_equals_the_reference() -> None:
    seen: Counter[str] = Counter()

    @examples(100, 5_000)
    @given(facts())
    def compare(batch: FactBatch) -> None:
        seen.update(assert_same(batch, AS_OF))

    compare()
    for what in ("unusual", "unusual category", "after trial"):
        assert seen[what] > 0, seen  # what was compared was not empty
