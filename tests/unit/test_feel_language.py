"""The language: what texts mean, and what is said of texts that mean nothing."""

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
from tuppence.feel.values import parse_date, parse_date_time

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

CASES = [
    # arithmetic on 34 digits
    ("1 + 2 * 3", "7"),
    ("(1 + 2) * 3", "9"),
    ("0.1 + 0.2", "0.3"),
    ("1 / 3", "0.3333333333333333333333333333333333"),
    ("1.1 * 100", "110.0"),
    ("1.1 * 100 = 110", "true"),
    ("2 ** 3 ** 2", "64"),
    ("-3 ** 2", "9"),
    ("- -3", "3"),
    ("1e3 + .5", "1000.5"),
    ("1 / 0", "null"),
    ('1 + "a"', "null"),
    ("1 + null", "null"),
    ("-true", "null"),
    ("10 ** 7000", "null"),
    ('"a" + "b"', '"ab"'),
    # comparisons and logic of three values
    ("1 < 2", "true"),
    ("2 <= 2 and 3 >= 4", "false"),
    ("1 != 2", "true"),
    ("null = null", "true"),
    ("nothing = 1", "false"),
    ("nothing != null", "false"),
    ("nothing < 1", "null"),
    ('1 = "1"', "null"),
    ("1 < true", "null"),
    ("[1, 2] = [1, 2]", "true"),
    ("{a: 1} = {a: 1}", "true"),
    ("{a: 1} = {b: 1}", "false"),
    ("true and null", "null"),
    ("false and null", "false"),
    ("null and false", "false"),
    ("true or null", "true"),
    ("null or true", "true"),
    ("null or false", "null"),
    ("1 and true", "null"),
    ("true and true and true", "true"),
    ("not(true)", "false"),
    ("not(null)", "null"),
    # between, in, ranges
    ("2 between 1 and 3", "true"),
    ("nothing between 1 and 3", "null"),
    ("5 in [1..5]", "true"),
    ("5 in [1..5)", "false"),
    ("5 in ]5..6]", "false"),
    ("5 in [1..5[", "false"),
    ("5 in (> 3)", "true"),
    ("5 in (< 3, >= 5)", "true"),
    ("5 in (1, 5)", "true"),
    ("5 in = 5", "true"),
    ('"a" in [1..2]', "null"),
    ('"food" in ("rent", "food")', "true"),
    ("2 in [1, [2..3]]", "true"),
    ("2 in [[3..4], null]", "false"),
    # if, for, some, every
    ("if age > 18 then 1 else 2", "1"),
    ("if null then 1 else 2", "2"),
    ("for x in [1, 2] return x * 2", "[2, 4]"),
    ("for x in 1..3 return x", "[1, 2, 3]"),
    ("for x in 3..1 return x", "[3, 2, 1]"),
    ("for x in [1, 2], y in [x, 10] return x * y", "[1, 10, 4, 20]"),
    ("for x in 1..4 return if x < 3 then 1 else partial[-1] + partial[-2]", "[1, 1, 2, 3]"),
    ('for d in @"2026-01-30"..@"2026-02-01" return d.day', "[30, 31, 1]"),
    ("for x in 5 return x", "[5]"),
    ("some x in prices satisfies x > 2", "true"),
    ("every x in prices satisfies x > 2", "false"),
    ("some x in [] satisfies x", "false"),
    ("every x in [] satisfies x", "true"),
    ("some x in [null, false] satisfies x", "null"),
    ("every x in [null, true] satisfies x", "null"),
    # filters and paths
    ("prices[1]", "3"),
    ("prices[-1]", "2"),
    ("prices[4]", "null"),
    ("prices[0]", "null"),
    ("prices[1.5]", "null"),
    ("[][1]", "null"),
    ("5[1]", "5"),
    ("prices[item > 1]", "[3, 2]"),
    ("prices[item > 9]", "[]"),
    ("nothing[item > 1]", "[]"),
    ("prices[count(prices)]", "2"),
    ("payments[amount > 15].amount", "[20, 30]"),
    ("payments[item.amount > 25].amount", "[30]"),
    ('payments[category = "food"].amount', "[10, 30]"),
    ('payments[category != "food"].amount', "[20]"),
    ('payments[booking date > @"1970-06-01"].amount', "[20, 30]"),
    ("payments[amount > age - 15].amount", "[30]"),
    ("payments.booking date", '[@"1970-04-11", @"1970-07-20", @"1970-10-28"]'),
    ("customer.birth year", "1980"),
    ("customer.home.kind", '"rent"'),
    ("customer.nowhere", "null"),
    ("nothing.at", "null"),
    ("payments[1].amount", "10"),
    ("prices[nowhere > 1]", "[]"),
    # contexts, functions
    ("{a: 1, b: a + 1}.b", "2"),
    ('{"quoted key": 1}.quoted key', "1"),
    ("{two words: 2, c: two words * 2}.c", "4"),
    ("{f: function(x) x * 2}.f(4)", "8"),
    ("{f: function(x, y) x - y}.f(y: 1, x: 3)", "2"),
    ("{f: function(x) x}.f()", "null"),
    ("{f: function(x) x}.f(z: 1)", "null"),
    ("(function(x: number) x + age)(2)", "42"),
    ("age(1)", "null"),
    ("{f: count}.f([1, 2])", "2"),
    ("`booking date`", "null"),
    ("/* all */ 1 // one", "1"),
    # types
    ("1 instance of number", "true"),
    ('"a" instance of string', "true"),
    ("null instance of number", "false"),
    ("[1, 2] instance of list<number>", "true"),
    ('[1, "a"] instance of list<number>', "false"),
    ("{a: 1} instance of context<a: number>", "true"),
    ("{a: 1} instance of context", "true"),
    ("[1..2] instance of range<number>", "true"),
    ('@"P1D" instance of days and time duration', "true"),
    ('@"P1Y" instance of years and months duration', "true"),
    ('@"2026-01-01" instance of date', "true"),
    ("count instance of function", "true"),
    ("true instance of boolean", "true"),
    ("1 instance of Any", "true"),
    # dates and durations
    ('@"2026-03-31" + @"P1M"', '@"2026-04-30"'),
    ('@"2024-02-29" + @"P1Y"', '@"2025-02-28"'),
    ('@"2026-03-31" - @"P1M"', '@"2026-02-28"'),
    ('@"2026-03-31" + @"P1D"', '@"2026-04-01"'),
    ('@"2026-03-31" - @"PT1H"', '@"2026-03-30"'),
    ('@"P1D" + @"2026-03-31"', '@"2026-04-01"'),
    ('@"2026-03-31" - @"2026-03-01"', '@"P30D"'),
    ('(@"2026-03-31" - @"2026-03-01").days', "30"),
    ('@"P1D" * 2', '@"P2D"'),
    ('2 * @"P1M"', '@"P2M"'),
    ('@"P3D" / 2', '@"P1DT12H"'),
    ('@"P3D" / @"P1D"', "3"),
    ('@"P1Y" + @"P2M"', '@"P1Y2M"'),
    ('@"P1Y" - @"P2M"', '@"P10M"'),
    ('-@"P1D"', '@"-P1D"'),
    ('@"P1D" + @"P1M"', "null"),
    ('@"P1D" - 1', "null"),
    ('@"P1D" < @"P2D"', "true"),
    ('@"-P1DT2H3M4.5S".hours', "-2"),
    ('@"P14M".months', "2"),
    ('@"2026-03-31".weekday', "2"),
    ('@"2026-03-31".hour', "null"),
    ("[1..3).end", "3"),
    ("[1..3).end included", "false"),
    ('string(@"P1DT2H3M4.5S")', '"P1DT2H3M4.5S"'),
    ("today()", '@"2026-06-30"'),
    ('today() - @"P90D"', '@"2026-04-01"'),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[0] for case in CASES])
