"""Runs the services together on loopback: PostgreSQL, relay, three engines, a load balancer."""

import io
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec
import nanoarrow
import polars as pl
import psycopg
import pytest
from local.__main__ import approve_rules
from local.servers import PATIENCE, MissingError, Server
from local.stack import OF_MANY, TUPPENCE, Platform, address, without_census
from tests.building import ROOT, copy_rules
from tests.building import RULES as ALL_RULES
from tests.commands import command
from tests.documents import MODES, check_operations
from tests.waiting import wait_until

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.relay_facts import RelayFacts
from tuppence.facts.batch import FactBatch
from tuppence.feel.values import Date, parse_date
from tuppence.results.result import State
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset

DAY = "2026-06-30"
CUSTOMERS = 200
RULES = (
    *("bank_fees", "cash_share", "commitments_share", "eating_out_up", "energy_costs"),
    *("groceries_up", "low_balance", "month_in_review", "pay_arrived", "spending_abroad"),
    *("subscriptions_total", "week_in_review"),
)
"""Rules that the engines serve; the first test evaluates the whole catalogue beside them."""


class Running(NamedTuple):
    """The platform with a population, and the rules that its engines serve."""

    platform: Platform
    store: Path
    rules: Path
    ruleset: Ruleset

    def tuppence(self, *arguments: object, status: int = 0) -> str:
        return command(*arguments, status=status)

    @property
    def database(self) -> tuple[str, str]:
        return ("--database", self.platform.database)

    @property
    def engines(self) -> list[str]:
        addresses = [part for e in self.platform.engines for part in ("--engines", address(e))]
        return [*addresses, "--token", str(self.platform.folder / "engine.token")]

    def publish(self, *options: object, status: int = 0) -> str:
        where = ("--rulesets", self.platform.rulesets, *self.engines)
        return command("rules", "publish", *self.database, *where, *options, status=status)

    def dispatch(self, *options: object, status: int = 0) -> str:
        folder = self.platform.folder
        return command(
            *("dispatch", "--relay", address(self.platform.relay)),
            *("--relay-token", folder / "relay.token", "--engines", self.platform.url),
            *("--token", folder / "engine.token", "--as-of", DAY),
            *options,
            status=status,
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("platform")
    store = folder / "store"
    command("synth", "--store", store, "--customers", CUSTOMERS, "--seed", 11)
    try:
        with Platform(folder / "services", seconds=PATIENCE) as platform:
            consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
            command("load", "--store", store, "--to", platform.database, *consent)
            rules = copy_rules(folder / "rules", *RULES)
            approve_rules(platform, rules, command)
            ruleset = make_ruleset(read_rules(rules, FactStore(store).schema).usable())
            found = Running(platform, store, rules, ruleset)
            found.publish("--as-of", DAY)
            platform.wait_until_ready()
            yield found
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def engine(running: Running) -> Iterator[httpx2.Client]:
    """Yield a client of the engines, through the load balancer."""
    headers = {"Authorization": f"Bearer {running.platform.token}"}
    with httpx2.Client(base_url=running.platform.url, headers=headers, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def relay(running: Running) -> Iterator[httpx2.Client]:
    token = (running.platform.folder / "relay.token").read_text()
    headers = {"Authorization": f"Bearer {token}"}
    url = address(running.platform.relay)
    with httpx2.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
        yield client


def evaluation(**what: object) -> dict[str, object]:
    return {"run_id": "test", "as_of": DAY, **what}


# -- the same answers everywhere ------------------------------------------------------------------


def test_a_run_through_the_services_gives_what_one_process_gives(
    running: Running, tmp_path: Path
) -> None:
    catalogue = ROOT / "catalogue"
    whole = make_ruleset(read_rules(catalogue, FactStore(running.store).schema).usable())
    assert len(whole.rules) == ALL_RULES
    RulesetDirectory(running.platform.rulesets).put(whole)
    running.publish("--ruleset", whole.digest)
    options = ("--ruleset", whole.digest, "--ledger", tmp_path / "ledger")
    printed = running.dispatch(*options, "--customers-per-item", 30)
    assert f"{CUSTOMERS * ALL_RULES:,}" in printed
    (request_id,) = {line["request_id"] for e in running.platform.engines for line in asked(e)}
    assert request_id in {line["request_id"] for line in asked(running.platform.relay)}
    command("run", "--store", running.store, "--rules", catalogue, "--as-of", DAY)
    with (
        Database(running.store / "results.sqlite", reading=True) as one,
        Database(running.platform.results, reading=True) as s,
    ):
        there, here = list(s.scan()), list(one.scan())
    assert len(here) == CUSTOMERS
    assert list(map(without_census, there)) == list(map(without_census, here))
    of_many = [r for row in there for r in row.results if r.rule_id in OF_MANY]
    assert {r.state for r in of_many} <= {State.UNKNOWN, State.NOT_QUALIFIED}
    assert "finished before" in running.dispatch(*options, "--customers-per-item", 30)
    running.publish("--ruleset", running.ruleset.digest)


def asked(service: Server) -> list[dict[str, Any]]:
    """Return the log lines of a service about requests for evaluations, or for customers' facts."""
    lines = map(msgspec.json.decode, service.log.read_text().splitlines())
    paths = ("/v1/evaluations", "/v1/facts")
    return [line for line in lines if line.get("path") in paths and line["event"] == "request"]


def test_facts_from_the_relay_are_those_of_the_store(running: Running) -> None:
    token = (running.platform.folder / "relay.token").read_text()
    store, date = FactStore(running.store), parse_date(DAY)
    assert date is not None
    facts = RelayFacts(address(running.platform.relay), token, PATIENCE)
    batch = store.read(store.partitions()[0][0])
    customers = batch.customer_ids[3:8]
    there = facts.of([*customers, "nobody"], date)
    here = batch.slice(3, 8)
    assert there.customer_ids == here.customer_ids
    assert rows(there) == rows(here)
    assert facts.page("", date, 3) == batch.customer_ids[:3]
    facts.close()


def rows(batch: FactBatch) -> list[list[Any]]:
    """Return everything in a batch, with texts in place of codes."""
    tables = (batch.customers, batch.accounts.columns, batch.transactions.columns)
    found = [batch.accounts.offsets.tolist(), batch.transactions.offsets.tolist()]
    for table in tables:
        for _, column in sorted(table.items()):
            values = column.values.tolist()
            if len(column.dictionary) > 1:
                values = [column.dictionary[code] for code in values]
            found.append(values)
    return found


def test_the_three_endpoints_agree(
    running: Running, engine: httpx2.Client, relay: httpx2.Client
) -> None:
    customer = "C0000007"
    kept = engine.post("/v1/evaluations", json=evaluation(customers=[customer], results=True))
    (of_kept,) = kept.json()["results"]
    facts = facts_of(relay, customer)
    handed = engine.post("/v1/evaluations", json=evaluation(facts=[facts], results=True))
    (of_given,) = handed.json()["results"]
    assert len(of_kept["results"]) == len(RULES)
    assert of_given["results"] == of_kept["results"]
    for result in of_kept["results"]:
        path = f"/v1/customers/{customer}/rules/{result['rule_id']}"
        one = engine.post(f"{path}/evaluation", json={"as_of": DAY}).json()
        qualified = {"qualified": True, "not_qualified": False, "unknown": None}
        assert one == {
            **result,
            "customer_id": customer,
            "qualified": qualified[result["state"]],
            "ruleset": running.ruleset.digest,
            "as_of": DAY,
        }
        why = engine.get(f"{path}/explanation", params={"as_of": DAY}).json()
        assert (why["state"], why["rule_id"]) == (result["state"], result["rule_id"])


def facts_of(relay: httpx2.Client, customer: str) -> dict[str, Any]:
    """Return a customer's facts as a request submits them."""
    answer = relay.post("/v1/facts", json={"as_of": DAY, "customers": [customer]})
    source = io.BytesIO(answer.content)
    frames = [pl.DataFrame(nanoarrow.ArrayStream.from_readable(source)) for _ in range(3)]

    def texts(frame: pl.DataFrame) -> pl.DataFrame:
        days = [n for n in ("since", "opened", "booking date") if n in frame.columns]
        return frame.with_columns(pl.col(days).cast(pl.Date).cast(pl.String))

    customers, accounts, transactions = map(texts, frames)
    ordered = transactions.sort("booking date", "sequence").drop("id", "sequence")
    return {
        "customer": customers.drop("id", "attributes").to_dicts()[0],
        "accounts": accounts.drop("customer").to_dict(as_series=False),
        "transactions": ordered.to_dict(as_series=False),
    }


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (evaluation(customers=["C0000001"], ruleset="0" * 16), 404, "ruleset.unknown"),
        (evaluation(customers=["C0000001"], rules=["nope"]), 404, "rule.unknown"),
        (evaluation(customers=["C0000001"], as_of="2026-02-30"), 400, "request.date"),
        (evaluation(customers=["C0000001"], as_of="2025-01-01"), 200, ""),
        (evaluation(), 400, "request.body"),
        (evaluation(customers=[""]), 400, "identifier.invalid"),
        (evaluation(customers=["C"] * 1001), 400, "request.body"),
        (evaluation(customers=["C0000001"], colour="red"), 400, "request.body"),
        (evaluation(facts=[{"customer": {"currency": "GBP"}}]), 400, "request.body"),
    ],
)
def test_malformed_requests_get_a_problem_with_a_code(
    engine: httpx2.Client, body: Any, status: int, code: str
) -> None:
    answer = engine.post("/v1/evaluations", json=body)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code
        assert answer.json()["status"] == status


