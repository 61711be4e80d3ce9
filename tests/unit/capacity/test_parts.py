"""The model of nights by parts, beside arithmetic by hand and the nights that were measured."""

import msgspec
import pytest

from tuppence.capacity.parts import (
    BEGIN_SECONDS,
    BUSY,
    CHOSEN,
    COLD_SECONDS,
    CUSTOMERS_PER_PART,
    START_SECONDS,
    PartWork,
    night_of,
    night_of_functions,
    night_seconds,
    read_part_work,
)
from tuppence.capacity.tables import read_prices

WORK = msgspec.structs.replace(
    read_part_work(),
    seconds_to_open=2.0,
    seconds_by_part=0.1,
    scheduler_seconds_by_part=0.001,
    client_seconds_by_part=0.002,
    seconds_by_customer=0.001,
    requests_by_part=20,
)


def test_time_and_cost_agree_with_a_calculation_by_hand() -> None:
    """100 parts of 10.1 s by 25 workers are four rounds."""
    found = night_of(WORK, read_prices("us-east-1"), 1_000_000, 25)
    assert found.seconds == pytest.approx(START_SECONDS + (2 + 4 * 10.1) / BUSY)
    hour = 25 * (0.04048 + 3 * 0.004445) + 2 * (0.04048 + 4 * 0.004445)
    assert found.evaluation_usd == pytest.approx(found.seconds / 3_600 * hour)
    assert found.store_usd == pytest.approx(100 * 20 * 5 / 1e6)


def test_a_night_of_functions_agrees_with_a_calculation_by_hand() -> None:
    """10,000 parts of 10.1 s by 1,000 functions are ten rounds."""
    found = night_of_functions(WORK, read_prices("us-east-1"), 100_000_000)
    assert found.workers == 1_000
    part, first = 10.1 / BUSY, COLD_SECONDS + 2 / BUSY
    assert found.seconds == pytest.approx(BEGIN_SECONDS + first + 10 * part)
    busy = 1_000 * first + 10_000 * part
    memory = 3_008 / 1_024 * 0.0000166667
    states = 10_000 * 1e-6 + busy / 16 * 0.00001667 + 10_005 * 25e-6
    by_hand = (BEGIN_SECONDS + busy) * memory + 10_000 * 0.2e-6 + states
    assert found.evaluation_usd == pytest.approx(by_hand)


def test_the_scheduler_bounds_a_night_of_many_short_parts() -> None:
    short = msgspec.structs.replace(WORK, seconds_by_customer=0.0)
    assert night_seconds(short, 1, 100_000, 100_000, 1.0) == pytest.approx(200)


def test_the_model_agrees_with_the_processor_time_of_nights_that_were_measured() -> None:
    work: PartWork = read_part_work()
    for night in work.nights:
        part = work.seconds_by_part + night.customers / night.parts * work.seconds_by_customer
        modelled = night.workers * work.seconds_to_open + night.parts * part
        assert modelled == pytest.approx(night.processor_seconds, rel=0.5)


def test_estimates_are_within_three_minutes_and_a_dollar_for_a_million_customers() -> None:
    work, prices = read_part_work(), read_prices("us-east-1")
    million = night_of(work, prices, 1_000_000, CHOSEN[1_000_000])
    assert million.seconds < 180
    assert million.evaluation_usd < 1
    of_functions = night_of_functions(work, prices, 1_000_000)
    assert of_functions.seconds < 180
    assert of_functions.evaluation_usd < 1
    assert night_of_functions(work, prices, 100_000_000).seconds < 1_800
    assert night_of(work, prices, 100_000_000, CHOSEN[100_000_000]).seconds < 1_800
    assert all(customers % CUSTOMERS_PER_PART == 0 for customers in CHOSEN)