def test_an_expression_has_its_value(text: str, expected: str) -> None:
    value = evaluate(text, FACTS, now=parse_date_time("2026-06-30T10:00:00Z"))
    assert feel_literal(value) == expected


BUILTIN_CASES = [
    ("count([1, null])", "2"),
    ("count(5)", "1"),
    ("sum([1, 2])", "3"),
    ("sum(1, 2)", "3"),
    ("sum([])", "null"),
    ('sum([1, "a"])', "null"),
    ("mean(1, 2)", "1.5"),
    ("mean([])", "null"),
    ("median([3, 1, 2])", "2"),
    ("median(1, 2)", "1.5"),
    ("median([])", "null"),
    ("product([2, 3])", "6"),
    ("product([])", "null"),
    ("stddev(2, 4, 7, 5)", "2.081665999466132735282297706979931"),
    ("stddev([1])", "null"),
    ("mode([1, 2, 2, 1, 3])", "[1, 2]"),
    ("mode([])", "[]"),
    ("min(2, 1)", "1"),
    ('max("a", "b")', '"b"'),
    ("max([])", "null"),
    ('max(1, "a")', "null"),
    ("max([null])", "null"),
    ("all([true, null])", "null"),
    ("all([true, true])", "true"),
    ("all(null, false)", "false"),
    ("any([false, null])", "null"),
    ("any([false])", "false"),
    ("any(true, null)", "true"),
    ("list contains([1, null], null)", "true"),
    ("sublist([1, 2, 3], 2)", "[2, 3]"),
    ("sublist([1, 2, 3], -2, 1)", "[2]"),
    ("sublist([1, 2, 3], 5)", "null"),
    ("sublist([1, 2, 3], 2, 5)", "null"),
    ("append([1], 2)", "[1, 2]"),
    ("concatenate([1], [2, [3]])", "[1, 2, [3]]"),
    ("union([1, 2], [2, 3])", "[1, 2, 3]"),
    ("insert before([1, 3], 2, 2)", "[1, 2, 3]"),
    ("remove([1, 2], 1)", "[2]"),
    ("reverse([1, 2])", "[2, 1]"),
    ("index of([1, 2, 1], 1)", "[1, 3]"),
    ("distinct values([1, 2, 1, null, null])", "[1, 2, null]"),
    ("distinct values([{a: 1}, {a: 1}, {a: 2}])", "[{a: 1}, {a: 2}]"),
    ("flatten([1, [2, [3]]])", "[1, 2, 3]"),
    ("abs(-1)", "1"),
    ("floor(1.5)", "1"),
    ("floor(-1.56, 1)", "-1.6"),
    ("ceiling(1.5)", "2"),
    ("decimal(2.5, 0)", "2"),
    ("decimal(1 / 3, 2)", "0.33"),
    ("decimal(125, -1)", "120"),
    ("decimal(1, 99999)", "null"),
    ("round up(1.1, 0)", "2"),
    ("round down(-1.9, 0)", "-1"),
    ("round half up(2.5, 0)", "3"),
    ("round half down(2.5, 0)", "2"),
    ("modulo(-12, 5)", "3"),
    ("modulo(1, 0)", "null"),
    ("sqrt(16)", "4"),
    ("sqrt(-1)", "null"),
    ("log(0)", "null"),
    ("exp(0)", "1"),
    ("odd(3)", "true"),
    ("odd(-3)", "true"),
    ("even(3)", "false"),
    ('substring("foobar", 3)', '"obar"'),
    ('substring("foobar", -2, 1)', '"a"'),
    ('substring("foobar", 9)', "null"),
    ('substring("foobar", 1, 0)', "null"),
    ('string length("tēst")', "4"),
    ('upper case("a")', '"A"'),
    ('lower case("A")', '"a"'),
    ('substring before("foobar", "bar")', '"foo"'),
    ('substring before("foobar", "x")', '""'),
    ('substring after("foobar", "o")', '"obar"'),
    ('substring after("foobar", "")', '"foobar"'),
    ('contains("foobar", "ob")', "true"),
    ('starts with("foobar", "fo")', "true"),
    ('ends with("foobar", "fo")', "false"),
    ('string join(["a", null, "b"], "-")', '"a-b"'),
    ('string join(["a"])', '"a"'),
    ("string join([1])", "null"),
    ("string(1.50)", '"1.50"'),
    ("string(null)", "null"),
    ('string(["a", @"2026-01-01", {b: true}, [1..2), null])',
     '"[\\"a\\", 2026-01-01, {b: true}, [1..2), null]"'),
    ('number("1.5")', "1.5"),
    ('number("1 000,5", " ", ",")', "1000.5"),
    ('number("x")', "null"),
    ("number(null)", "null"),
    ('date("2026-02-28")', '@"2026-02-28"'),
    ('date("2026-02-30")', "null"),
    ("date(2026, 2, 28)", '@"2026-02-28"'),
    ('date(@"2026-02-28")', '@"2026-02-28"'),
    ("date(2026)", "null"),
    ('duration("P1D")', '@"P1D"'),
    ('duration("P1M1D")', "null"),
    ('duration("P")', "null"),
    ('years and months duration(@"2025-01-31", @"2026-03-30")', '@"P1Y1M"'),
    ('years and months duration(@"2026-03-30", @"2025-01-31")', '@"-P1Y1M"'),
    ('day of week(@"2026-11-24")', '"Tuesday"'),
    ('month of year(@"2026-11-24")', '"November"'),
    ('day of year(@"2026-12-31")', "365"),
    ('week of year(@"2027-01-01")', "53"),
    ('week of year(@"2026-01-01")', "1"),
    ("count()", "null"),
    ("abs(1, 2)", "null"),
    ("abs(null)", "null"),
    ('abs("a")', "null"),
    ("abs([-1])", "1"),
    ("abs(n: -1)", "1"),
    ("abs(m: -1)", "null"),
    ('substring(string: "foobar", start position: 3)', '"obar"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), BUILTIN_CASES, ids=[case[0] for case in BUILTIN_CASES]
)
def test_a_built_in_function_has_its_value(text: str, expected: str) -> None:
    assert feel_literal(evaluate(text)) == expected


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
    ("f(a: 1, 2)", "either all arguments are named or none", 0),
    ("1 instance of thing", "no such type", 14),
    ("]1, 2]", ", stands where .. of a range was expected", 2),
    ("[1..2", "the text ends where ], ) or [ to close the range was expected", 5),
    ("a.(1)", "( stands where the name of a field was expected", 2),
    ("a.1", ".1 stands where an operator or the end was expected", 1),
    ("function(x) external {}", "calling functions outside of FEEL is not supported", 12),
    ("x between 1 or 2", "or stands where and, between the two ends, was expected", 12),
    ("1" * 20_001, "the expression has over 20,000 characters", 20_000),
    ("(" * 200 + "1", "the expression is nested too deeply", 90),
    ("-" * 200 + "1", "the expression is nested too deeply", 90),
    ("", "the text ends where a value was expected", 0),
]


