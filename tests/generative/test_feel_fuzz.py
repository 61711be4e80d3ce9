"""Fuzzing: every text soon has a value or a syntax error with a place."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.examples import examples
from tests.generative.fuzz_feel import CORPUS, NAMES, PIECES, fuzz, run_one

from tuppence.feel import compile_expression, parse
from tuppence.feel.values import DateTime


def test_random_texts_have_a_value_or_a_syntax_error() -> None:
    report = fuzz(4_000, seed=7)
    assert report.values > 100
    assert report.syntax_errors > 100


@examples(50, 6_000)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES)).map(" ".join)))
def test_generated_texts_have_a_value_or_a_syntax_error(text: str) -> None:
    run_one(text)


@pytest.mark.parametrize("text", CORPUS.read_text("utf-8").splitlines())
def test_texts_of_the_corpus_have_a_value_or_a_syntax_error(text: str) -> None:
    run_one(text)


LONG = [
    "(" * 5000 + ")" * 5000,
    "1+" * 4999 + "1",
    "[" * 10_000,
    "-" * 9_999 + "1",
    "not(" * 2000 + "true" + ")" * 2000,
    "if a then " * 900 + "1",
    "x." * 5000 + "x",
    "x[" * 3000 + "1" + "]" * 3000,
    '"' + "a" * 9_997 + '"',
    "a " * 5000,
    "function(x) " * 800 + "x",
    "{a:" * 3000 + "1" + "}" * 3000,
    "for i in 1..9 return " * 450 + "i",
    "1 in (" * 1600 + "1" + ")" * 1600,
]
HUNGRY = [
    "for i in 1..1000000000 return i",
    "for i in 1..1000, j in 1..1000, k in 1..1000 return i",
    'for i in 1..200 return if i = 1 then "ab" else partial[-1] + partial[-1]',
    "for i in 1..200 return if i = 1 then [1] else concatenate(partial[-1], partial[-1])",
    "{f: function(x) f(x) + f(x)}.f(1)",
    "{f: function(x) if x = 0 then 1 else f(x - 1) + f(x - 1)}.f(60)",
    'replace("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "(a+)+$", "b")',
    'matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "^(a|a)*$")',
    "exp(exp(exp(exp(100))))",
    "10 ** 10 ** 10",
    "decimal(1, 999999999)",
    "some x in 1..1000000000 satisfies x = 0",
    'string join(for i in 1..100000 return "aaaaaaaaaaaaaaaaaaaaaaaa")',
    "for i in 1..100000 return [partial]",
]


@pytest.mark.parametrize("text", LONG, ids=[text[:20] for text in LONG])
def test_long_texts_are_processed_in_time(text: str) -> None:
    run_one(text)


@pytest.mark.parametrize("text", HUNGRY)
def test_expensive_expressions_are_stopped(text: str) -> None:
    tree = parse(text, NAMES)
    compile_expression(tree, now=DateTime(0, 0)).evaluate({}, 100_000)
