"""Expressions and templates that are composed to be expensive: each must end soon, and small.

python -m tests.generative.fuzz_hostile --inputs 200000 --seed 1

Each is run in a worker process that may take 64 MiB more than it had before. A run reports processor
time and memory as the process itself measures them, and all that ended in anything but a value or a
diagnostic.
"""
# ruff: noqa: E501 - pieces of expressions and templates are data

import argparse
import contextlib
import gc
import itertools
import multiprocessing
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2

from tuppence.feel import FeelSyntaxError, check, compile_expression, feel_text, format_text, parse
from tuppence.feel.budget import STEPS, TEXT_A_STEP
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.types import FUNCTION, NUMBER, STRING, ContextOf, ListOf, RangeOf, Type, strip
from tuppence.feel.values import Date, DateTime
from tuppence.rules.message import message_environment
from tuppence.rules.templates import TemplateError, fill

LIMIT = 64 * 2**20
TOO_LONG = 0.2
ENDLESS = 5
OUTCOMES = frozenset({"value", "diagnostic", "syntax"})
NAMES = frozenset(BUILTINS)
NOW = DateTime(20_000, 0)
GROWING = (
    "concatenate(l, l)", "[l, l]", "{a: l, b: l}", "append(l, l)", "flatten([l, l])",
    "[l, [l, l]]", "union(l, [n, l])", "context put(l, string(n), l)", "for x in l return l",
    "context merge([l, {k: l}])", "insert before(l, 1, l)", "reverse(concatenate(l, l))",
    "list replace(l, 1, l)", "get entries({a: l, b: l})", "[l..l]", "> l", "distinct values([l, l])",
)  # fmt: skip
GROWING_TEXTS = (
    "l + l", "string join([l, l, l])", 'replace(l, "a", "aa")', "upper case(l) + l", "string([l, l])",
    'string join(split(l, "") , "ab")', "string({a: l, b: l})", 'replace(l, "(.)", "$1$1")',
)  # fmt: skip
ATOMS = (
    "i", "1", "-1", "0.1", "9" * 40, "10**6144", "10**-6143", "1e300", "1.5", "null", "true", '""',
    '"a"', f'"{"ab" * 500}"', f'"{"é🐎" * 300}"', '@"2026-03-31"', '@"-999999999-01-01"',
    '@"P999999999Y"', '@"P1D"', '@"PT1S"', '@"2026-03-31T10:00:00@Europe/Paris"', '@"10:00:00Z"',
    "now()", "today()", "[1..10**30]", "> 5", "function(x) x", "function(x, y) x < y",
    "function(x, y) true", "count", "{a: 1, b: [1, 2]}", "[1, 2, 3]", "[[1]]", "2305843009213693951",
)  # fmt: skip
PATTERNS = (
    "(a*)*b", "(a|a)*$", "[a-z-[aeiou]]", "[\\\\w-[0-9]]", ".*a.{300}", "(x+x+)+y", "((a{0,9}){0,9}){0,9}",
    "(.*a.{12})", "\\\\p{L}+", "(a|aa|aaa){20}", "a.*b|a", "[^\\\\d-[\\\\w-[abc]]]", "", "(.)(.)(.)", "a?",
    "(\\\\w|\\\\d){200}x", ".*", "b", ",", "(?:a.*?b)?", "[a-z]{1,999}",
)  # fmt: skip
FORMS = (
    "count(_)", "string(_)", "string length(string(_))", "_ = _", "_ != [_]", "[_] = [_]", "_ < _",
    "_ in (_, _)", "_ in [_]", "_ between _ and _", "_ + _", "_ - _", "_ * _", "_ / _", "_ ** _",
    "-(_)", "[_, _, _]", "{a: _, b: a, c: [a, b]}.c", "_[item = _]", "_[-1]", "_[item > 1]", "_.a",
    "for i in _ return _", "for i in 1..@ return _", "for i in 1..@, j in 1..@ return _",
    "for i in _, j in _ return [i, j]", "some i in _ satisfies i = _", "every i in 1..@ satisfies _",
    "if _ then _ else _", "(function(x, y) [x, y, x])(_, _)", "_ instance of list<list<list<number>>>",
    "for i in 1..@ return if i = 1 then _ else [partial[-1], partial[-1]]",
    "for i in 1..@ return partial", "for i in 1..@ return partial[-1]",
    '@"0001-01-01" + @"P1D" * @', 'for d in @"0001-01-01"..@"9999-12-31" return _',
    "{f: function(n) if n < 2 then _ else f(n - 1) + f(n - 2), r: f(30)}.r",
    "{f: function(n) f(n + 1), r: f(0)}.r", "sort(_, function(x, y) _)", "list replace(_, function(x, y) _, 1)",
    'matches(_, "%")', 'replace(_, "%", "ab$1")', 'split(_, "%")', 'matches(string(i), "%" + string(i))',
    "range(string(_))", "number(string(_))", "date(string(_))", "duration(string(_))",
)  # fmt: skip
PARTS = (
    "{{ v }}", "{{ l }}", "{{ n | money }}", "{{ n | number }}", "{{ d | date }}", "{{ v * 99999999 }}",
    "{{ 'x' * 2000000000 }}", "{{ 9 ** 9 ** 9 }}", "{{ range(99999999) }}", "{{ v.center(99999999) }}",
    "{{ v | center(99999999) }}", "{{ '%99999999d' | format(1) }}", "{{ '{:99999999}'.format(1) }}",
    "{% for a in l %}_{% endfor %}", "{% for a in v %}_{% endfor %}", "{% if v %}_{% else %}_{% endif %}",
    "{{ l | join(v) }}", "{{ l | join('____') }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set v = v ~ v %}", "{% include 'x' %}", "{{ v | upper }}", "{{ l | first }}", "{{ v if v else v }}",
    "{{ (((((((v))))))) }}", "{{ not not not not v }}", "{{ v | upper | lower | upper }}",
    "{{ l.append(l) }}", "{{ v.__class__ }}", "{{ v | replace('a', v) }}", "{% call m() %}_{% endcall %}",
    "{{ 1 < 2 < 3 < 4 }}", "{{ 99999999999999999999999999 | number }}", "{{ 'x' | indent(9999999) }}",
    "{% for a in l recursive %}{{ loop(l) }}{% endfor %}", "{{ l[0] }}", "{{ c.x | money }}", "{% filter upper %}_{% endfilter %}",
    "{% raw %}{{{% endraw %}", "text ", "{{", "%}", "{{ v[::-1] }}", "{{ big }}", "{{ many | join }}",
)  # fmt: skip


