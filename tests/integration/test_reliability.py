"""Checks requests and results while parts of the platform break."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from local.__main__ import DAY, tuppence
from local.chaos import (
    Expected,
    Outcome,
    events,
    expectation,
    is_right,
    observe,
    publish,
    table,
    two_rulesets,
)
from local.servers import PATIENCE, MissingError, Server
from local.stack import Platform, address
from tests.building import copy_rules
from tests.commands import command

from tuppence.adapters.embedded.database import Database
from tuppence.rules.ruleset import Ruleset

CUSTOMERS = 120
RULES = (
    *("bank_fees", "cash_share", "commitments_share", "eating_out_up", "energy_costs"),
    *("groceries_up", "low_balance", "month_in_review", "pay_arrived", "spending_abroad"),
    *("subscriptions_total", "week_in_review"),
)
"""Of the catalogue: engines that start again plan them again."""
RATE = 20
SECONDS = 1.0


class Running(NamedTuple):
    """A platform that tests may break, and the expected results for each of two rulesets."""

    platform: Platform
    rulesets: tuple[Ruleset, Ruleset]
    expected: Expected


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("reliability")
    store = folder / "store"
    command("synth", "--store", store, "--customers", CUSTOMERS, "--months", 4)
    try:
        with Platform(folder / "services") as platform:
            if platform.balancer is None:
                pytest.skip("there is no haproxy on this machine: apt-get install haproxy")
            consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
            command("load", "--store", store, "--to", platform.database, *consent)
            rulesets = two_rulesets(platform, store, copy_rules(folder / "rules", *RULES))
            expected = {r.digest: expectation(store, r) for r in rulesets}
            publish(platform, rulesets[0].digest)
            platform.wait_until_ready()
            yield Running(platform, rulesets, expected)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def outcome(running: Running) -> Outcome:
    """Return the observations made while one event after another happened."""
    happening = events(running.platform, running.rulesets[1])
    return observe(running.platform, happening, running.expected, RATE, SECONDS)


def test_no_answer_is_wrong_and_no_result_is_lost(running: Running, outcome: Outcome) -> None:
    assert is_right(outcome), table(outcome)
    requests = [phase.requests for phase in outcome.phases]
    assert len(requests) == 6
    assert min(requests) >= RATE * SECONDS - 1, "the first and the last are cut by the clock"
    assert sum(phase.statuses.get(200, 0) for phase in outcome.phases) > sum(requests) / 2
    assert set(outcome.rulesets) - {""} == {r.digest for r in running.rulesets}


def test_the_observer_reports_wrong_answers_and_lost_results(running: Running) -> None:
    """Compared with wrong expectations, every answer must be reported."""
    first, second = (running.expected[r.digest] for r in running.rulesets)
    crossed = dict(zip((r.digest for r in running.rulesets), (second, first), strict=True))
    calm = events(running.platform, running.rulesets[1])[:1]
    found = observe(running.platform, calm, crossed, 20, 1.0)
    assert found.phases[0].wrong == found.phases[0].requests > 0
    assert found.lost
    assert not is_right(found)


def test_a_run_completes_although_an_engine_is_killed(running: Running, tmp_path: Path) -> None:
    platform, (first, _) = running.platform, running.rulesets
    victim = platform.engines[2]
    before, ended = evaluations(victim), threading.Event()

    def kill_at_work() -> None:
        while evaluations(victim) == before and not ended.wait(0.01):
            pass
        victim.kill()

    killer = threading.Thread(target=kill_at_work)
    killer.start()
    folder = platform.folder
    printed = tuppence(
        *("dispatch", "--relay", address(platform.relay), "--engines", platform.url),
        *("--relay-token", folder / "relay.token", "--token", folder / "engine.token"),
        *("--ruleset", first.digest, "--as-of", DAY, "--ledger", tmp_path / "ledger"),
        *("--customers-per-item", 1, "--parallel", 4),
    )
    killed_at_work = not victim.running
    ended.set()
    killer.join()
    victim.start()
    platform.wait_until_ready()
    assert killed_at_work
    assert f"{CUSTOMERS * len(first.rules):,}" in printed
    with Database(platform.results, reading=True) as database:
        kept = {row.customer_id: row.ruleset for row in database.scan()}
    assert kept == dict.fromkeys(running.expected[first.digest], first.digest)


def evaluations(engine: Server) -> str:
    """Return how many evaluations an engine has made, as it says itself."""
    text = httpx2.get(f"{address(engine)}/metrics", timeout=PATIENCE).text
    (found,) = re.findall(r"^tuppence_rules_engine_evaluations_total (\S+)", text, re.MULTILINE)
    return str(found)


def test_a_stopping_engine_finishes_the_requests_that_it_has_begun(running: Running) -> None:
    """Sends SIGTERM while requests are being answered: all of them get their answers."""
    engine = running.platform.engines[0]
    while (statuses := stopped_under_way(running, engine)) is None:
        pass  # they were answered before the engine could be stopped
    engine.start()
    running.platform.wait_until_ready()
    assert statuses == [200] * 4


def stopped_under_way(running: Running, engine: Server) -> list[int] | None:
    """Return the statuses of four requests that an engine was answering when stopped, else None."""
    headers = {"Authorization": f"Bearer {running.platform.token}"}
    customers = sorted(running.expected[running.rulesets[0].digest])
    body = {"run_id": "drain", "as_of": DAY, "customers": customers, "results": True}
    statuses: list[int] = []

    def ask() -> None:
        url = f"{address(engine)}/v1/evaluations"
        statuses.append(httpx2.post(url, json=body, headers=headers, timeout=PATIENCE).status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    caught = False
    all_begun = "tuppence_rules_engine_requests_running 5.0"  # including this request for metrics
    while not (caught or statuses):
        caught = all_begun in httpx2.get(f"{address(engine)}/metrics", timeout=PATIENCE).text
    if caught:
        engine.stop()
    for thread in threads:
        thread.join()
    return statuses if caught else None
