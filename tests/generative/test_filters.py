"""Filters over facts as comprehensions keep the same elements as the interpreter."""

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from tests.examples import examples

from tuppence.feel import compile_expression, parse
from tuppence.feel.library import BUILTINS
from tuppence.feel.rows import RowField, Rows, write_out
from tuppence.feel.values import Date, DateTime

FIELDS = {
    "booking date": RowField(Date, nullable=False),
    "amount": RowField(Decimal, nullable=False),
    "balance": RowField(Decimal, nullable=True),
    "category": RowField(str, nullable=True),
    "own transfer": RowField(bool, nullable=False),
}
NAMES = frozenset({*FIELDS, "limit", "nothing", "payments"})

rows = st.lists(
    st.fixed_dictionaries(
        {
            "booking date": st.integers(0, 4).map(Date),
            "amount": st.integers(-2, 2).map(Decimal),
            "balance": st.one_of(st.none(), st.integers(-2, 2).map(Decimal)),
            "category": st.sampled_from([None, "a", "b"]),
            "own transfer": st.booleans(),
        }
    ),
    max_size=8,
)
numbers = st.sampled_from(["0", "1", "-1", "limit", "limit + 1", "nothing", "1 / 0", "null", '"a"'])
dates = st.sampled_from(['@"1970-01-03"', '@"1970-01-05" - @"P1D"', "null", "today()"])
texts = st.sampled_from(['"a"', '"b"', "null", "limit", 'string(limit) + "a"'])
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
equals = st.sampled_from(["=", "!="])


def compared(
    field: str, others: st.SearchStrategy[str], how: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.builds(lambda o, v: f"{field} {o} {v}", how, others) | st.builds(
        lambda o, v: f"{v} {o} {field}", how, others
    )


leaves = st.one_of(
    compared("amount", numbers, operators),
    compared("balance", numbers, operators),
    compared("booking date", dates, operators),
    compared("category", texts, equals),
    compared("own transfer", st.sampled_from(["true", "false"]), equals),
    st.just("own transfer"),
    st.sampled_from(['category in ("a", "b")', 'category in ("a")', "amount in (1, limit)"]),
    st.sampled_from(['not(category in ("a"))', "not(balance = 1)", "not(balance < 1)"]),
    st.sampled_from(["not(own transfer)", "amount in [0..1]", "item.amount > 0", "unknown = 1"]),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda a, o, b: f"({a} {o} {b})", inner, st.sampled_from(["and", "or"]), inner
    ),
    max_leaves=5,
)


@examples(50, 8_000)
@given(predicates, rows)
def test_comprehensions_and_the_interpreter_keep_the_same_elements(
    predicate: str, items: list[dict[str, Any]]
) -> None:
    tree = parse(f"payments[{predicate}]", NAMES | BUILTINS.keys())
    expression = compile_expression(tree, now=DateTime(2, 0), names=NAMES)
    context = {"limit": Decimal(1), "nothing": None}
    plain = expression.evaluate({**context, "payments": items}).value
    fast = expression.evaluate({**context, "payments": Rows(items, FIELDS)}).value
    assert fast == plain


def test_common_conditions_become_comprehensions() -> None:
    for text in (
        'category = "a" and booking date > today() - @"P90D"',
        "own transfer and amount > 0",
        'category != null and category != customer.country or type in ("x", "y")',
        "balance < 0",
        'not(category in ("a", "b")) and not(own transfer)',
    ):
        fields = FIELDS | {"type": RowField(str, nullable=True)}
        tree = parse(text, [*fields, *BUILTINS])
        assert write_out(tree, fields) is not None, text


def test_other_conditions_are_left_to_the_interpreter() -> None:
    for text in ("not(balance < 1)", "amount + 1 > 2", "some x in [1] satisfies x = amount", "1"):
        tree = parse(text, [*FIELDS, *BUILTINS])
        assert write_out(tree, FIELDS) is None, text
