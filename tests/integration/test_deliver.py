"""The command `tuppence deliver` after a night: a real store, receiver and mail server."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from local.servers import free_port
from tests.building import bank, copy_rules, day, rule
from tests.commands import command
from tests.feed_stores import person_table
from tests.integration.test_channels import Receiver

from tuppence.adapters.channels.settings import read_channels
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bootstrap.feeds import store_feeds
from tuppence.bootstrap.service_stores import result_store, ruleset_store
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.facts.schema import Schema
from tuppence.feed.items import DAY
from tuppence.feed.preferences import Preferences
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, State, packed
from tuppence.rules.ruleset import make_ruleset

RULES = ("eating_out_up", "subscriptions_total", "week_in_review", "overdrawn")
AGREED = ("--consent-from", "2026-01-01", "--consent-until", "2027-01-01")
SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 8, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", "2026-06-30")
    return folder / "store"


@pytest.fixture
def store(night: Path, tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    return shutil.copytree(night, tmp_path / "store")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


Deliver = Callable[..., dict[str, Any]]


@pytest.fixture
def deliver(store: Path, tmp_path: Path) -> Deliver:
    """Return a function that writes a file of channels and runs the command."""

    def run(port: int, *options: object, status: int = 0, channels: str = "") -> dict[str, Any]:
        hook = (
            f"{{url: 'http://127.0.0.1:{port}/in', secrets: ['{tmp_path / 'secret'}'], "
            "allowed_networks: [127.0.0.0/8]}"
        )
        path = tmp_path / "channels.yaml"
        path.write_text(channels.replace("HOOK", hook) or f"webhooks: {{app: {hook}}}\n")
        words = ("deliver", "--store", store, "--channels", path, "--patience", 0, *options)
        said = command(*words, "--format", "json", status=status)
        found: dict[str, Any] = json.loads(said) if status == 0 else {"error": said}
        return found

    return run


def test_an_app_is_told_once_after_each_night(receiver: Receiver, deliver: Deliver) -> None:
    done = deliver(receiver.port)
    count = done["planned"]
    assert (done["delivered"], done["failed"], done["given_up"]) == (count, 0, [])
    assert len(receiver.requests) == count > 3
    verifier = standardwebhooks.Webhook(SECRET)
    told = [verifier.verify(body, headers)["data"] for headers, body in receiver.requests]
    assert len({one["customer"] for one in told}) == count
    assert {one["as_of"] for one in told} == {"2026-06-30"}
    assert all(item["title"] and item["text"] for one in told for item in one["items"])
    again = deliver(receiver.port)
    assert (again["planned"], again["delivered"], len(receiver.requests)) == (0, 0, count)


def test_a_person_gets_a_push_if_they_switched_it_on(
    store: Path, receiver: Receiver, deliver: Deliver
) -> None:
    both = "webhooks: {app: HOOK}\npush: HOOK\n"
    deliver(receiver.port, channels=both)
    customer = json.loads(receiver.requests[0][1])["data"]["customer"]
    deps = store_feeds(store, None, PURPOSES, lambda: 0)
    with deps.store.change(customer) as change:
        change.prefer(Preferences(channels_on=["push"]))
    deps.close()
    assert deliver(receiver.port, channels=both)["planned"] == 1


def test_what_was_given_up_is_reported_and_replayed(receiver: Receiver, deliver: Deliver) -> None:
    receiver.status = 410
    failed = deliver(receiver.port, status=1)
    assert "deliveries were given up" in failed["error"]
    count = len(receiver.requests)
    listed = deliver(receiver.port)
    assert (listed["planned"], len(listed["given_up"])) == (0, count)
    assert {one["reason"] for one in listed["given_up"]} == {"it answered 410"}
    receiver.status = 204
    again = deliver(receiver.port, "--redrive")
    assert (again["redriven"], again["delivered"], again["given_up"]) == (count, count, [])
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert sorted(ids[:count]) == sorted(ids[count:]), "a receiver knows them again"


def test_what_failed_waits_for_the_next_call(receiver: Receiver, deliver: Deliver) -> None:
    done = deliver(free_port())
    assert (done["delivered"], done["failed"], done["stopped"]) == (0, done["planned"], [])
    assert done["next_attempt"] is not None
    assert deliver(receiver.port)["delivered"] == 0


@pytest.fixture(params=["postgresql", "dynamodb"])
def services(
    request: pytest.FixtureRequest, login: Callable[..., str], tmp_path: Path
) -> tuple[list[object], list[object]]:
    """Return the options of a service for feeds, and those of somebody who loads and erases."""
    facts = bank([{"booking date": day("2026-06-25"), "amount": -1250}], "ann")
    FactStore.create(tmp_path / "facts", Schema()).append(facts)
    loader, feed = login("loader_login", "loader"), login("feed_login", "feed")
    command("load", "--store", tmp_path / "facts", "--to", loader, *AGREED)
    ruleset = make_ruleset([rule("true", name="always")])
    rulesets = ruleset_store(str(tmp_path / "rulesets"))
    rulesets.put(ruleset)
    kept = result_store(str(tmp_path / "results.sqlite"), rulesets)()
    always = Result("always", State.QUALIFIED, Decimal(1), {}, day("2026-06-30"))
    layout = Layout(ruleset.digest, (("always", ()),))
    kept.put([CustomerResults("ann", day("2026-06-30"), layout, pack([packed(always)]))])
    places = ["--results", tmp_path / "results.sqlite", "--rulesets", tmp_path / "rulesets"]
    if request.param == "dynamodb":
        request.getfixturevalue("aws")
        places += ["--feeds", f"dynamodb://{person_table()}"]
    return ["--database", feed, *places], ["--database", loader, *places]


def test_people_of_a_database_are_told_and_all_of_it_is_exported_and_erased(
    services: tuple[list[object], list[object]],
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuppence.cli.deliver.current_time", lambda: day("2026-07-01") * DAY)
    feed, loader = services
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "channels.yaml").write_text(
        f"webhooks: {{app: {{url: 'http://127.0.0.1:{receiver.port}/in', "
        f"secrets: ['{tmp_path / 'secret'}'], allowed_networks: [127.0.0.0/8]}}}}"
    )
    words = ("deliver", *feed, "--channels", tmp_path / "channels.yaml", "--format", "json")
    for delivered in (1, 0):
        assert json.loads(command(*words))["delivered"] == delivered
    ((_, body),) = receiver.requests
    assert json.loads(body)["data"]["customer"] == "ann"
    (told,) = json.loads(command("export", "ann", *loader))["feed"]["deliveries"]
    assert told["delivery"]["state"] == "delivered"
    said = command("forget", "ann", *loader, "--settle", 0, "--yes")
    assert "1 feed_table" in said or "1 feed_deliveries" in said
    assert json.loads(command(*words))["planned"] == 0
    assert "there is no customer ann" in command("export", "ann", *loader, status=1)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ("{}", "has no channel"),
        ("webhooks: {App: HOOK}", "1:11: 'App' is not a name of a webhook"),
        ("push: {url: 'ftp://a.example', secrets: [x]}", "url: is not an address that begins with"),
        ("push: {url: 'https://u:p@a.example', secrets: [x]}", "a name or a password in it"),
        ("push: {url: 'https://a.example/#x', secrets: [x]}", "which is never sent"),
        ("push: {url: 'https://ä.example/', secrets: [x]}", "not ASCII"),
        ("push: {url: 'https://a.example:x/', secrets: [x]}", "is not an address"),
        ("push: {url: 'https://a.example', secrets: []}", "length >= 1"),
        (
            "push: {url: 'https://a.example', secrets: [x], allowed_networks: [10.0.0.1/8]}",
            "'10.0.0.1/8' is not a network",
        ),
        (
            "mail: {server: a, sender: a@b, address: email, unsubscribe: 'https://f.example'}",
            "customers have no attribute email of type text",
        ),
        (
            "mail: {server: a, sender: a@b, address: email, unsubscribe: 'http://f.example'}",
            "unsubscribe: is not an address that begins with https://",
        ),
    ],
)
def test_a_malformed_file_of_channels_is_refused(
    deliver: Deliver, channels: str, message: str
) -> None:
    assert message in deliver(1, status=1, channels=channels)["error"]


def test_the_place_of_feeds_is_given_once(store: Path) -> None:
    for options in ((), ("--store", store, "--database", "postgresql://x/y")):
        said = command("deliver", "--channels", "c.yaml", *options, status=1)
        assert "the feeds are those of a store, or of the services" in said
    words = ("deliver", "--channels", "c.yaml", "--store", store, "--feeds", "dynamodb://x")
    assert "--feeds belongs to --database" in command(*words, status=1)


def test_channels_may_be_in_the_environment_as_a_task_on_aws_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = 'webhooks: {app: {url: "https://app.example.org/in", secrets: [env:HOOK_SECRET]}}'
    monkeypatch.setenv("CHANNELS", hook)
    found = read_channels("env:CHANNELS", Schema())
    assert found.webhooks["app"].url == "https://app.example.org/in"
    monkeypatch.setenv("CHANNELS", "webhook: {}")
    with pytest.raises(UserError, match=r"^env:CHANNELS:1:1: "):
        read_channels("env:CHANNELS", Schema())
    monkeypatch.delenv("CHANNELS")
    with pytest.raises(UserError, match="the environment has no CHANNELS"):
        read_channels("env:CHANNELS", Schema())