def facts_with(**changes: Any) -> dict[str, Any]:
    transactions = {
        "booking date": ["2026-06-01"],
        "amount": [-500],
        "own transfer": [False],
        "account": ["a"],
    }
    whole: dict[str, Any] = {
        "customer": {"currency": "GBP"},
        "accounts": {"id": ["a"], "type": ["current"]},
        "transactions": transactions,
    }
    for name, change in changes.items():
        whole[name] = whole[name] | change
    return whole


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (facts_with(transactions={"amount": [1, 2]}), "has 1 values, and amount has 2"),
        (facts_with(transactions={"account": ["b"]}), "no account 'b'"),
        (facts_with(transactions={"booking date": ["soon"]}), "'soon' is not a date"),
        (facts_with(transactions={"colour": ["red"]}), "colour"),
        (facts_with(transactions={"amount": ["5"]}), "transactions.amount"),
        (facts_with(accounts={"id": ["a", "a"], "type": ["current"] * 2}), "two have the same id"),
        (facts_with(customer={"currency": "QQQ"}), "ISO 4217"),
    ],
)
def test_malformed_facts_are_refused_with_their_place(
    engine: httpx2.Client, facts: Any, problem: str
) -> None:
    answer = engine.post("/v1/evaluations", json=evaluation(facts=[facts]))
    assert answer.status_code == 400
    assert problem in answer.json()["title"]


