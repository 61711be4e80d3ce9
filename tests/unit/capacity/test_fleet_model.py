"""The model of a run, where its outcome can be computed by hand."""

from dataclasses import replace

import msgspec
import pytest
from benchmarks.fleet.model import STARTING, Limits, simulate
from benchmarks.fleet.scale import PAGE, Setup, first_night, lifted, minutes

from tuppence.capacity.cost import monthly
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.capacity.run import CALL_SECONDS, FUNCTION_CPU, Load, our_shape
from tuppence.capacity.tables import Work, read_prices, read_work

PROD = ENVIRONMENTS["prod"]
FREE = Limits(functions_by_minute=1_000_000, task_seconds=0, metric_seconds=1, unit_seconds=1)
CUSTOMERS = 200_000
ITEMS = CUSTOMERS // 25


def with_engine_seconds(by_item: float) -> Work:
    """Work of which nothing but engines takes time worth speaking of."""
    work = read_work()
    engine = replace_struct(work.engine, 0.0) | {"seconds_by_item": by_item}
    return msgspec.structs.replace(
        work,
        engine=msgspec.structs.replace(work.engine, **engine),
        relay=msgspec.structs.replace(work.relay, **replace_struct(work.relay, 1e-9)),
        database=msgspec.structs.replace(work.database, **replace_struct(work.database, 1e-9)),
        results=msgspec.structs.replace(work.results, seconds_by_write=0.0, writes_by_rule=1e-6),
    )


def replace_struct(part: object, value: float) -> dict[str, float]:
    return {name: value for name in msgspec.structs.asdict(part) if name.startswith("seconds")}  # type: ignore[arg-type]


def test_engines_that_are_the_limit_take_work_divided_by_engines() -> None:
    environment = replace(PROD, engine_floor=10, engine_ceiling=10, invoke_concurrency=400)
    found = simulate(environment, with_engine_seconds(0.5), FREE, CUSTOMERS, 60)
    assert found.items == ITEMS
    assert found.limit == "engines"
    assert found.busy["engines"] == pytest.approx(1.0, abs=0.02)
    assert found.seconds == pytest.approx(ITEMS * 0.5 / 10, rel=0.05)


def test_functions_that_are_the_limit_take_their_own_time() -> None:
    environment = replace(PROD, engine_floor=400, engine_ceiling=400, invoke_concurrency=4)
    work = with_engine_seconds(0.1)
    found = simulate(environment, work, FREE, CUSTOMERS, 60)
    by_item = work.functions.seconds_by_item / FUNCTION_CPU + CALL_SECONDS + 0.1
    assert found.limit == "functions"
    assert found.seconds == pytest.approx(ITEMS * by_item / 4, rel=0.05)


def test_the_table_takes_no_more_than_it_takes() -> None:
    environment = replace(PROD, engine_floor=100, engine_ceiling=100, warm_writes=1_000)
    work = with_engine_seconds(0.01)
    work = msgspec.structs.replace(
        work, results=msgspec.structs.replace(work.results, writes_by_rule=0.1)
    )
    found = simulate(environment, work, FREE, CUSTOMERS, 60)
    assert found.limit == "writes of results"
    assert found.seconds == pytest.approx(CUSTOMERS * 60 * 0.1 / 1_000, rel=0.05)


def test_engines_are_started_as_the_queue_grows() -> None:
    found = simulate(PROD, read_work(), Limits(), 1_000_000, 60)
    engines = [moment.engines for moment in found.moments]
    assert engines[0] == PROD.engine_floor
    assert PROD.engine_floor < max(engines) <= PROD.engine_ceiling
    assert found.moments[-1].done == found.items == 40_000
    assert found.moments[-1].waiting == 0


def test_the_same_run_ends_the_same_and_by_another_seed_nearly() -> None:
    first, again, other = (
        simulate(PROD, read_work(), Limits(), CUSTOMERS, 60, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert other.seconds == pytest.approx(first.seconds, rel=0.1)
    assert other.seconds != first.seconds


def test_whatever_is_the_limit_can_be_lifted() -> None:
    before = Setup(PROD, Limits())
    for part in [STARTING, *simulate(PROD, read_work(), Limits(), 1_000, 60).busy]:
        after, change = lifted(before, part)
        assert after != before
        assert change


def test_the_page_has_the_figures_of_the_model() -> None:
    found = simulate(PROD, read_work(), Limits(), 1_000_000, 60)
    assert found.limit == STARTING
    work, load = read_work(), Load(1_000_000, 60, 1)
    usd = sum(
        line.usd
        for line in monthly(PROD, read_prices(PROD.region), work, load, our_shape(PROD, work))
    )
    busiest = max(found.busy.values())
    row = (
        f"| as `prod` is | {minutes(found.seconds)} | {found.limit} | {busiest:.0%} | {usd:,.0f} |"
    )
    text = PAGE.read_text("utf-8")
    assert row in text
    assert first_night(1_000_000) in text
