"""The cost of a fleet, compared with arithmetic by hand."""

import itertools
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tuppence.capacity import tables
from tuppence.capacity.cost import estimate, monthly
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.capacity.feed_cost import feed_monthly
from tuppence.capacity.parts import night_of, night_of_functions, read_part_work
from tuppence.capacity.quotas import quotas
from tuppence.capacity.run import PUBLISHED, Load, Shape, our_shape, run_of
from tuppence.capacity.tables import Price, Prices, read_prices, read_work
from tuppence.cli.app import build
from tuppence.errors import UserError

PROD = ENVIRONMENTS["prod"]
PRICES = read_prices(PROD.region)
WORK = msgspec.structs.replace(
    read_work(),
    results=msgspec.structs.replace(read_work().results, writes_by_rule=0.25, bytes_by_item=200),
)
MILLION = Load(1_000_000, 60, 1)


def dollars(load: Load, shape: Shape, environment: str = "prod") -> dict[str, float]:
    lines = monthly(ENVIRONMENTS[environment], PRICES, WORK, load, shape)
    return {line.component: line.usd for line in lines}


def test_the_cost_of_requests_agrees_with_a_calculation_by_hand() -> None:
    """At 0.705 dollars a million writes, 0.1415 a million reads, 30.4375 days a month."""
    found = dollars(MILLION, our_shape(PROD, WORK))
    assert found["results, writes"] == pytest.approx(60 * 0.25 * 30.4375 * 0.705)
    assert found["results, reads"] == pytest.approx(3 * 30.4375 * 0.1415)  # 12,000 B are 3 x 4 kB
    assert found["queue of items"] == pytest.approx(0.04 * 3 / 10 * 30.4375 * 0.5)
    assert found["load balancer"] == pytest.approx(730.5 * 0.0252)
    assert found["endpoints"] == pytest.approx(7 * 2 * 730.5 * 0.011)
    published = dollars(MILLION, PUBLISHED)
    assert published["results, writes"] == pytest.approx(60 * 30.4375 * 0.705)
    assert published["results, reads"] == 0
    assert published["queue of items"] == pytest.approx(60 * 3 / 10 * 30.4375 * 0.5)


def test_the_cost_follows_the_number_of_customers() -> None:
    shape = our_shape(PROD, WORK)
    totals = [sum(dollars(Load(n * 1_000_000, 60, 1), shape).values()) for n in (0, 1, 2, 3)]
    steps = [after - before for before, after in itertools.pairwise(totals)]
    assert steps[1] == pytest.approx(steps[2], rel=0.01)
    assert steps[0] <= steps[1] * 1.001  # a task that runs anyway does some of the work


def test_no_component_costs_more_than_in_the_published_shape_but_reading() -> None:
    ours, published = dollars(MILLION, our_shape(PROD, WORK)), dollars(MILLION, PUBLISHED)
    assert list(ours) == list(published)
    assert {name for name in ours if ours[name] > published[name]} == {"results, reads"}


def test_an_item_with_some_of_the_rules_has_its_customers_read_again() -> None:
    """With 20 of 60 rules an item there are three times as many items and visits."""
    whole = run_of(PROD, WORK, MILLION, Shape(25, 0, 0.25, compared=True))
    parts = run_of(PROD, WORK, MILLION, Shape(25, 20, 0.25, compared=True))
    assert (whole.items, whole.visits) == (40_000, 1_000_000)
    assert (parts.items, parts.visits) == (120_000, 3_000_000)
    assert parts.evaluations == whole.evaluations == 60_000_000
    assert parts.writes == whole.writes
    assert parts.reads == 3 * whole.reads


def test_the_first_run_writes_the_rest_once() -> None:
    expected = 60 * (WORK.results.writes_by_rule_on_a_first_night - 0.25) * 0.705
    found = estimate(PROD, PRICES, WORK, MILLION)
    assert found.first_run == pytest.approx(expected)


def whole_bill(prices: Prices) -> list[float]:
    lines = monthly(PROD, prices, WORK, MILLION, our_shape(PROD, WORK))
    feeds = feed_monthly(PROD, prices, MILLION.customers)
    by_parts = night_of(read_part_work(), prices, MILLION.customers, 25)
    functions = night_of_functions(read_part_work(), prices, MILLION.customers)
    usd = (line.usd for line in itertools.chain(lines, feeds))
    return [*usd, by_parts.store_usd, functions.evaluation_usd]


