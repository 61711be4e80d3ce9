"""People are compared with others alike in columns and in the reference, near every threshold."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import day
from tests.examples import examples
from tests.halves import assert_same
from tests.payments import frame

from tuppence.facts.batch import FactBatch
from tuppence.facts.census import AGES, INCOMES, LASTS, Census, cohort_name
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

AS_OF = Date(day("2026-06-30"))
Row = dict[str, Any]
ODD: tuple[Row, ...] = (
    {},
    {},
    {"amount": 500},
    {"own transfer": True},
    {"category": "transport"},
    {"category": "benefits"},
    {"category": None},
    {"type": "direct debit"},
    {"type": None},
    {"refunded": 1},
    {"refunded": 2**40},
)


@st.composite
def transactions(draw: st.DrawFn, usual: int) -> list[Row]:
    """Draw an income near the bounds of a group, and purchases near what is far above the usual."""
    monthly = 1_500 * draw(st.sampled_from(INCOMES)) + draw(st.sampled_from((0, 1, -1)))
    far = max(9 * usual, 3 * usual + 4_500) + draw(st.sampled_from((0, 0, 1, -1)))
    days = [draw(st.sampled_from(some)) for some in ((0, 359), (0, 89), (90, 179), (180, 89))]
    rows: list[Row] = [
        {
            "booking date": AS_OF.day - ago,
            "amount": 12 * monthly if place == 0 else -far,
            "category": "income" if place == 0 else "groceries",
            "type": "card",
            "own transfer": False,
        }
        for place, ago in enumerate(days)
    ]
    rows[draw(st.integers(0, 3))] |= draw(st.sampled_from(ODD))
    first = draw(st.sampled_from((360, 360, 400, 359)))
    return [*rows, {"booking date": AS_OF.day - first, "amount": 1, "own transfer": False}]


@st.composite
def facts(draw: st.DrawFn) -> FactBatch:
    """Draw the facts of one to three customers, and a census."""
    usual = draw(st.sampled_from((500, 749, 750, 751, 20_000)))
    tables: dict[str, list[Row]] = {"customers": [], "accounts": [], "transactions": []}
    for name in "abc"[: draw(st.integers(1, 3))]:
        currency = draw(st.sampled_from(("GBP", "GBP", "GBP", "JPY", "BTN")))
        born = draw(st.sampled_from((1981, 1996, 1996, 1997, None, 1905, 2027)))
        tables["customers"].append({"id": name, "currency": currency, "birth year": born})
        tables["accounts"].append({"id": f"{name}-1", "customer": name, "type": "current"})
        for number, row in enumerate(draw(transactions(usual))):
            keys = {"id": f"{name}{number}", "sequence": number, "account": f"{name}-1"}
            tables["transactions"].append(row | keys)
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    names = [
        cohort_name(currency, age, income)
        for currency in ("GBP", "JPY")
        for age in range(len(AGES) + 1)
        for income in range(len(INCOMES) + 1)
    ]
    known = {"groceries": usual, "transport": 2 * usual}
    census = Census(
        AS_OF.day - draw(st.sampled_from((0, 1, LASTS - 1, LASTS, -1))),
        dict.fromkeys(names[draw(st.sampled_from((0, 0, 8))) :], known),
    )
    batch = batch_from(ordered(coded(frames, Schema())), Schema())
    return replace(batch, census=draw(st.sampled_from((census, census, census, None))))


@pytest.mark.hypothesis
def test_comparisons_with_people_equal_the_reference() -> None:
    seen: Counter[str] = Counter()

    @examples(30, 5_000)
    @given(facts())
    def compare(batch: FactBatch) -> None:
        seen.update(assert_same(batch, AS_OF))

    compare()
    for what in ("above peers", "not above peers"):
        assert seen[what] > 0, seen  # what was compared was not empty
