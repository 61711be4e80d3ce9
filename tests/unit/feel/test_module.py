"""The public functions of the package: evaluate, inspect, trace, unary tests, formatting."""

import subprocess
import sys

import pytest

from tuppence.feel import (
    FeelSyntaxError,
    evaluate,
    format_text,
    inspect,
    passes_tests,
    trace,
    type_name,
)
from tuppence.feel.values import parse_date_time

TESTS = [
    ("-", 1, True),
    ("5", 5, True),
    ("5, 6", 6, True),
    ("> 5", 5, False),
    ("[1..3], > 10", 11, True),
    ("not(1, 2)", 3, True),
    ("not(> 2)", 3, False),
    ("!= 3", 3, False),
    ("? > 2 and ? < 4", 3, True),
    ('"a", "b"', "b", True),
    ("null", None, True),
    ("> 5", "a", None),
    ("x", 7, True),
    ("list contains(?, 2)", [1, 2], True),
    ("not(list contains(?, 2))", [1, 2], False),
    ("not(list contains([1, 2], ?))", 3, True),
    ("list contains([1, 2], 2)", 5, True),
    ("list contains([1, 2], 3)", 5, False),
    ("not(list contains([1, 2], 2))", 5, False),
    ("not(list contains([1, 2], 3))", 5, True),
    ("not(x > 3)", 5, False),
    ("not(x > 9), 5", 6, True),
    ("not(list contains(?, 2)) and count(?) > 1", [1, 3], True),
    ("x > 3", False, False),
    ("true", 5, None),
]


@pytest.mark.parametrize(("tests", "value", "expected"), TESTS)
def test_unary_tests_are_evaluated(tests: str, value: object, expected: bool | None) -> None:
    assert passes_tests(tests, value, {"x": 7}) is expected


@pytest.mark.parametrize("tests", ["", "1,", "not(1", "1 2", "- 1 -"])
def test_invalid_unary_tests_are_refused(tests: str) -> None:
    with pytest.raises(FeelSyntaxError):
        passes_tests(tests, 1)


def test_inspect_says_why_a_value_is_null() -> None:
    outcome = inspect("1 / 0 + sum(prices)", {"prices": []})
    assert outcome.value is None
    assert [d.code for d in outcome.diagnostics] == ["feel.arithmetic", "feel.null-operand"]


def test_trace_returns_every_part_with_its_value() -> None:
    outcome, steps = trace("sum(prices) > limit", {"prices": [1, 2], "limit": 2})
    assert outcome.value is True
    assert [(step.text, str(step.value)) for step in steps] == [
        ("sum(prices) > limit", "True"),
        ("sum(prices)", "3"),
        ("prices", "[Decimal('1'), Decimal('2')]"),
        ("limit", "2"),
    ]


def test_now_is_the_clock_of_the_system_by_default() -> None:
    assert type_name(evaluate("now()")) == "date and time"
    moment = parse_date_time("2026-06-30T10:00:00+02:00")
    assert str(evaluate("now()", now=moment)) == "2026-06-30T10:00:00+02:00"


LAYOUTS = [
    ("1+2*3", "1 + 2 * 3"),
    ("(1+2)*3", "(1 + 2) * 3"),
    ("1-(2-3)", "1 - (2 - 3)"),
    ("((a))", "a"),
    ("- (2**2)", "-(2 ** 2)"),
    ("(if a then b else c)+1", "(if a then b else c) + 1"),
    ("x in(1,>2)", "x in (1, > 2)"),
    ("x in(>2)", "x in > 2"),
    ("x in (!=2)", "x in != 2"),
    ("x between 1 and 2", "x between 1 and 2"),
    ("[1 .. 2[", "[1..2)"),
    ("]1..2]", "(1..2]"),
    ('{"a b":1,c:2}', "{a b: 1, c: 2}"),
    ('{"a:b":1}', '{"a:b": 1}'),
    ("`a b`.c", "`a b`.c"),
    ("for i in 1 .. 3 return i", "for i in 1..3 return i"),
    ("some i in a,j in b satisfies i=j", "some i in a, j in b satisfies i = j"),
    ("function(a:number,b)a+b", "function(a: number, b) a + b"),
    ("f(x:1,y:2)", "f(x: 1, y: 2)"),
    ("a instance of function<number>->list<string>",
     "a instance of function<number> -> list<string>"),
    ("a instance of context<b:number>", "a instance of context<b: number>"),
    ("a instance of range<date and time>", "a instance of range<date and time>"),
    ("1e300", "1e+300"),
    ("a /* why */ + b", "a + /* why */ b"),
    ("a // why\n+ b", "a\n  + // why\n  b"),
    ("a // last", "a\n// last"),
    ("(= 5)", "= 5"),
    ("(<= 5).end", "(<= 5).end"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LAYOUTS, ids=[text for text, _ in LAYOUTS])
def test_texts_are_formatted_consistently(text: str, expected: str) -> None:
    assert format_text(text) == expected
    assert format_text(expected) == expected


def test_long_texts_are_formatted_on_several_lines() -> None:
    text = (
        'count(payments[category = "energy" and amount > 10]) >= 9 and total(payments[category = '
        '"energy"].amount) > 1800 and {first: 1, second: [10000000, 20000000, 30000000, 40000000], '
        "third: if a then bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb else cccccccccccccccccccccccccc}"
        ".third = 1"
    )
    assert format_text(text) == (
        'count(payments[category = "energy" and amount > 10]) >= 9\n'
        'and total(payments[category = "energy"].amount) > 1800\n'
        "and {\n"
        "  first: 1,\n"
        "  second: [10000000, 20000000, 30000000, 40000000],\n"
        "  third: if a then bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb else cccccccccccccccccccccccccc\n"
        "}.third\n"
        "  = 1"
    )


def test_the_package_imports_nothing_else() -> None:
    """Check that importing it loads no other package except RE2."""
    code = (
        "import sys, tuppence.feel; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'numpy', 'polars', 'msgspec', "
        "'yaml', 'jinja2', 'babel', 'typer', 'rich'} or m.startswith('tuppence.') "
        "and not m.startswith(('tuppence.feel', 'tuppence.errors'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
