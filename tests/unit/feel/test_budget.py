"""The budget: every operation of the language is paid for in proportion to its work."""

import contextlib
import itertools
from decimal import Decimal
from typing import Any

import pytest

from tuppence.errors import UserError
from tuppence.feel import check, compile_expression, evaluate, format_text, inspect, parse, trace
from tuppence.feel.budget import STEPS, Budget, OutOfBudget, visit
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.builtin import Builtin, Parameters
from tuppence.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_DURATION,
    FUNCTION,
    NUMBER,
    STRING,
    TIME,
    YEARS_DURATION,
    ContextOf,
    ListOf,
    RangeOf,
    Type,
    strip,
)
from tuppence.feel.values import (
    Date,
    DateTime,
    DaysDuration,
    Function,
    Range,
    Time,
    YearsDuration,
)

TEXTS = {
    "from": "1",
    "pattern": "b",
    "delimiter": "b",
    "match": "b",
    "replacement": "c",
    "flags": "i",
}
FORMS = [(b, form) for b in BUILTINS.values() for form in b.forms if form]
SMALL: dict[Type, Any] = {
    BOOLEAN: True,
    DATE: Date(20_000),
    DATE_TIME: DateTime(20_000, 0),
    TIME: Time(0),
    DAYS_DURATION: DaysDuration(1),
    YEARS_DURATION: YearsDuration(1),
    NUMBER: Decimal(1),
}


def argument(builtin: Builtin, name: str, kind: Type, size: int) -> Any:
    """Return a fitting argument, of the given size if its type allows it."""
    wanted = strip(kind)
    if isinstance(wanted, ListOf):
        if builtin.name == "context":
            return [{"key": str(i), "value": Decimal(i)} for i in range(size)]
        if builtin.name == "context merge":
            return [{"a": Decimal(i)} for i in range(size)]
        if wanted.element == STRING or builtin.name == "string join":
            return ["ab"] * size if builtin.name == "string join" else ["a"]
        kinds = strip(wanted.element)
        return [
            SMALL.get(kinds, Decimal(i % 7)) if kinds == BOOLEAN else Decimal(i)
            for i in range(size)
        ]
    if isinstance(wanted, ContextOf):
        return {str(i): Decimal(i) for i in range(size)}
    if isinstance(wanted, RangeOf):
        return Range(Decimal(1), Decimal(5), low_closed=True, high_closed=True)
    if wanted == STRING:
        return TEXTS.get(name, "a") if name in TEXTS else "a" * size
    if wanted == FUNCTION:
        return Function((), lambda values, budget: budget.spend(1) or values[0] == values[1])
    if wanted == ANY:
        return [Decimal(i) for i in range(size)] if builtin.name in {"string", "is"} else Decimal(1)
    return SMALL[wanted]


def spent(builtin: Builtin, form: Parameters, size: int) -> int:
    """Return the steps of a call with arguments of a given size."""
    budget = Budget(10**12)
    arguments = [argument(builtin, name, kind, size) for name, kind in form]
    with contextlib.suppress(FeelError):
        builtin.invoke(arguments, budget)
    return 10**12 - budget.steps


def is_sized(builtin: Builtin, form: Parameters) -> bool:
    """Return whether an argument of this form can be large."""
    small, large = ([argument(builtin, n, k, size) for n, k in form] for size in (10, 40))
    lengths = [[len(v) for v in a if isinstance(v, list | dict | str)] for a in (small, large)]
    return lengths[0] != lengths[1]


@pytest.mark.parametrize(("builtin", "form"), FORMS, ids=lambda v: getattr(v, "name", ""))
def test_the_cost_of_a_built_in_function_grows_with_its_arguments(
    builtin: Builtin, form: Parameters
) -> None:
    few, many = spent(builtin, form, 1_600), spent(builtin, form, 16_000)
    assert few >= 10
    if is_sized(builtin, form):
        assert many - few >= (16_000 - 1_600) // 16