@pytest.mark.parametrize(
    ("text", "message", "start"), WRONG_TEXTS, ids=[case[1][:40] for case in WRONG_TEXTS]
)
def test_a_wrong_text_is_refused_with_its_place(text: str, message: str, start: int) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse(text)
    assert caught.value.diagnostic.message == message
    assert caught.value.diagnostic.span.start == start


def test_a_wrong_name_of_several_words_is_met_with_the_right_one() -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse("bookin date > 1", ["booking date"])
    assert caught.value.hint == "did you mean booking date?"


def test_a_syntax_error_shows_line_column_and_caret() -> None:
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
        ("count()", "feel.argument-count", "it is called as count(list)"),
        ("sum(1, true)", "feel.argument-type", "sum takes numbers, and something else is there"),
        ("abs(true)", "feel.argument-type", "abs takes number, and boolean was given"),
        ('number("x")', "feel.conversion", "the text is not a number"),
        ("1(2)", "feel.unknown-function", "number cannot be called"),
        ("today()", "feel.null-operand", "there is no date of evaluation"),
    ],
)
def test_an_error_is_null_and_says_why(text: str, code: str, message: str) -> None:
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


def test_a_name_that_hides_a_built_in_is_used() -> None:
    assert evaluate("count + 1", {"count": 1}) == 2
    assert evaluate("{sum: function(x) 7}.sum(1)") == 7


