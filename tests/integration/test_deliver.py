"""The command `tuppence deliver` after a night: a real store, receiver and mail server."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from local.servers import free_port
from tests.building import copy_rules
from tests.commands import command
from tests.integration.test_channels import Receiver

from tuppence.bootstrap.feeds import store_feeds
from tuppence.facts.consent import PURPOSES
from tuppence.feed.preferences import Preferences

RULES = ("eating_out_up", "subscriptions_total", "week_in_review", "overdrawn")
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
    again = deliver(receiver.port, "--replay")
    assert (again["replayed"], again["delivered"], again["given_up"]) == (count, count, [])
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert sorted(ids[:count]) == sorted(ids[count:]), "a receiver knows them again"


def test_what_failed_waits_for_the_next_call(receiver: Receiver, deliver: Deliver) -> None:
    done = deliver(free_port())
    assert (done["delivered"], done["failed"], done["stopped"]) == (0, done["planned"], [])
    assert done["next_attempt"] is not None
    assert deliver(receiver.port)["delivered"] == 0


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