def codes(text: str, steps: int = STEPS) -> list[str]:
    """Return the codes of an evaluation's diagnostics."""
    found = compile_expression(parse(text, BUILTINS.keys())).evaluate({}, steps)
    return [finding.code for finding in found.diagnostics]


SHARED = "{{f: function(c, n) if n = 0 then c else f({grow}, n - 1), r: {use}}}.r"
GROWING = ("[c, c]", "{a: c, b: c}", "[c, [c]]", "[> c, > c]")
USES = (
    "string(f([1], 40))",
    "f([1], 40) = f([1], 40)",
    "f([1], 40) in f([1], 40)",
    "is(f([1], 40), f([1], 40))",
    "list contains([f([1], 40)], f([1], 40))",
    "index of([f([1], 40)], f([1], 40))",
    "distinct values([f([1], 40), f([1], 40)])",
    "union([f([1], 40)], [f([1], 40)])",
    "f([1], 40)",
)


@pytest.mark.parametrize("grow", GROWING)
@pytest.mark.parametrize("use", USES)
def test_shared_values_are_paid_for_at_each_visit(grow: str, use: str) -> None:
    assert codes(SHARED.format(grow=grow, use=use), 50_000) == ["feel.budget"]


def test_flattening_and_type_checks_of_shared_lists_are_paid_for() -> None:
    for use in ("flatten(f([1], 40))", f"f([1], 40) instance of {'list<' * 41}number{'>' * 41}"):
        assert codes(SHARED.format(grow="[c, c]", use=use), 50_000) == ["feel.budget"]


@pytest.mark.parametrize(
    "text",
    [
        "for i in 1..30000 return " + "+".join("i" * 40),  # the parts of a loop count as well
        "(for i in 1..30000 return i)[" + " or ".join(["item = 0"] * 30) + "]",
        "every i in 1..30000 satisfies " + " and ".join(["i > 0"] * 30),
        "for i in 1..3000 return i ** 0.37",
        "for i in 1..30000 return log(i)",
        'count(for i in 1..300 return matches("a", "[\\\\w-[" + string(i) + "]]"))',
        'matches(string join(for i in 1..9000 return "xay"), "(.*a.{300})")',
        'replace(string join(for i in 1..9000 return "a"), "a.*b|a", "c")',
        'for i in 1..200 return if i = 1 then "ab" else partial[-1] + partial[-1]',
        "for i in 1..100000 return 1/0",
        "every i in 1..70000 satisfies round half down(10**6144, 10**6144) != 1",
        'every i in 1..70000 satisfies [time("10:00:00@Nowhere/" + string(i))] != null',
        "for i in 1..100000 return date(i)",
        "distinct values(for i in 1..60000 return i * 2305843009213693951)",
        "for i in 1..3 return partial",
        "count(sort(for i in 1..9000 return i, function(a, b) a < b))",
    ],
)
def test_a_long_running_expression_is_stopped(text: str) -> None:
    assert "feel.budget" in codes(text)


def test_a_pattern_is_paid_for_once_in_an_evaluation() -> None:
    once, often = (
        inspect(f'for i in 1..{n} return matches("abc", "[a-z-[aeiou]]")') for n in (1, 2_000)
    )
    assert once.value == [True]
    assert often.value == [True] * 2_000


def test_joining_texts_beyond_the_limit_is_refused() -> None:
    texts = ["a" * 900_000] * 10_000
    with pytest.raises(FeelError, match="more than 1,000,000 characters"):
        BUILTINS["string join"].invoke([texts], Budget(10**12))


def test_a_failing_constant_part_is_paid_for_at_each_evaluation() -> None:
    tree = parse("1/0" + " + 1" * 40)
    assert compile_expression(tree).evaluate({}, steps=100).value is None
    found = compile_expression(tree).evaluate({}, steps=400)
    assert [finding.code for finding in found.diagnostics] != ["feel.budget"]