def test_no_personal_data_is_returned_without_a_token(running: Running) -> None:
    for server, paths in (
        (running.platform.relay, ("/v1/schema", "/v1/customers", "/v1/facts", "/v1/rules")),
        (running.platform.engines[0], ("/v1/ruleset", "/v1/evaluations", "/v1/customers/x")),
    ):
        for path in paths:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
                answer = httpx2.get(address(server) + path, headers=headers, timeout=PATIENCE)
                assert (answer.status_code, answer.json()["code"]) == (401, "access.denied")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert httpx2.get(address(server) + path, timeout=PATIENCE).status_code == 200


def test_customers_without_consent_do_not_exist_for_anybody(
    running: Running, engine: httpx2.Client, relay: httpx2.Client
) -> None:
    with psycopg.connect(running.platform.database) as connection:
        change = "UPDATE tuppence.consents SET withdrawn_on = {} WHERE customer_id = 'C0000009'"
        connection.execute(change.format("'2026-07-01'"))
        connection.commit()
        path = "/v1/customers/C0000009/rules/bank_fees"
        one = engine.post(f"{path}/evaluation", json={"as_of": DAY})
        assert (one.status_code, one.json()["code"]) == (404, "facts.unknown-customer")
        why = engine.get(f"{path}/explanation", params={"as_of": DAY})
        assert why.status_code == 404
        body = evaluation(customers=["C0000009", "C0000010"])
        many = engine.post("/v1/evaluations", json=body).json()
        assert (many["customers"], many["missing"]) == (1, ["C0000009"])
        page = relay.get("/v1/customers", params={"as_of": DAY, "after": "C0000008", "limit": 1})
        assert page.json() == {"customers": ["C0000010"], "next": "C0000010"}
        connection.execute(change.format("NULL"))


def test_older_results_never_replace_newer_ones(running: Running, engine: httpx2.Client) -> None:
    customers = ["C0000020", "C0000021"]
    later = evaluation(customers=customers[:1], as_of="2026-07-15")
    assert engine.post("/v1/evaluations", json=later).status_code == 200
    refused = engine.post("/v1/evaluations", json=evaluation(customers=customers))
    assert (refused.status_code, refused.json()["code"]) == (409, "results.older")
    with Database(running.platform.results, reading=True) as database:
        kept = database.get(["C0000020"])["C0000020"]
    assert kept.as_of == Date(parse_date("2026-07-15").day).day  # type: ignore[union-attr]


