"""The FEEL language: syntax errors, errors inside evaluations, and values."""

from decimal import Decimal
from typing import Any

import pytest

from tuppence.feel import (
    Date,
    FeelSyntaxError,
    compile_expression,
    evaluate,
    feel_literal,
    feel_text,
    parse,
    syntax,
    type_name,
)
from tuppence.feel.interpreter import Outcome
from tuppence.feel.library import BUILTINS
from tuppence.feel.values import parse_date

FACTS: dict[str, Any] = {
    "age": 40,
    "name": "Ada",
    "nothing": None,
    "prices": [3, 1, 2],
    "payments": [
        {"booking date": Date(100), "amount": 10, "category": "food"},
        {"booking date": Date(200), "amount": 20, "category": None},
        {"booking date": Date(300), "amount": 30, "category": "food"},
    ],
    "customer": {"birth year": 1980, "home": {"kind": "rent"}},
}

WRONG_TEXTS = [
    ("1 +", "the text ends where a value was expected", 3),
    ("(1", "the text ends where ) to close the parenthesis was expected", 2),
    ("[1", "the text ends where , or ] to close the list was expected", 2),
    ("a b", "b stands where an operator or the end was expected", 2),
    ("1 = = 2", "= stands where a value was expected", 4),
    ('"abc', "this text in quotes has no end", 0),
    ("/* abc", "this comment has no end", 0),
    ("a && b", "& has no meaning in FEEL", 2),
    ("“a”", "“ is a typographic quote", 0),
    ("a § b", "'§' has no meaning here", 2),
    ("if a then b", "the text ends where else (an if always needs one) was expected", 11),
    ('@"soon"', '@"soon" is neither a date, a time nor a duration', 0),
    ("@5", '5 stands where a date or duration in quotes, as in @"2026-03-31" was expected', 1),
    ('@"25:00:00"', '@"25:00:00" is neither a date, a time nor a duration', 0),
    ("{a: 1, a: 2}", "a is defined twice in this context", 10),
    ("{: 1}", ": stands where a name was expected", 1),
    ("f(a: 1, 2)", "either all arguments must be named or none", 0),
    ("1 instance of thing", "no such type", 14),
    ("]1, 2]", ", stands where .. of a range was expected", 2),
    ("[1..2", "the text ends where ], ) or [ to close the range was expected", 5),
    ("a.(1)", "( stands where the name of a field was expected", 2),
    ("a.1", ".1 stands where an operator or the end was expected", 1),
    ("function(x) external {}", "calling functions outside of FEEL is not supported", 12),
    ("x between 1 or 2", "or stands where and, between the two ends, was expected", 12),
    ("1" * 20_001, "the expression has more than 20,000 characters", 20_000),
    ("(" * 200 + "1", "the expression is nested too deeply", 90),
    ("-" * 200 + "1", "the expression is nested too deeply", 90),
    ("", "the text ends where a value was expected", 0),
]


@pytest.mark.parametrize(
    ("text", "message", "start"), WRONG_TEXTS, ids=[case[1][:40] for case in WRONG_TEXTS]
)
def test_a_syntax_error_has_its_place(text: str, message: str, start: int) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse(text)
    assert caught.value.diagnostic.message == message
    assert caught.value.diagnostic.span.start == start


def test_a_misspelled_name_of_several_words_is_corrected_in_the_hint() -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse("bookin date > 1", ["booking date"])
    assert caught.value.hint == "did you mean booking date?"


def test_a_syntax_error_has_line_column_and_carets() -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse("1 +\n  * 2")
    assert caught.value.message == "line 2, column 3: * stands where a value was expected"
    assert caught.value.details == ("  * 2\n  ^",)