def test_the_cost_of_feeds_agrees_with_a_calculation_by_hand() -> None:
    """A million customers look 30 times a month, with two requests each time."""
    found = {one.component: one.usd for one in feed_monthly(PROD, PRICES, 1_000_000)}
    assert found["feed"] == pytest.approx(3 * 730.5 * (0.5 * 0.04048 + 2 * 0.004445))
    assert found["gateway"] == pytest.approx(60 * 3.5)
    assert found["web ACL"] == 9
    assert found["web ACL, requests"] == pytest.approx(60 * 0.6)
    assert found["alarms, metrics, secrets"] == pytest.approx(4 * 0.1 + (25 + 6) * 0.3 + 3 * 0.4)
    assert found["feeds, writes"] == pytest.approx(30 * (1 + 2 * 9 + 2) * 0.705)
    assert found["feeds, reads"] == pytest.approx(30 * (2 * 9 + 3) * 0.1415)
    calls = 4 * 30.4375  # four times a day
    seconds = 60 + 1_000_000 * 0.0015 / 0.5
    task = 0.5 * 0.04048 + 2 * 0.004445
    assert found["deliver"] == pytest.approx(calls * seconds / 3_600 * task)
    assert found["deliver, reads"] == pytest.approx(calls * 12 * 0.1415)
    assert found["way out"] == pytest.approx(730.5 * 0.048)
    assert found["way out, traffic"] == pytest.approx(40 * 0.048)
    assert found["deliver, alarm, secrets"] == pytest.approx(0.1 + 3 * 0.4)
    silent = {one.component for one in feed_monthly(ENVIRONMENTS["dev"], PRICES, 1_000_000)}
    assert not {name for name in silent if "deliver" in name or "way out" in name}
    a_year = 12 * 30 * (3 * 350 + 2_000) + 50 * 600
    assert found["feeds, storage after a year"] == pytest.approx(a_year / 1_000 * (0.283 + 0.22))


def test_every_price_is_used_and_has_a_source() -> None:
    prices = PRICES
    plain = whole_bill(prices)
    for name, price in prices.price.items():
        dearer = prices.price | {name: Price(2 * price.usd, price.source)}
        other = msgspec.structs.replace(prices, price=dearer)
        assert whole_bill(other) != plain, name


def test_a_malformed_table_of_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_prices(PROD.region, tmp_path / "missing.toml")
    path = tmp_path / "prices.toml"
    path.write_text('dated = "2026-01-01"\nregion = "eu-west-1"\n[price]\nkey_month = 3\n')
    with pytest.raises(UserError, match="Expected `object`"):
        read_prices(PROD.region, path)
    path.write_text('dated = "2026-01-01"\nregion = "eu-west-1"\n[price]\n')
    with pytest.raises(UserError, match="the table has no price of fargate_cpu_hour"):
        list(monthly(PROD, read_prices(PROD.region, path), WORK, MILLION, PUBLISHED))


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build("cost"), ["cost", *arguments])
    if isinstance(done.exception, UserError):
        return 1, done.exception.message
    return done.exit_code, done.output


def test_the_command_prints_what_it_computes() -> None:
    asked = ("--customers", "1000000", "--rules", "60", "--env", "prod")
    status, printed = run(*asked, "--format", "json")
    found = json.loads(printed)
    assert status == 0
    assert found["monthly_usd"] == pytest.approx(sum(x["usd"] for x in found["monthly"]), abs=0.01)
    assert found["feeds_usd"] == pytest.approx(sum(x["usd"] for x in found["feeds"]), abs=0.01)
    status, printed = run(*asked)
    assert status == 0
    assert f"{found['monthly_usd']:,.2f}" in printed
    assert f"{found['published_shape_usd']:,.0f}" in printed
    assert max(map(len, printed.splitlines())) <= 100
    assert run("--customers", "1", "--rules", "1", "--env", "x") == (
        1,
        "there is no environment 'x'",
    )


def test_quotas_follow_from_the_environment() -> None:
    needed = {one.name: one.needed for one in quotas(PROD)}
    # Engines, relays and feeds twice; a task that takes files in, one that tells people (0.5).
    assert (
        needed["Fargate On-Demand vCPU resource count"]
        == 2 * 20 + 2 * 3 * 0.5 + 2 * 3 * 0.5 + 1 + 1
    )
    assert needed["Concurrent executions"] == 200 + 500 + 20 + 5
    assert needed["Table-level write throughput limit"] == PROD.warm_writes


def test_every_region_has_the_same_prices_each_with_a_source() -> None:
    ours, other = PRICES, read_prices("us-east-1")
    assert (ours.region, other.region) == ("eu-west-1", "us-east-1")
    assert ours.price.keys() == other.price.keys()
    for name in ours.price:
        assert f"/{PROD.region}/index.json" in ours.price[name].source
        assert other.price[name].source.startswith("https://aws.amazon.com/")


def test_a_region_without_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no prices of eu-north-9") as none:
        read_prices("eu-north-9")
    assert none.value.hint.startswith("copy the table of eu-west-1 or us-east-1")
    text = Path(tables.__file__).with_name("prices").joinpath("us-east-1.toml").read_text("utf-8")
    path = tmp_path / "prices.toml"
    path.write_text(text)
    asked = ("--customers", "1000", "--rules", "60", "--env", "prod", "--prices", str(path))
    status, printed = run(*asked)
    assert status == 1
    assert "has the prices of us-east-1, and the environment is in eu-west-1" in printed
    path.write_text(text.replace('region = "us-east-1"', f'region = "{PROD.region}"'))
    assert run(*asked)[0] == 0
