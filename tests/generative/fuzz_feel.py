"""Fuzzes the language: every random text has a value or a syntax error with a place.

python -m tests.generative.fuzz_feel --inputs 2000000 --seed 1
"""

import argparse
import concurrent.futures
import contextlib
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

from tuppence.feel import FeelSyntaxError, compile_expression, format_text, parse, parse_unary_tests
from tuppence.feel.diagnostics import EXPLANATIONS
from tuppence.feel.library import BUILTINS
from tuppence.feel.values import DateTime

CORPUS = Path(__file__).parent / "corpus.txt"
PIECES = (
    "1", "0", "-1", "1e3", ".5", '"a"', '"', "null", "true", "false", "x", "booking date", "item",
    "partial", "?", "(", ")", "[", "]", "{", "}", ",", ":", ".", "..", "+", "-", "*", "/", "**",
    "=", "!=", "<", "<=", ">", ">=", "and", "or", "not(", "if", "then", "else", "for", "in",
    "return", "some", "every", "satisfies", "between", "instance of", "function(", "list<",
    "range<", "number", "string", "date", '@"2026-03-31"', '@"P1D"', '@"P1Y"', '@"10:00:00Z"', "@",
    "payments", "payments[", ".amount", "//", "/*", "*/", "\n", " ", "é", "🐎", "\\", "`",
    "1..3", "today()",
    *(f"{name}(" for name in BUILTINS),
)  # fmt: skip
FORMS = (
    "_ + _", "_ - _", "_ * _", "_ / _", "_ ** _", "-_", "(_)", "_ = _", "_ != _", "_ < _", "_ >= _",
    "_ and _", "_ or _", "not(_)", "_ between _ and _", "_ in _", "_ in (_, > _)", "[_.._]",
    "(_.._]", "if _ then _ else _", "for i in _ return _", "for i in 1.._, j in _ return [i, j, _]",
    "some i in _ satisfies _", "every i in _ satisfies i = _", "[_, _, _]", "[]", "{a: _, b: a}",
    "_[_]", "_[item = _]", "payments[amount > _].amount", "_.a", "_.amount", "function(x, y) _",
    "(function(x) _)(_)", "_(_)", "_ instance of number", "_ instance of list<string>",
    *(f"{f.name}({', '.join('_' * len(form))})" for f in BUILTINS.values() for form in f.forms),
)  # fmt: skip
ATOMS = (
    "0", "1", "-2.5", "1e30", "null", "true", "false", '""', '"a"', '"2026-03-31"', "x", "partial",
    '@"2026-03-31"', '@"P1D"', '@"-P1Y2M"', '@"10:00:00Z"', '@"2026-03-31T10:00:00@Europe/Paris"',
    "payments", "booking date", "today()", "now()", "count", "item", "i", "?", "[1..3]", "> 2",
)  # fmt: skip
FACTS: dict[str, Any] = {
    "x": None,
    "booking date": "2026-01-01",
    "payments": [{"amount": None}, {"amount": [1]}, {}, "odd"],
}
NAMES = frozenset({*FACTS, "amount", *BUILTINS})
STEPS = 20_000


class Report(NamedTuple):
    """The outcomes of the inputs."""

    inputs: int
    values: int
    syntax_errors: int
    slowest: float
    slowest_input: str


def generate(rng: random.Random, corpus: list[str]) -> str:
    """Return nested forms, random pieces, or a modified text of the corpus."""
    kind = rng.random()
    if kind < 0.5:
        return sentence(rng, rng.randint(1, 4))
    if kind < 0.7:
        return " ".join(rng.choices(PIECES, k=rng.randint(1, 25)))
    text = rng.choice(corpus)
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 6))
        text = text[:start] + rng.choice([*PIECES[:60], text[start:end] * 2, ""]) + text[end:]
    return text


def sentence(rng: random.Random, depth: int) -> str:
    """Return a FEEL text of nested forms."""
    if depth == 0:
        return rng.choice(ATOMS)
    pieces = rng.choice(FORMS).split("_")
    inner = [sentence(rng, rng.randint(0, depth - 1)) for _ in pieces[1:]]
    return pieces[0] + "".join(part + piece for part, piece in zip(inner, pieces[1:], strict=True))


def run_one(text: str) -> bool:
    """Return whether a text has a value rather than a syntax error; raise any other exception."""
    try:
        tree = parse(text, NAMES)
    except FeelSyntaxError as error:
        start, end = error.diagnostic.span
        if not 0 <= start <= end <= len(text) + 1 or error.code not in EXPLANATIONS:
            raise AssertionError(f"a place outside of the text: {text!r}") from error
        return False
    compile_expression(tree, now=DateTime(0, 0), names=frozenset(FACTS)).evaluate(FACTS, STEPS)
    if parse(format_text(text, NAMES), NAMES).__class__ is not tree.__class__:
        raise AssertionError(f"another tree after formatting: {text!r}")
    return True


def fuzz(inputs: int, seed: int) -> Report:
    """Run so many random texts.

    Raises:
        AssertionError: One of them did what no text may do.
    """
    rng = random.Random(seed)
    corpus = CORPUS.read_text("utf-8").splitlines()
    values = 0
    slowest, slowest_input = 0.0, ""
    for _ in range(inputs):
        text = generate(rng, corpus)
        began = time.process_time()
        try:
            values += run_one(text)
            with contextlib.suppress(FeelSyntaxError):
                parse_unary_tests(text, NAMES)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}: {text!r}") from error
        took = time.process_time() - began
        if took > slowest:
            slowest, slowest_input = took, text
    return Report(inputs, values, inputs - values, slowest, slowest_input)


def main() -> None:
    """Fuzz for a long time on all cores."""

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    share = 20_000
    seeds = range(options.seed, options.seed + max(1, options.inputs // share))
    done: list[Report] = []
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for report in pool.map(fuzz, [min(share, options.inputs)] * len(seeds), seeds):
            done.append(report)
            total = sum(r.inputs for r in done)
            values = sum(r.values for r in done)
            worst = max(done, key=lambda r: r.slowest)
            print(  # noqa: T201 - a command of its own
                f"\r{total:,} inputs, {values:,} values, slowest {worst.slowest * 1e3:.0f} ms",
                end="",
                flush=True,
            )
    print(f"\nslowest: {worst.slowest_input!r}")  # noqa: T201


if __name__ == "__main__":
    main()