def test_the_relay_refuses_unknown_requests(running: Running, relay: httpx2.Client) -> None:
    for path, query, code in (
        ("/v1/customers", {"as_of": "x"}, "request.date"),
        ("/v1/customers", {"as_of": DAY, "limit": "0"}, "request.query"),
        ("/v1/customers", {"as_of": DAY, "limit": "99999999999"}, "request.query"),
        ("/v1/rules", {}, "request.date"),
        ("/v1/anything", {}, "http.404"),
    ):
        answer = relay.get(path, params=query)
        assert answer.json()["code"] == code
        assert answer.status_code in {400, 404}
    too_many = {"as_of": DAY, "customers": ["x"] * 5_001}
    assert relay.post("/v1/facts", json=too_many).json()["code"] == "request.body"
    large = b" " * 1_000_001
    headers = {"Content-Type": "application/json"}
    assert relay.post("/v1/facts", content=large, headers=headers).status_code == 413
    assert relay.post("/v1/facts", content=b"{}").status_code == 415
    rules = relay.get("/v1/rules", params={"as_of": DAY}).json()["rules"]
    assert {rule["document"]["id"] for rule in rules} == {r.rule.id for r in running.ruleset.rules}


# -- publishing -----------------------------------------------------------------------------------


def serving(running: Running) -> list[str]:
    headers = {"Authorization": f"Bearer {running.platform.token}"}
    with httpx2.Client(headers=headers, timeout=PATIENCE) as client:
        addresses = map(address, running.platform.engines)
        return [client.get(f"{one}/v1/ruleset").json()["serving"] for one in addresses]


def test_a_changed_rule_is_published_to_every_engine_and_rolled_back(
    running: Running, tmp_path: Path
) -> None:
    first = running.ruleset.digest
    assert serving(running) == [first] * 3
    text = (running.rules / "bank_fees.yaml").read_text()
    (tmp_path / "bank_fees.yaml").write_text(text.replace("kind: saving", "kind: tip"))
    approve_rules(running.platform, tmp_path, command)
    printed = running.publish("--as-of", DAY)
    (second,) = set(serving(running))
    assert second != first
    assert printed.count(second) == 4, "it is named, and by each of three engines"
    running.publish("--ruleset", first)
    assert serving(running) == [first] * 3
    with psycopg.connect(running.platform.database) as connection:
        query = "SELECT ruleset, cardinality(engines) FROM tuppence.publications ORDER BY number"
        assert connection.execute(query).fetchall()[-2:] == [(second, 3), (first, 3)]