def outcome(text: str, context: dict[str, Any] | None = None) -> Outcome:
    names = frozenset(context or {})
    return compile_expression(parse(text, names | BUILTINS.keys()), names=names).evaluate(
        context or {}
    )


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("1 / 0", "feel.arithmetic", "division by zero is undefined"),
        ("x < 1", "feel.unknown-name", "there is no x"),
        ("null < 1", "feel.null-operand", "the left side of < is null"),
        ("1 + null", "feel.null-operand", "the right side of + is null"),
        ('1 < "a"', "feel.operand-type", "number and string cannot be compared with <"),
        ('1 + "a"', "feel.operand-type", "+ is not defined between number and string"),
        ("{a: 1}.b", "feel.unknown-field", "context has no b"),
        ("count()", "feel.argument-count", "the call must have the form count(list)"),
        ("sum(1, true)", "feel.argument-type", "sum takes numbers, and something else is there"),
        ("abs(true)", "feel.argument-type", "abs takes number, not boolean"),
        ('number("x")', "feel.conversion", "the text is not a number"),
        ("1(2)", "feel.unknown-function", "number cannot be called"),
        ("today()", "feel.null-operand", "there is no date of evaluation"),
    ],
)
def test_an_error_becomes_null_with_a_diagnostic(text: str, code: str, message: str) -> None:
    found = outcome(text)
    assert found.value is None
    assert (code, message) in [(d.code, d.message) for d in found.diagnostics]


def test_an_endless_loop_ends_with_a_diagnostic() -> None:
    found = outcome("count(for i in 1..1000000000 return i)")
    assert found.value is None
    assert [d.code for d in found.diagnostics] == ["feel.budget"]


def test_endless_recursion_ends_with_a_diagnostic() -> None:
    found = outcome("{f: function(g) g(g)}.f(function(g) g(g))")
    assert found.value is None
    assert [d.code for d in found.diagnostics] == ["feel.budget"]


def test_a_variable_hides_a_built_in_function() -> None:
    assert evaluate("count + 1", {"count": 1}) == 2
    assert evaluate("{sum: function(x) 7}.sum(1)") == 7


def test_a_function_keeps_the_scope_of_its_definition() -> None:
    made = "for f in [1, 2][item > 0] return function(x) x + f"
    assert evaluate(f"for g in ({made}) return g(10)") == [11, 12]
    rows = [{"n": 1}, {"n": 2}]
    text = "[function(x) x][item(1) = 1][1](5)"
    assert evaluate(text, {"rows": rows}) == 5


def test_values_are_recorded_during_evaluation() -> None:
    seen: list[tuple[str, Any]] = []
    text = "count(prices[item > 1]) > 1 and true"
    tree = parse(text, BUILTINS)
    run = compile_expression(tree, record=lambda n, v: seen.append((text[slice(*n.span)], v)))
    assert run.evaluate({"prices": [Decimal(1), Decimal(2), Decimal(3)]}).value is True
    assert ("count(prices[item > 1])", Decimal(2)) in seen
    assert ("prices[item > 1]", [2, 3]) in seen
    assert "item > 1" not in [part for part, _ in seen]


def test_every_value_has_a_type_name() -> None:
    texts = ["null", "true", "1", '"a"', "[]", "{}", '@"2026-01-01"', '@"P1D"', '@"P1Y"', "[1..2]"]
    names = [type_name(evaluate(text)) for text in [*texts, "count", "function(x) x"]]
    assert names == [
        "null", "boolean", "number", "string", "list", "context", "date",
        "days and time duration", "years and months duration", "range", "function", "function",
    ]  # fmt: skip


def test_values_without_a_literal_are_written_as_null() -> None:
    assert feel_literal(evaluate("[1..2]")) == "null"
    assert feel_text(evaluate("function(x) x")) == "function"


def test_escapes_in_strings_are_decoded() -> None:
    assert evaluate(r'"\"\\\n\t\r\'é\U01F40E🐎\x"') == "\"\\\n\t\r'é🐎🐎\\x"
    assert evaluate(feel_literal('a "b" \\ c')) == 'a "b" \\ c'


def test_a_tree_can_be_walked_and_rebuilt() -> None:
    text = 'for x in [1, {a: 2}] return if x in [1..2] then f(x) else -x.a ** 2 between 1 and "2"'
    tree = parse(text)
    assert syntax.transform(tree, lambda node: node) == tree
    assert syntax.same(tree, parse(text.replace(" ", "  ")))
    assert {type(node).__name__ for node in syntax.walk(tree)} >= {"For", "If", "Call", "Between"}


def test_dates_of_distant_years_are_supported() -> None:
    for text in ("-9999-01-01", "0000-02-29", "123456789-12-31"):
        assert str(parse_date(text)) == text
    assert parse_date("2025-02-29") is None
    assert parse_date("2025-13-01") is None
