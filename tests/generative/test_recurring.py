"""The columnar streams and forecasts equal those of the reference, in every field."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from tests.building import day
from tests.examples import examples
from tests.generative.recurring import recurring_facts
from tests.halves import assert_same

from tuppence.bankdata.synthetic import population
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

OPTIONS: dict[str, Any] = {
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@pytest.mark.hypothesis
def test_streams_and_forecasts_equal_the_reference() -> None:
    seen: Counter[str] = Counter()

    @examples(30, 5_000, **OPTIONS)
    @given(recurring_facts())
    def compare(drawn: tuple[FactBatch, Date]) -> None:
        seen.update(assert_same(*drawn))

    compare()
    for what in ("early", "mature", "stopped", "monthly", "forecasts"):
        assert seen[what] > 0, seen  # what was compared was not empty


@pytest.mark.parametrize("people", [100, pytest.param(200, marks=pytest.mark.long)])
def test_streams_and_forecasts_of_a_population_equal_the_reference(people: int) -> None:
    ((_, rows),) = population(people, 16, Date(day("2026-06-30")), 13)
    batch = batch_from(ordered(coded(rows.tables(), Schema())), Schema())
    seen = assert_same(batch, Date(day("2026-05-17")))
    assert seen["mature"] > 5 * people
    assert seen["forecasts"] > 0.75 * people