def test_the_outcome_does_not_depend_on_earlier_compilations() -> None:
    text = 'count(for i in 1..3 return matches("a", "[\\\\w-[" + string(i) + "]]"))'
    assert inspect(text) == inspect(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('@"P1D" * 10**6000', "feel.arithmetic"),
        ('@"2026-01-01" + @"P999999999Y" + @"P999999999Y"', "feel.arithmetic"),
        ('@"999999999-12-31" + @"P1D"', "feel.arithmetic"),
        ('@"-999999999-01-01" - @"P1D"', "feel.arithmetic"),
        ('@"2026-01-01T00:00:00" + @"P300000000000D" + @"P300000000000D"', "feel.arithmetic"),
        ('duration("P99999999999999999999999999999D")', "feel.conversion"),
        ("product([9.9 * 10**6144, 10])", "feel.arithmetic"),
        ("sum([9.99 * 10**6144, 9.99 * 10**6144])", "feel.arithmetic"),
        ("modulo(10**6000, 10**-6000)", "feel.arithmetic"),
        ("for i in 10**40..10**41 return i", "feel.operand-type"),
    ],
)
def test_an_overflow_becomes_null_with_a_diagnostic(text: str, code: str) -> None:
    found = inspect(text)
    assert found.value is None
    assert found.diagnostics[0].code == code


@pytest.mark.parametrize("text", ["-999999999-01-01", "999999999-12-31"])
def test_arithmetic_reaches_the_first_and_last_valid_date(text: str) -> None:
    assert str(evaluate(f'@"{text}" + @"P0D"')) == text
    assert str(evaluate(f'@"{text}" + @"P0Y"')) == text


def test_the_ends_of_a_parsed_range_must_be_literals() -> None:
    found = inspect('range("[week of year(\\"x\\")..1]")')
    assert [finding.code for finding in found.diagnostics] == ["feel.conversion"]
    low = evaluate('range("[-1234567890123456789012345678901234..1]").start')
    assert low == Decimal(-1234567890123456789012345678901234)


def test_a_result_too_large_to_be_written_is_refused() -> None:
    found = inspect('for i in 1..9000 return "' + "a" * 10_000 + '"')
    assert found.value is None
    visit(evaluate("for i in 1..9000 return i"), Budget(STEPS))


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = []
    for _ in range(200):
        value = [value]
    with pytest.raises(OutOfBudget):
        visit(value, Budget())
    with pytest.raises(UserError, match="nested more than 100 levels deep"):
        inspect("x", {"x": value})


def test_a_number_out_of_range_is_refused() -> None:
    numbers: list[Any] = [float("inf"), float("nan"), Decimal("1e7000"), 10**7000]
    for number in numbers:
        with pytest.raises(UserError, match="a number is too large, or not a number"):
            inspect("x", {"x": [number]})


def test_a_trace_omits_values_that_are_too_large() -> None:
    text = SHARED.format(grow="[c, c]", use="count(f([1], 40))")
    outcome, steps = trace(text)
    assert outcome.value == 2
    assert "r: " not in [step.text for step in steps]


def test_equal_numbers_are_one_value_in_any_notation() -> None:
    assert evaluate("distinct values([1, 1.0, 1.00, 2, 0, -0])") == [1, 2, 0]
    assert evaluate("mode([1, 1.0, 2])") == [1]


def test_types_of_shared_contexts_are_compared_quickly() -> None:
    names = "abcdefghijklmnopqrstuvwxyz"
    steps = ", ".join(f"{b}: {{x: {a}, y: {a}}}" for a, b in itertools.pairwise(names))
    shared = f"{{a: [1], {steps}}}"
    kind, findings = check(parse(f"[{shared}, {shared}]"), {})
    assert str(kind) == "list of context"
    assert not findings


def test_nested_parts_are_formatted_in_linear_time() -> None:
    text = "{aaaaaaaaaaaaaaaaaa: " * 80 + "1" + "}" * 80
    assert format_text(text).count("aaaaaaaaaaaaaaaaaa") == 80
