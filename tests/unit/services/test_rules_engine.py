"""The rules engine as a service, in this process, over facts of a store."""

import json
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from local.servers import PATIENCE
from starlette.testclient import TestClient
from tests.building import bank, day, some_rules
from tests.serving import log_lines
from tests.waiting import wait_until

from tuppence import logs
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import Date
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.services.access import digest
from tuppence.services.bodies import TIMEOUT_HEADER
from tuppence.services.rules_engine.app import Limits, rules_engine_app
from tuppence.usecases.serving.ruleset_cache import RulesetCache

DAY = "2026-06-30"
TOKEN = {"Authorization": "Bearer secret"}


class StoredFacts:
    """Facts of a store, as the port CustomerFacts; it can be made to fail."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self.given = store.schema
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.waits = threading.Event()
        self.stuck = threading.Event()
        self.stuck.set()

    def schema(self) -> Schema:
        if self.error is not None:
            raise self.error
        if not self.gate.is_set():
            self.waits.set()
            self.gate.wait(PATIENCE)
        return self.given

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        del as_of, fields
        self.stuck.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        known = {
            i for name, _ in self._store.partitions() for i in self._store.read(name).customer_ids
        }
        if not known & set(customer_ids):
            name = self._store.partitions()[0][0]
            return self._store.read(name).slice(0, 0)
        (one,) = known & set(customer_ids)
        return self._store.find(one)

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        known = {
            i for name, _ in self._store.partitions() for i in self._store.read(name).customer_ids
        }
        return [customer for customer in customer_ids if customer not in known]

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def some() -> Ruleset:
    return some_rules("bank_fees", "card_utilisation", "cash_share", "interest_earned")


@pytest.fixture
def rulesets(tmp_path: Path, some: Ruleset) -> tuple[RulesetDirectory, Ruleset]:
    directory, ruleset = RulesetDirectory(tmp_path / "rulesets"), some
    directory.put(ruleset)
    return directory, ruleset


@pytest.fixture
def facts(tmp_path: Path) -> StoredFacts:
    rows = [
        {"booking date": day("2026-06-25"), "amount": -1250, "category": "bank fee"},
        {"booking date": day("2026-03-01"), "amount": -100, "category": "food"},
    ]
    FactStore.create(tmp_path / "store", Schema()).append(bank(rows))
    return StoredFacts(FactStore(tmp_path / "store"))


@pytest.fixture
def client(
    tmp_path: Path, rulesets: tuple[RulesetDirectory, Ruleset], facts: StoredFacts
) -> Iterator[TestClient]:
    directory, ruleset = rulesets
    directory.publish(ruleset.digest)
    cache = RulesetCache(directory, facts.schema)
    callers = {digest("secret"): "tester"}
    app = rules_engine_app(
        cache, facts, lambda: Database(tmp_path / "results"), callers, Limits(timeout=PATIENCE)
    )
    with TestClient(app, headers=TOKEN, raise_server_exceptions=False) as running:
        yield running


def evaluation(**what: Any) -> dict[str, Any]:
    return {"run_id": "r", "as_of": DAY, **what}


def test_results_are_counted_kept_and_returned(client: TestClient, tmp_path: Path) -> None:
    body = evaluation(customers=["ann", "nobody", "ann"], rules=["bank_fees"], results=True)
    answer = client.post("/v1/evaluations", json=body).json()
    (ann,) = answer.pop("results")
    assert answer == {
        "ruleset": answer["ruleset"],
        "as_of": DAY,
        "customers": 1,
        "evaluations": 1,
        "qualified": 1,
        "unknown": 0,
        "changed": 4,
        "missing": ["nobody"],
        "run_id": "r",
    }
    assert ann == {
        "customer_id": "ann",
        "results": [
            {
                "rule_id": "bank_fees",
                "state": "qualified",
                "score": 52.5,
                "values": {"fees": 12.5, "yearly": 12.5, "whole_year": False},
                "since": DAY,
            }
        ],
    }
    with Database(tmp_path / "results") as database:
        assert [row.customer_id for row in database.scan()] == ["ann"]
    again = client.post("/v1/evaluations", json=evaluation(customers=["ann"])).json()
    assert (again["changed"], again["results"]) == (0, None)


def test_results_of_submitted_facts_are_returned_and_not_kept(
    client: TestClient, tmp_path: Path
) -> None:
    facts = {
        "customer": {"currency": "GBP", "since": "2020-01-01"},
        "accounts": {"id": ["a"], "type": ["current"]},
        "transactions": {
            "booking date": ["2026-06-25", "2026-03-01"],
            "amount": [-1250, -100],
            "category": ["bank fee", None],
            "own transfer": [False, False],
            "account": ["a", "a"],
        },
    }
    body = evaluation(facts=[facts, facts | {"accounts": {"id": ["b"], "type": ["current"]}}])
    refused = client.post("/v1/evaluations", json=body)
    assert "there is no account 'a'" in refused.json()["title"]
    body = evaluation(facts=[facts], rules=["bank_fees"], results=True)
    answer = client.post("/v1/evaluations", json=body).json()
    assert answer["changed"] is None
    (result,) = answer["results"][0]["results"]
    assert (result["state"], result["score"]) == ("qualified", 52.5)
    with Database(tmp_path / "results") as database:
        assert list(database.scan()) == []


def test_one_rule_is_evaluated_and_explained_for_one_customer(client: TestClient) -> None:
    path = "/v1/customers/ann/rules/bank_fees"
    one = client.post(f"{path}/evaluation", json={"as_of": DAY}).json()
    assert (one["qualified"], one["score"], one["values"]["fees"]) == (True, 52.5, 12.5)
    why = client.get(f"{path}/explanation", params={"as_of": DAY}).json()
    assert why["clauses"][0]["value"] == "true"
    unknown = client.get("/v1/customers/ann/rules/nope/explanation", params={"as_of": DAY})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "rule.unknown")
    nobody = client.get("/v1/customers/bob/rules/bank_fees/explanation", params={"as_of": DAY})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "facts.unknown-customer")


@pytest.mark.parametrize("customer", ["%00", "%0a", "x" * 201, "a%1fb", "%7f", "%ff", "%ED%A0%80"])
def test_a_malformed_identifier_never_enters_a_batch(
    client: TestClient, facts: StoredFacts, customer: str
) -> None:
    facts.error = AssertionError("facts were asked for")
    path = f"/v1/customers/{customer}/rules/bank_fees"
    for answer in (
        client.post(f"{path}/evaluation", json={"as_of": DAY}),
        client.get(f"{path}/explanation", params={"as_of": DAY}),
    ):
        assert answer.status_code == 400
        assert answer.json()["code"] in {"identifier.invalid", "request.target"}
    path = f"/v1/customers/ann/rules/{customer}/evaluation"
    assert client.post(path, json={"as_of": DAY}).status_code == 400
    text = unquote(customer, errors="surrogatepass") if "ff" not in customer else "\x85"
    body = f'{{"run_id": "r", "as_of": "{DAY}", "customers": ["ann", {json.dumps(text)}]}}'
    answer = client.post(
        "/v1/evaluations", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("customer", ["", "\0", "a\x1fb", "\x7f", "x" * 201, "\u200b", " ann"])
def test_a_malformed_identifier_in_a_body_is_refused(client: TestClient, customer: str) -> None:
    body = {"run_id": "1", "as_of": DAY, "customers": ["ann", customer]}
    answer = client.post("/v1/evaluations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "identifier.invalid")


def test_callers_take_turns(
    tmp_path: Path, rulesets: tuple[RulesetDirectory, Ruleset], facts: StoredFacts
) -> None:
    directory, ruleset = rulesets
    directory.publish(ruleset.digest)
    cache = RulesetCache(directory, facts.schema)
    callers = {digest("secret"): "one", digest("other"): "two"}
    limits = Limits(batches=1)
    app = rules_engine_app(cache, facts, lambda: Database(tmp_path / "results"), callers, limits)
    batches: list[set[str]] = []
    known = facts.of

    def of(wanted: Sequence[str], *others: Any) -> FactBatch:
        batches.append(set(wanted))
        return known(wanted, *others)

    facts.of = of  # type: ignore[method-assign, assignment]
    with TestClient(app, headers=TOKEN) as client, ThreadPoolExecutor(8) as threads:

        def ask(customer: str, token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            body = evaluation(customers=[customer])
            return client.post("/v1/evaluations", json=body, headers=headers).status_code

        assert ask("nobody", "secret") == 200  # it is ready now
        batches.clear()
        facts.stuck.clear()
        asked = [threads.submit(ask, "first", "secret")]
        wait_until(lambda: len(batches) == 1)
        asked += [threads.submit(ask, f"behind-{n}", "secret") for n in range(3)]
        asked.append(threads.submit(ask, "ann", "other"))
        wait_until(lambda: "customers_waiting 4.0" in client.get("/metrics").text)
        facts.stuck.set()
        assert [one.result() for one in asked] == [200] * 5
    assert {"ann"} in batches
    assert len(batches) == 3


def test_facts_are_requested_with_the_id_of_the_request(
    client: TestClient, facts: StoredFacts
) -> None:
    seen: list[str | None] = []
    known = facts.of

    def of(*wanted: Any) -> FactBatch:
        seen.append(logs.request_id())
        return known(*wanted)

    facts.of = of  # type: ignore[method-assign, assignment]
    with log_lines() as lines:
        body, headers = evaluation(customers=["ann"]), {"X-Request-Id": "order-7"}
        answer = client.post("/v1/evaluations", json=body, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "order-7")
    assert seen == ["order-7"]
    (line,) = lines
    assert (line["run_id"], line["request_id"]) == ("r", "order-7")
    assert (line["path"], line["caller"]) == ("/v1/evaluations", "tester")


def test_an_engine_loads_a_missing_ruleset(
    client: TestClient, rulesets: tuple[RulesetDirectory, Ruleset]
) -> None:
    directory, ruleset = rulesets
    other = make_ruleset(ruleset.rules[:3])
    missing = evaluation(customers=["ann"], ruleset=other.digest)
    assert client.post("/v1/evaluations", json=missing).status_code == 404
    directory.put(other)
    answer = client.post("/v1/evaluations", json=missing).json()
    assert (answer["ruleset"], answer["evaluations"]) == (other.digest, 3)
    assert client.get("/v1/ruleset").json()["serving"] == ruleset.digest


def test_a_refresh_serves_only_a_valid_ruleset(
    client: TestClient, rulesets: tuple[RulesetDirectory, Ruleset], facts: StoredFacts
) -> None:
    directory, ruleset = rulesets
    other = make_ruleset(ruleset.rules[:3])
    directory.put(other)

    def refresh(**what: Any) -> httpx2.Response:
        return client.post("/v1/ruleset/refresh", json=what)

    prepared = refresh(ruleset=other.digest, serve=False).json()
    assert prepared == {"serving": ruleset.digest, "ready": other.digest}
    assert refresh(ruleset="0" * 16).json()["code"] == "ruleset.unknown"
    assert client.get("/v1/ruleset").json()["serving"] == ruleset.digest
    directory.publish(other.digest)
    assert refresh().json() == {"serving": other.digest, "ready": other.digest}
    facts.given = Schema((Field("tier", FieldType.TEXT, "Of the bank."),))
    assert refresh().status_code == 200
    given = {"customer": {"currency": "GBP", "tier": "gold"}, "accounts": {"id": [], "type": []}}
    empty: dict[str, list[Any]] = {
        name: [] for name in ("booking date", "amount", "own transfer", "account")
    }
    body = evaluation(facts=[given | {"transactions": empty}])
    assert client.post("/v1/evaluations", json=body).status_code == 200


def test_requests_do_not_wait_while_another_ruleset_is_loaded(
    client: TestClient, facts: StoredFacts
) -> None:
    body = evaluation(customers=["ann"])
    client.post("/v1/evaluations", json=body)
    facts.gate.clear()
    refreshed: list[int] = []
    refreshing = threading.Thread(
        target=lambda: refreshed.append(client.post("/v1/ruleset/refresh", json={}).status_code)
    )
    refreshing.start()
    assert facts.waits.wait(PATIENCE)
    assert client.post("/v1/evaluations", json=body).status_code == 200
    assert client.get("/readyz").status_code == 200
    assert refreshed == []
    facts.gate.set()
    refreshing.join()
    assert refreshed == [200]


def test_an_unsupported_date_is_refused(client: TestClient) -> None:
    for date in ("1969-12-31", "2150-01-01"):
        body = evaluation(customers=["ann"], as_of=date)
        assert client.post("/v1/evaluations", json=body).json()["code"] == "results.date"
    assert client.post("/v1/ruleset/refresh", json={}).status_code == 200


def test_the_status_of_an_error_says_whether_to_try_again(
    client: TestClient, facts: StoredFacts
) -> None:
    facts.error = UserError("relay.unreachable", "gone")
    answer = client.post("/v1/evaluations", json=evaluation(customers=["ann"]))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    facts.error = RuntimeError("secret detail")
    answer = client.post("/v1/evaluations", json=evaluation(customers=["ann"]))
    assert (answer.status_code, answer.json()["code"]) == (500, "service.bug")
    assert "secret" not in answer.text


def test_a_request_that_takes_too_long_is_cancelled(
    tmp_path: Path, rulesets: tuple[RulesetDirectory, Ruleset], facts: StoredFacts
) -> None:
    directory, ruleset = rulesets
    directory.publish(ruleset.digest)
    cache = RulesetCache(directory, facts.schema)
    app = rules_engine_app(
        cache,
        facts,
        lambda: Database(tmp_path / "results"),
        {digest("secret"): "t"},
        Limits(timeout=0.2),
    )
    cache.prepare(ruleset.digest)  # which may take longer than the timeout
    with TestClient(app, headers=TOKEN) as client:
        facts.stuck.clear()
        answer = client.post("/v1/evaluations", json=evaluation(customers=["ann"]))
        assert (answer.status_code, answer.json()["code"]) == (504, "service.timeout")
        assert answer.headers["retry-after"] == "1"
        facts.stuck.set()


def test_a_caller_may_allow_less_time(client: TestClient, facts: StoredFacts) -> None:
    body = evaluation(customers=["nobody"])
    for text in ("0", "-1", "soon", "1e3", "", "1" * 9):
        answer = client.post("/v1/evaluations", json=body, headers={TIMEOUT_HEADER: text})
        assert (answer.status_code, answer.json()["code"]) == (400, "request.timeout")
    answer = client.post("/v1/evaluations", json=body, headers={TIMEOUT_HEADER: "60.5"})
    assert answer.status_code == 200
    facts.stuck.clear()
    body = evaluation(customers=["ann"])
    answer = client.post("/v1/evaluations", json=body, headers={TIMEOUT_HEADER: "0.2"})
    facts.stuck.set()
    assert (answer.status_code, answer.json()["code"]) == (504, "service.timeout")


def test_a_request_beyond_the_limits_is_refused(client: TestClient) -> None:
    json = {"Content-Type": "application/json"}
    large = client.post("/v1/evaluations", content=b" " * 16_000_001, headers=json)
    assert (large.status_code, large.json()["code"]) == (413, "request.large")
    for content in (b"", b"{", b'"\xff"', b"[" * 100_000):
        answer = client.post("/v1/evaluations", content=content, headers=json)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.body")
    assert client.post("/v1/evaluations", content=b"{}").status_code == 415
    assert client.get("/v1/evaluations").json()["code"] == "http.405"


def test_an_engine_without_a_published_ruleset_is_not_ready(
    tmp_path: Path, facts: StoredFacts
) -> None:
    cache = RulesetCache(RulesetDirectory(tmp_path / "none"), facts.schema)
    app = rules_engine_app(
        cache, facts, lambda: Database(tmp_path / "results"), {digest("secret"): "t"}, Limits()
    )
    with TestClient(app, headers=TOKEN) as client:
        assert client.get("/healthz").status_code == 200
        for answer in (
            client.get("/readyz"),
            client.post("/v1/evaluations", json=evaluation(customers=["ann"])),
            client.post("/v1/ruleset/refresh", json={}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "ruleset.none")


def test_an_engine_that_starts_before_its_relay_becomes_ready_by_itself(
    tmp_path: Path, rulesets: tuple[RulesetDirectory, Ruleset], facts: StoredFacts
) -> None:
    directory, ruleset = rulesets
    directory.publish(ruleset.digest)
    facts.error = UserError("relay.unreachable", "the relay cannot be reached")
    cache = RulesetCache(directory, facts.schema)
    app = rules_engine_app(
        cache, facts, lambda: Database(tmp_path / "results"), {digest("secret"): "t"}, Limits()
    )
    one = "/v1/customers/ann/rules/bank_fees"
    with TestClient(app, headers=TOKEN) as client:
        assert client.get("/healthz").status_code == 200
        for answer in (
            client.get("/readyz"),
            client.post("/v1/evaluations", json=evaluation(customers=["ann"])),
            client.post(f"{one}/evaluation", json={"as_of": DAY}),
            client.get(f"{one}/explanation", params={"as_of": DAY}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "relay.unreachable")
            assert answer.headers["retry-after"] == "1"
        facts.error = None
        answer = client.post("/v1/evaluations", json=evaluation(customers=["ann"]))
        assert (answer.status_code, answer.json()["customers"]) == (200, 1)


def test_the_openapi_document_describes_the_schema_of_the_facts(
    client: TestClient, facts: StoredFacts
) -> None:
    def customer_fields() -> set[str]:
        document = client.get("/openapi.json", headers={"Authorization": ""}).json()
        assert document["openapi"] == "3.1.0"
        return set(document["components"]["schemas"]["SubmittedCustomer"]["properties"])

    before = customer_fields()
    assert {"currency", "birth year"} <= before
    facts.given = Schema((Field("tier", FieldType.TEXT, "Of the bank."),))
    client.post("/v1/ruleset/refresh", json={})
    assert customer_fields() == before | {"tier"}


def test_metrics_contain_patterns_of_paths_and_no_identifier(client: TestClient) -> None:
    client.post("/v1/customers/ann/rules/bank_fees/evaluation", json={"as_of": DAY})
    figures = client.get("/metrics").text
    assert 'path="/v1/customers/{customer_id}/rules/{rule_id}/evaluation",status="200"' in figures
    assert "tuppence_rules_engine_evaluations_total 1.0" in figures
    assert "/ann/" not in figures
