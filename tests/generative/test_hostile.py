"""Expressions and templates that are composed to be expensive end in a value or a diagnostic."""

import random
from collections import Counter

import pytest
from tests.generative.fuzz_hostile import inputs, measure, run_expression, run_template

SMALL = 25_000
"""Steps: a twentieth of what an evaluation may spend, so that the suite stays quick."""


def test_hostile_inputs_end_in_a_value_or_a_diagnostic() -> None:
    outcomes = Counter(
        run_template(text[2:]) if text.startswith("T:") else run_expression(text, SMALL)
        for text in inputs(random.Random(11), 400)
    )
    assert outcomes["value"] > 20
    assert outcomes["diagnostic"] > 100
    assert outcomes["syntax"] < 100


@pytest.mark.long
def test_many_hostile_inputs_end_within_their_memory() -> None:
    report = measure(inputs(random.Random(3), 5_000))
    assert report.failures == []
    assert report.largest[0] <= 64 * 2**20, report.largest
