"""Types and mistakes that the checker finds before evaluation."""

import pytest

from tuppence.facts.schema import Schema
from tuppence.feel import check, parse
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    FUNCTION,
    NULL,
    NUMBER,
    STRING,
    ContextOf,
    ListOf,
    Nullable,
    RangeOf,
    Type,
    fits,
    join,
)
from tuppence.rules.domain import expand, load_definitions

SCHEMA = Schema()
DEFINITIONS = load_definitions()


def findings(text: str, wanted: Type = ANY) -> tuple[str, list[tuple[str, str, str, str]]]:
    """Return the type, and the code, marked text, message and hint of each diagnostic."""
    tree = parse(text, SCHEMA.words() | BUILTINS.keys() | DEFINITIONS.keys())
    kind, found = check(expand(tree, DEFINITIONS), SCHEMA.names(), wanted)
    return str(kind), [(d.code, text[slice(*d.span)], d.message, d.hint) for d in found]


TYPES = [
    ("1 + 1", "number"),
    ('"a"', "string"),
    ("null", "null"),
    ("payments.amount", "list of number"),
    ("payments[1]", "context or null"),
    ("payments[1].amount", "number or null"),
    ("payments[amount > 5].booking date", "list of date"),
    ("payments[balance < 0].balance", "list of number"),
    ("payments.balance", "list of number or null"),
    ("sum(payments.amount)", "number or null"),
    ("total(payments.amount)", "number"),
    ("average(payments.amount)", "number"),
    ("min(1, 2)", "number"),
    ("max(payments.amount)", "number or null"),
    ("max(3)", "number"),
    ("count(payments)", "number"),
    ("customer.birth year", "number or null"),
    ("customer.birth year + 1", "number or null"),
    ("customer.birth year > 1980", "boolean or null"),
    ("customer.history days > 10", "boolean"),
    ("1 / 2", "number"),
    ("1 / count(payments)", "number or null"),
    ("if count(payments) > 0 then 1 / count(payments) else 0", "number"),
    ("if customer.region = null then 1 else customer.region", "any"),
    ('if customer.region = null then "?" else customer.region', "string"),
    ("if true then 1 else null", "number or null"),
    ("if true then null else 1", "number or null"),
    ("if true then [1] else [null]", "list of number or null"),
    ('if true then 1 else "a"', "any"),
    ("for p in payments return p.amount", "list of number"),
    ("for i in 1..3 return i", "list of number"),
    ("some p in payments satisfies p.amount > 1", "boolean"),
    ("every p in payments satisfies p.balance > 1", "boolean or null"),
    ("today() - payments[1].booking date", "days and time duration or null"),
    ('today() - @"P1Y"', "date"),
    ('@"P1D" + today()', "date"),
    ('@"P1Y" + @"P1M"', "years and months duration"),
    ('@"P1D" / @"P1D"', "number"),
    ('2 * @"P1D"', "days and time duration"),
    ('@"P1D" * 2', "days and time duration"),
    ("-1", "number"),
    ("today().month", "number"),
    ("[1..2].start", "number"),
    ("[1..2]", "range of number"),
    ("[]", "list of null"),
    ("{a: 1, b: a}.b", "number"),
    ("function(x) x", "function"),
    ("{f: function(x) x}.f(1)", "any"),
    ("count", "function"),
    ("1 instance of number", "boolean"),
    ("customer.region between 1 and 2", "boolean or null"),
    ('customer.region in ("a", "b")', "boolean or null"),
    ("string(1)", "string"),
    ("string(customer.region)", "string or null"),
    ("upper case(customer.region)", "string or null"),
    ("sublist(payments, 1)[1].amount", "number or null"),
    ("append([1], null)", "list of number or null"),
    ("count(payments[1].amount = null and payments[1].amount > 1)", "number or null"),
    ("true and customer.birth year > 1", "boolean or null"),
    ("customer.birth year > 1 and customer.birth year < 5", "boolean or null"),
    ("substring(string: \"ab\", start position: 1)", "string"),
    ("nothing[1]", "any"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TYPES, ids=[case[0] for case in TYPES])
def test_a_type_is_inferred(text: str, expected: str) -> None:
    assert findings(text)[0] == expected


ERRORS = [
    ("paymets", "feel.unknown-name", "paymets", "there is no paymets here",
     "did you mean payments?"),
    ("payments.amont", "feel.unknown-field", "amont", "this context has no field amont",
     "did you mean amount?"),
    ("payments[catgory = 1]", "feel.unknown-name", "catgory", "there is no catgory here",
     "did you mean category?"),
    ("today().hour", "feel.unknown-field", "hour", "a date has no field hour",
     "there is day, month, weekday, year"),
    ("1.5.x", "feel.unknown-field", "x", "a number has no field x", ""),
    ("summ(payments.amount)", "feel.unknown-function", "summ", "there is no function summ",
     "did you mean sum?"),
    ("count()", "feel.argument-count", "count()", "the call must have the form count(list)", ""),
    ("abs(m: 1)", "feel.argument-count", "abs(m: 1)", "the call must have the form abs(n)", ""),
    ("total()", "feel.argument-count", "total()", "the function takes list", ""),
    ("sum(payments.category)", "feel.argument-type", "payments.category",
     "sum takes a list of number, but this is a list of string or null", ""),
    ("upper case(1)", "feel.argument-type", "1", "upper case takes a string, but this is a number",
     ""),
    ('1 + "a"', "feel.operand-type", '1 + "a"', "+ is not defined between a number and a string",
     "write the number without quotes, or convert it with string(…)"),
    ("today() - 90", "feel.operand-type", "today() - 90",
     "- is not defined between a date and a number", 'write days as a duration: @"P90D"'),
    ('payments[booking date > "2026-01-01"]', "feel.operand-type",
     'booking date > "2026-01-01"', "a date cannot be compared with a string",
     'write dates as @"2026-03-31"'),
    ("payments.amount > 5", "feel.operand-type", "payments.amount",
     "a list of number has no order, so > cannot compare it", ""),
    ("payments.amount + 5", "feel.operand-type", "payments.amount + 5",
     "+ is not defined between a list of number and a number",
     "take one value of the list: total(…), count(…), max(…)"),
    ("payments[category = 5]", "feel.never-holds", "category = 5",
     "a string is never equal to a number", ""),
    ("1 in (\"a\")", "feel.never-holds", '"a"',
     "a number is never in this, because it holds a string", ""),
    ('1 between "a" and 2', "feel.operand-type", '"a"', "a number cannot be compared with a string",
     ""),
    ("-true", "feel.operand-type", "-true", "- is not defined for a boolean", ""),
    ("1 and true", "feel.operand-type", "1",
     "each side of and must be a boolean, but this is a number", ""),
    ("if 1 then 2 else 3", "feel.operand-type", "1",
     "the condition of an if must be a boolean, but this is a number", ""),
    ("some p in payments satisfies 1", "feel.operand-type", "1",
     "what some satisfies must be a boolean, but this is a number", ""),
    ('payments["x"]', "feel.operand-type", '"x"',
     "a filter must be a condition or a position, but this is a string", ""),
    ("[true..false]", "feel.operand-type", "[true..false]",
     "a boolean cannot be the end of a range", ""),
    ('[1.."a"]', "feel.operand-type", '[1.."a"]', "a range goes from a number to a string",
     "both ends must be of one type"),
    ("customer(1)", "feel.unknown-function", "customer",
     "a context cannot be called like a function", ""),
    ("sum(payments.amount) < 5", "feel.null-prone", "sum(payments.amount) < 5",
     "sum(…) is null if its list is empty, and then this < is too",
     "total(…) is 0 if the list is empty"),
    ("max(payments.amount) > 5", "feel.null-prone", "max(payments.amount) > 5",
     "max(…) is null if its list is empty, and then this > is too",
     "test first: count(…) > 0"),
    ("for count in payments return count.amount", "feel.shadowing", "count in payments",
     "count hides the built-in function of that name", "choose another name"),
    ("{sum: 1}", "feel.shadowing", "{sum: 1}",
     "sum hides the built-in function of that name", "choose another name"),
    ("function(sum) 1", "feel.shadowing", "function(sum) 1",
     "sum hides the built-in function of that name", "choose another name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "under", "message", "hint"), ERRORS, ids=[case[0] for case in ERRORS]
)
def test_a_mistake_is_reported(text: str, code: str, under: str, message: str, hint: str) -> None:
    assert (code, under, message, hint) in findings(text)[1]


@pytest.mark.parametrize(
    "text",
    [
        "count(payments) > 0 and max(payments.amount) > 5",
        "if count(payments) >= 1 then max(payments.amount) > 5 else false",
        "total(payments[balance != null].balance) > 5",
        "customer.region != null and customer.region > \"M\"",
        "payments[category in (\"a\", \"b\")].amount[1] = null",
        "count(payments[own transfer or amount > 5]) = 0",
        "nothing > 5 or true = null",
        "percentage(total(payments.amount), total(receipts.amount)) > 5",
    ],
)  # fmt: skip
def test_correct_expressions_have_no_diagnostics(text: str) -> None:
    names = [f for f in findings(text)[1] if f[1] != "nothing"]
    assert names == []


def test_a_value_of_another_than_the_wanted_type_is_reported() -> None:
    expected = ("feel.result-type", "1", "this is a number, and a boolean is needed", "")
    assert findings("1", BOOLEAN)[1] == [expected]
    assert findings("null", BOOLEAN)[1] == []


def test_a_given_condition_narrows_types() -> None:
    condition = parse("count(payments) > 0")
    kind, _ = check(parse("max(payments.amount)"), SCHEMA.names(), condition=condition)
    assert kind == NUMBER


def test_a_condition_whose_first_branch_is_null_narrows_as_its_second_one() -> None:
    text = "if customer.since = null then null else count(payments) > 0"
    names, condition = SCHEMA.names(), parse(text)
    assert check(parse("max(payments.amount)"), names, condition=condition)[0] == NUMBER
    assert check(parse("customer.since"), names, condition=condition)[0] == DATE
    other = parse(text.replace("then null", "then true"))
    assert check(parse("max(payments.amount)"), names, condition=other)[0] == Nullable(NUMBER)


def test_types_are_compared_and_joined() -> None:
    assert fits(NUMBER, ListOf(NUMBER))
    assert not fits(ListOf(STRING), ListOf(NUMBER))
    assert fits(NULL, STRING)
    assert fits(ContextOf({"a": NUMBER, "b": STRING}), ContextOf({"a": NUMBER}))
    assert not fits(ContextOf({}), ContextOf({"a": NUMBER}))
    assert fits(RangeOf(NUMBER), RangeOf(NUMBER))
    assert not fits(FUNCTION, DATE)
    assert join(Nullable(NUMBER), NUMBER) == Nullable(NUMBER)
    assert str(join(ListOf(NUMBER), ListOf(STRING))) == "list of any"