def test_a_bad_rule_is_refused_with_every_error_and_changes_nothing(
    running: Running, tmp_path: Path
) -> None:
    before = serving(running)
    for name in ("bank_fees", "energy_costs"):
        text = (running.rules / f"{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(text.replace("qualified", "unknown", 1))
    approve_rules(running.platform, tmp_path, command)
    printed = running.publish("--as-of", DAY, status=1)
    assert "bank_fees: test customer" in printed
    assert "energy_costs: test customer" in printed
    assert "nothing was changed" in printed
    assert serving(running) == before
    approve_rules(running.platform, running.rules, command)


def test_one_engine_that_cannot_be_reached_stops_the_publication(running: Running) -> None:
    before = serving(running)
    running.publish("--engines", "http://127.0.0.1:9", "--ruleset", before[0], status=1)
    assert serving(running) == before
    printed = running.publish("--ruleset", "f" * 16, status=1)
    assert "no ruleset ffffffffffffffff" in printed


def test_a_database_trigger_has_an_approved_rule_published(
    running: Running, tmp_path: Path
) -> None:
    before = set(serving(running))
    log = tmp_path / "watch.log"
    where = ("--rulesets", running.platform.rulesets, *running.engines, "--as-of", DAY)
    arguments = ("rules", "publish", "--watch", *running.database, *where)
    with log.open("wb") as output:
        watching = subprocess.Popen([*TUPPENCE, *map(str, arguments)], stderr=output, stdout=output)
    try:
        wait_until(lambda: '"event": "waiting"' in log.read_text(), log.read_text)
        text = (running.rules / "bank_fees.yaml").read_text()
        (tmp_path / "rules").mkdir()
        changed = text.replace("kind: saving", "kind: guidance")
        (tmp_path / "rules" / "bank_fees.yaml").write_text(changed)
        approve_rules(running.platform, tmp_path / "rules", command)
        wait_until(lambda: set(serving(running)).isdisjoint(before), log.read_text)
        wait_until(lambda: "serves now" in log.read_text(), log.read_text)
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait()
    approve_rules(running.platform, running.rules, command)
    running.publish("--ruleset", running.ruleset.digest)


# -- the documented interface ---------------------------------------------------------------------


@pytest.mark.hypothesis
@pytest.mark.parametrize("mode", MODES)
def test_the_engine_does_what_its_document_says(running: Running, mode: str) -> None:
    """Sends valid and invalid requests made from the document; answers must have its shapes."""
    headers = {"Authorization": f"Bearer {running.platform.token}"}
    # A document cannot say that columns must be equally long, nor which years there are.
    check_operations(running.platform.url, mode, 5, lambda _: headers, strict="ruleset")


# -- erasure --------------------------------------------------------------------------------------


def traces(database: str, *texts: str) -> list[tuple[str, str]]:
    """Return the columns of any table, of any type, that hold one of some texts."""
    columns = (
        "SELECT format('%I.%I', table_schema, table_name), quote_ident(column_name), data_type"
        " FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name)"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        " AND table_type = 'BASE TABLE'"
    )
    found: list[tuple[str, str]] = []
    with psycopg.connect(database) as connection:
        for table, column, kind in connection.execute(columns).fetchall():
            value = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            query = f"SELECT EXISTS (SELECT FROM {table} WHERE strpos({value}, %s) > 0)"
            held = [connection.execute(query.encode(), [text]).fetchone() for text in texts]
            found += [(table, column)] * held.count((True,))
    return found


def forget_beside_evaluations(
    running: Running, customer: str, others: list[str], first: str
) -> None:
    """Erase a customer while two engines evaluate them again and again, and look for traces.

    Nobody among the others may have results of a later date: engines refuse to replace those.
    """
    asked = {"run_id": "x", "as_of": DAY, "customers": [customer, *others]}
    enough, stop = threading.Semaphore(0), threading.Event()
    headers = {"Authorization": f"Bearer {running.platform.token}"}

    def evaluate(engine: str) -> None:
        with httpx2.Client(headers=headers, timeout=PATIENCE) as client:
            try:
                while not stop.is_set():
                    answer = client.post(f"{engine}/v1/evaluations", json=asked)
                    assert answer.status_code == 200, answer.text
                    enough.release()
            finally:
                enough.release(10)  # nobody waits for evaluations that have failed

    def forget() -> str:
        return command(
            *("forget", customer, *running.database, "--results", running.platform.results),
            *("--rulesets", running.platform.rulesets, "--settle", 0, "--yes"),
        )

    assert traces(running.platform.database, customer)
    with ThreadPoolExecutor(3) as pool:
        if first == "forget":
            erasing = pool.submit(forget)
        evaluating = [pool.submit(evaluate, address(e)) for e in running.platform.engines[:2]]
        try:
            if first == "evaluate":
                enough.acquire()
                erasing = pool.submit(forget)
            assert "none names the customer" in erasing.result()
            for _ in range(3):
                enough.acquire()
        finally:
            stop.set()
        for one in evaluating:
            one.result()
    assert traces(running.platform.database, customer) == []
    with Database(running.platform.results, reading=True) as results:
        assert results.get([customer, *others]).keys() == set(others)
    for file in running.platform.folder.glob("results.sqlite*"):
        assert customer.encode() not in file.read_bytes(), file.name
    assert "there is no customer" in command(
        *("forget", customer, *running.database, "--results", running.platform.results),
        *("--rulesets", running.platform.rulesets, "--settle", 0, "--yes"),
        status=1,
    )


@pytest.mark.parametrize("first", ["evaluate", "forget"])
def test_a_customer_erased_during_evaluations_stays_erased(running: Running, first: str) -> None:
    number = 190 + ("evaluate", "forget").index(first)
    others = [f"C{n:07d}" for n in range(21, 60)]
    forget_beside_evaluations(running, f"C{number:07d}", others, first)


@pytest.mark.long
def test_many_customers_erased_during_evaluations_stay_erased(running: Running) -> None:
    others = [f"C{n:07d}" for n in range(21, 100)]
    for number in range(100, 180):
        first = ("evaluate", "forget")[number % 2]
        forget_beside_evaluations(running, f"C{number:07d}", others, first)