def expression(rng: random.Random) -> str:
    """A text of nested forms, most of which grow or visit something large."""
    return _filled(rng, rng.choice(FORMS), rng.randint(0, 2))


def _filled(rng: random.Random, form: str, depth: int) -> str:
    made: list[str] = []
    for char in form:
        if char == "_":
            made.append(_part(rng, depth))
        elif char == "@":
            follows = made and made[-1] in {".", " "}
            made.append(rng.choice(("9", "99", "3000", "70000", "10**9")) if follows else char)
        else:
            made.append(rng.choice(PATTERNS) if char == "%" else char)
    return "".join(made)


def _part(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        return rng.choice(ATOMS) if kind < 0.5 else _large(rng)
    if kind < 0.35:
        return _large(rng)
    if kind < 0.65:
        return _call(rng, rng.choice(list(BUILTINS.values())), depth - 1)
    return f"({_filled(rng, rng.choice(FORMS), depth - 1)})"


def _large(rng: random.Random) -> str:
    """Something that a few steps make large, or that shares its parts."""
    count = rng.choice((3, 8, 12, 16, 20, 24, 40, 99))
    loop = rng.choice((50, 700, 3000, 20_000, 100_000))
    kind = rng.randrange(6)
    if kind == 0:
        grow, seed = rng.choice(GROWING), rng.choice(("[1]", "{}", "[[]]", '["ab"]', "1"))
        return (
            f"{{f: function(l, n) if n = 0 then l else f({grow}, n - 1), r: f({seed}, {count})}}.r"
        )
    if kind == 1:
        grow = rng.choice(GROWING_TEXTS)
        seed = rng.choice(('"a"', '"ab,"', '"é"'))
        return (
            f"{{f: function(l, n) if n = 0 then l else f({grow}, n - 1), r: f({seed}, {count})}}.r"
        )
    if kind == 2:
        return f"(for i in 1..{loop} return {rng.choice(('i', '[i]', '{a: i}', 'string(i)', 'i / 7', 'i * 2305843009213693951'))})"
    if kind == 3:
        names = "abcdefghijklmnopqrstuvwxyz"[: min(count, 26)]
        shape = rng.choice(("[_, _]", "{x: _, y: _}", "concatenate(_, _)", "[_, [_]]"))
        steps = [f"{b}: {shape.replace('_', a)}" for a, b in itertools.pairwise(names)]
        return f"{{a: [1], {', '.join(steps)}}}.{names[-1]}"
    if kind == 4:
        return f'string join(for i in 1..{loop} return "{rng.choice(("a", "ab" * 40, "é,"))}")'
    return f"[{', '.join(rng.choices(ATOMS, k=rng.randint(1, 40)))}]"


def _call(rng: random.Random, builtin: Builtin, depth: int) -> str:
    form = rng.choice(builtin.forms)
    kinds = [kind for _, kind in form]
    if builtin.required is not None and form is builtin.parameters:
        kinds = kinds[: rng.randint(builtin.required, len(kinds))]
    return f"{builtin.name}({', '.join(_argument(rng, kind, depth) for kind in kinds)})"


def _argument(rng: random.Random, kind: Type, depth: int) -> str:
    wanted = strip(kind)
    if wanted == FUNCTION:
        return rng.choice(("function(x, y) x < y", "function(x, y) x = y", "function(x, y) true"))
    if wanted == NUMBER:
        return rng.choice(
            ("1", "-1", "2.5", "10**30", "10**6144", "10**-6143", "3000", "i", "0.37")
        )
    if wanted == STRING:
        return rng.choice((*ATOMS[11:15], f'"{rng.choice(PATTERNS)}"', _large(rng)))
    if isinstance(wanted, ListOf):
        return _large(rng)
    if isinstance(wanted, RangeOf):
        return rng.choice(("[1..10**30]", "[l..l]", f"({_large(rng)}..2)", "> 5", '["a".."b"]'))
    if isinstance(wanted, ContextOf):
        return f"{{a: {_large(rng)}, b: 1}}"
    return _part(rng, depth)


def template(rng: random.Random) -> str:
    """A template of parts in parts, no longer than a rule may have it."""
    text = "_"
    for _ in range(rng.randint(1, 30)):
        part = rng.choice(PARTS)
        text = text.replace("_", part + rng.choice(("", "_", "__")), rng.randint(1, 3))
    return text.replace("_", "x" * rng.randint(0, 3))[:2_000]


VALUES: dict[str, Any] = {
    "v": "ab" * 200,
    "l": ["abc"] * 100,
    "n": Decimal("1E6144"),
    "d": Date(10**9),
    "today": Date(20_000),
    "c": {"x": Decimal("12.34")},
    "big": "a" * 500_000,
    "many": ["x"] * 50_000,
}


FIRST = (
    "T:{{ c.x | money }}{{ c.x | number }}{{ c.x | percent }}{{ today | date }}",
    'matches("a", "[\\\\w-[b]]")',
    'string(@"2026-03-31T10:00:00@Europe/Paris")',
)


def run_expression(text: str, steps: int = STEPS) -> str:
    """Return the outcome: `value`, `diagnostic` or `syntax`.

    Raises:
        AssertionError: The value is larger than what was paid for.
    """
    try:
        tree = parse(text, NAMES)
    except FeelSyntaxError:
        return "syntax"
    check(tree, {})
    format_text(text, NAMES)
    outcome = compile_expression(tree, now=NOW).evaluate({}, steps)
    written = len(feel_text(outcome.value))
    if written > TEXT_A_STEP * steps:
        raise AssertionError(f"a value of {written:,} characters")
    return "diagnostic" if outcome.diagnostics else "value"


def run_template(text: str) -> str:
    """Return the outcome: `value` or `diagnostic`."""
    try:
        fill(text, message_environment("GBP", "en_GB"), VALUES)
    except (TemplateError, jinja2.TemplateError, TypeError, ValueError):
        return "diagnostic"
    return "value"


def run_one(text: str, steps: int = STEPS) -> str:
    """Run an input, which is a template where it begins with `T:`."""
    return run_template(text[2:]) if text.startswith("T:") else run_expression(text, steps)


def inputs(rng: random.Random, count: int) -> Iterator[str]:
    """Random inputs: one in ten is a template, the others are expressions."""
    for _ in range(count):
        yield f"T:{template(rng)}" if rng.random() < 0.1 else expression(rng)


@dataclass
class Report:
    """The outcomes of some inputs.

    Attributes:
        outcomes: Number of inputs by outcome.
        slowest: Most seconds of processor time, and the input.
        largest: Most bytes above those before, and the input.
        failures: Inputs that ended in anything but a value or a diagnostic.
        times: Seconds of processor time of each, see `measure`.
        slow: Inputs that took longer than they should.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")
    failures: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


def measure(texts: Iterator[str], steps: int = STEPS) -> Report:
    """Run inputs one after another in this process with this budget, and measure each.

    Other processes share caches and cores with this one, so an input that took longer than it
    should is run twice more, and its best time counts.
    """
    report = Report()
    for text in FIRST:  # what a process loads once: locales, the characters that there are
        run_one(text)
    signal.signal(signal.SIGPROF, _too_long)
    for text in texts:
        outcome, took, grown = _measure_one(text, steps)
        for _ in range(2):
            if took > TOO_LONG:
                took = min(took, _measure_one(text, steps)[1])
        if outcome in OUTCOMES:
            report.outcomes[outcome] += 1
        else:
            report.failures.append(f"{outcome}: {text!r}")
        report.times.append(took)
        if took > TOO_LONG:
            report.slow.append(f"{took:.3f} s: {text!r}")
        report.slowest = max(report.slowest, (took, text))
        report.largest = max(report.largest, (grown, text))
    return report


def _measure_one(text: str, steps: int) -> tuple[str, float, int]:
    """Return the outcome or the error, the seconds of processor time, and the bytes more."""
    gc.collect(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + LIMIT, -1))
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, ENDLESS)
    try:
        outcome = run_one(text, steps)
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    took = time.process_time() - began
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    return outcome, took, _memory("VmHWM") - before


def _too_long(*_: object) -> None:
    raise AssertionError(f"it took {ENDLESS} seconds of processor time")


def _memory(name: str) -> int:
    """Bytes of this process, by a line of its status in Linux."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def _share(arguments: tuple[int, int, int]) -> Report:
    seed, count, steps = arguments
    return measure(inputs(random.Random(seed), count), steps)


def main() -> None:
    """A long run, in fresh processes of a thousand inputs each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    share = min(1_000, options.inputs)
    shares = [(options.seed + n, share, options.steps) for n in range(options.inputs // share)]
    total = Report()
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=5) as pool:
        for report in pool.imap_unordered(_share, shares):
            total.outcomes += report.outcomes
            total.slowest = max(total.slowest, report.slowest)
            total.largest = max(total.largest, report.largest)
            total.failures += report.failures
            total.times += report.times
            for finding in [*report.failures, *report.slow]:
                print(finding[:600])  # noqa: T201 - a command of its own
            _print(total)
    print(f"slowest: {total.slowest[1]!r}\nlargest: {total.largest[1]!r}")  # noqa: T201


def _print(total: Report) -> None:
    times = sorted(total.times)
    print(  # noqa: T201 - a command of its own
        f"{len(times):,} inputs, {dict(total.outcomes)}, {len(total.failures)} failures; "
        f"processor time: slowest {times[-1] * 1e3:.0f} ms, "
        f"99.9 % below {times[len(times) * 999 // 1000] * 1e3:.0f} ms, "
        f"over 200 ms {sum(t > TOO_LONG for t in times)}; "
        f"largest {total.largest[0] / 2**20:.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