def test_a_function_keeps_the_names_of_where_it_was_made() -> None:
    made = "for f in [1, 2][item > 0] return function(x) x + f"
    assert evaluate(f"for g in ({made}) return g(10)") == [11, 12]
    rows = [{"n": 1}, {"n": 2}]
    text = "[function(x) x][item(1) = 1][1](5)"
    assert evaluate(text, {"rows": rows}) == 5


def test_values_record_while_running() -> None:
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


def test_strings_know_their_escapes() -> None:
    assert evaluate(r'"\"\\\n\t\r\'é\U01F40E🐎\x"') == "\"\\\n\t\r'é🐎🐎\\x"
    assert evaluate(feel_literal('a "b" \\ c')) == 'a "b" \\ c'


def test_a_tree_can_be_walked_and_rebuilt() -> None:
    text = 'for x in [1, {a: 2}] return if x in [1..2] then f(x) else -x.a ** 2 between 1 and "2"'
    tree = parse(text)
    assert syntax.transform(tree, lambda node: node) == tree
    assert syntax.bare(tree) == syntax.bare(parse(text.replace(" ", "  ")))
    assert {type(node).__name__ for node in syntax.walk(tree)} >= {"For", "If", "Call", "Between"}


def test_years_far_away_have_dates() -> None:
    for text in ("-9999-01-01", "0000-02-29", "123456789-12-31"):
        assert str(parse_date(text)) == text
    assert parse_date("2025-02-29") is None
    assert parse_date("2025-13-01") is None
