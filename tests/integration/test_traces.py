"""A run through running engines is one trace from the dispatch to the database, for each item."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from local.__main__ import DAY, approve_rules, tuppence
from local.servers import MissingError
from local.stack import Platform, address
from tests.building import copy_rules
from tests.collector import Collector, collecting
from tests.commands import command
from tests.waiting import wait_until

CUSTOMERS = 6


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def platform(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("traces")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.environment.items():
            patch.setenv(name, value)
        try:
            with Platform(folder / "services", 1) as found:
                yield found
        except MissingError as error:
            pytest.skip(str(error))


def test_one_trace_leads_from_the_dispatch_to_the_database(
    platform: Platform, collector: Collector, tmp_path: Path
) -> None:
    folder, (engine,) = platform.folder, platform.engines
    store, rules = tmp_path / "store", copy_rules(tmp_path / "rules", "welcome", "bank_fees")
    command("synth", "--store", store, "--customers", CUSTOMERS, "--until", DAY)
    consent = ("--consent-from", "2020-01-01", "--consent-until", "2099-01-01")
    command("load", "--store", store, "--to", platform.database, *consent)
    approve_rules(platform, rules, command)
    token = ("--token", folder / "engine.token")
    tuppence(
        *("rules", "publish", "--database", platform.database, "--as-of", DAY, *token),
        *("--rulesets", platform.rulesets, "--engines", address(engine)),
    )
    ruleset = (platform.rulesets / "current").read_text().strip()
    platform.wait_until_ready()
    tuppence(
        *("dispatch", "--relay", address(platform.relay), "--engines", platform.url, *token),
        *("--relay-token", folder / "relay.token", "--ledger", tmp_path / "ledger"),
        *("--ruleset", ruleset, "--as-of", DAY, "--customers-per-item", CUSTOMERS // 2),
        *("--parallel", 1),  # else both items may be in one batch, in the trace of the first
    )
    whole = [
        ("dispatch", "POST /v1/evaluations"),
        ("rules-engine", "POST /v1/evaluations"),
        ("rules-engine", "batch"),
        ("rules-engine", "POST /v1/facts"),
        ("sql-relay", "POST /v1/facts"),
        ("sql-relay", "facts"),
    ]
    wait_until(lambda: collector.lines("facts").count(whole) == 2, lambda: str(collector.spans))
    assert not any(b"C000000" in body for body in collector.bodies), "no customer is named"
    lines = [json.loads(line) for line in platform.relay.log.read_text().splitlines()]
    logged = {line["trace_id"] for line in lines if line.get("path") == "/v1/facts"}
    sent = {span.trace.hex() for span in collector.spans if span.name == "facts"}
    assert logged == sent, "a line of the log leads to its trace"
