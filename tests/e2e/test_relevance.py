"""The learned order as the program has it: from the first views to an erasure."""

import json
import random
import re
import shutil
from pathlib import Path

import httpx2
import pytest
from local.servers import PATIENCE
from tests.building import copy_rules
from tests.commands import command
from tests.serving import served

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.console import console_service
from tuppence.bootstrap.feeds import store_feeds
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY, EventKind
from tuppence.feel.values import Date, parse_date
from tuppence.relevance.ranking import is_held_out
from tuppence.usecases.build_feed import FeedRequest, build_feed
from tuppence.usecases.feed_ports import ShownView, view_id
from tuppence.usecases.levers import TEMPERATURES
from tuppence.usecases.record_events import Happened, record_events

RULES = ("bank_fees", "cash_share", "groceries_up", "month_in_review", "week_in_review",
         "overdrawn", "subscriptions_total", "small_purchases", "takeaway_habit")  # fmt: skip
NIGHTS = ("2026-06-26", "2026-06-27", "2026-06-28", "2026-06-29", "2026-06-30")
POPULAR = "week_in_review"


def use(store: Path, night: str, chance: random.Random) -> None:
    """Let everybody look at their feed on a night; they open what they like."""
    day = parse_date(night)
    assert isinstance(day, Date)
    now = day.day * DAY + DAY // 2
    deps = store_feeds(store, None, PURPOSES, lambda: now)
    for name in StoreFolder(store).facts().customers()["id"].sort():
        kept, person = deps.store.kept(name), deps.people.find(name, day)
        feed = build_feed(FeedRequest(person, kept, deps.policy, now, "en_GB", deps.model(), "app"))
        view = view_id(ShownView(name, feed.view).content)
        happened = []
        for one in feed.items:
            item, likes = one.candidate.item, 0.9 if one.candidate.rule.id == POPULAR else 0.3
            kind = EventKind.OPENED if chance.random() < likes else EventKind.SEEN
            happened.append(Happened(f"{view}-{item}", kind, item, view, now))
        done = record_events(deps.store, name, {view: feed.view}, happened, deps.policy, now)
        assert not done.refused
    deps.close()


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a model that was published after two of five nights."""
    folder = tmp_path_factory.mktemp("used")
    store, rules = folder / "store", copy_rules(folder / "rules", *RULES)
    chance = random.Random(1)  # noqa: S311 - repeated
    command("synth", "--store", store, "--customers", 200)
    for number, night in enumerate(NIGHTS):
        command("run", "--store", store, "--rules", rules, "--as-of", night)
        use(store, night, chance)
        if number == 1:
            assert "published" in command(
                "relevance", "fit", "--store", store, "--publish", "--temperature", 60
            )
    return store


@pytest.fixture
def store(tmp_path: Path, used: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "store"))


def test_the_console_shows_the_model_its_gain_and_the_levers(used: Path, tmp_path: Path) -> None:
    rules = copy_rules(tmp_path / "rules", *RULES)
    now = DAY * Date(20_634).day
    app = console_service(used, rules, None, PURPOSES, 1_000_000, lambda: now, "key")
    shown = json.loads(command("relevance", "show", "--store", used, "--format", "json"))
    compared = json.loads(command("relevance", "compare", "--store", used, "--format", "json"))
    with served(app) as port:
        sent = {"Sec-Fetch-Site": "same-origin"}
        where = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=where, headers=sent, timeout=PATIENCE) as asked:
            asked.get("/?key=key")
            text = asked.get("/relevance").text
            levers = asked.post("/relevance").text
    assert shown["digest"] in text
    for rule, points in shown["model"]["rule"].items():
        assert f'<td>{rule}</td><td class="number">{points:+}</td>' in text
    assert (compared["unknown"] or "This is not chance") in text
    told = json.loads(command("relevance", "evaluate", "--store", used, "--format", "json"))
    (of_rules,) = (one for one in told if one["order"] == "rule order")
    row = re.search(r'rule order</th><td class="number">(.*?)</td><td>(.*?)</td>', levers)
    assert row is not None
    if of_rules["unknown"]:
        assert row.groups() == ("not known", of_rules["unknown"])
    else:
        assert row[1] == f"{of_rules['change']:+.1%}"
    assert levers.count('<th scope="row">temperature') == len(TEMPERATURES)


def test_a_model_is_fitted_shown_published_and_rolled_back(store: Path) -> None:
    first = json.loads(command("relevance", "show", "--store", store, "--format", "json"))
    assert max(first["model"]["rule"].items(), key=lambda pair: pair[1])[0] == POPULAR
    said = command("relevance", "fit", "--store", store)
    digest = said.split()[1]
    assert said == command("relevance", "fit", "--store", store), "the same log, the same model"
    assert digest != first["digest"]
    assert f"others that are kept: {digest}" in command("relevance", "show", "--store", store)
    command("relevance", "publish", digest, "--store", store)
    assert f"model {digest}" in command("relevance", "show", "--store", store)
    command("relevance", "publish", first["digest"], "--store", store)
    assert f"model {first['digest']}" in command("relevance", "show", "--store", store)
    assert "in rule order" in command("relevance", "publish", "--rule-order", "--store", store)
    assert "feeds are in rule order" in command("relevance", "show", "--store", store)
    assert "there is no model" in command(
        "relevance", "publish", "0" * 16, "--store", store, status=1
    )


def test_a_persons_feed_is_explained_as_sums_of_points(store: Path) -> None:
    names = StoreFolder(store).facts().customers()["id"].sort()
    found = {}
    for name in (one for one in names if not is_held_out(one)):
        options = ("--store", store, "--customer", name, "--format", "json")
        found = json.loads(command("relevance", "show", *options))
        assert found["order"]["by"] == "model"
        if found["candidates"]:
            break
    assert found["candidates"]
    for one in found["candidates"]:
        assert sum(one["parts"].values()) == one["points"]
        assert 0 <= one["chance"] <= 1
    assert "sum of" in command("relevance", "show", *options[:4])
    assert found["customer_id"] in command("feed", found["customer_id"], "--store", store)
    held = next(one for one in names if is_held_out(one))
    told = command("relevance", "show", "--store", store, "--customer", held)
    assert "in rule order (hold out)" in told


def test_values_are_judged_before_they_go_live(store: Path, tmp_path: Path) -> None:
    policy = tmp_path / "feed.yaml"
    policy.write_text("values: [{of: insight, only: bank_fees, value: 1.5}]\n")
    model = StoreFolder(store).models.current()
    options = ("--store", store, "--policy", policy, "--model", model)
    rows = json.loads(command("relevance", "evaluate", *options, "--format", "json"))
    assert [one["order"] for one in rows] == ["the model", "with the policy's values", "rule order"]
    assert rows[0]["change"] == pytest.approx(0, abs=0.1)
    assert rows[0]["mean_weight"] == pytest.approx(1, abs=0.1)
    for words in (options, options[:4]):
        assert "clicks a view" in command("relevance", "evaluate", *words)
    policy.write_text("values: [{of: kind, only: bank_fees, value: 1.5}]\n")
    assert "there is no kind bank_fees" in command("relevance", "evaluate", *options, status=1)


def test_few_hold_outs_prove_nothing(store: Path) -> None:
    assert command("relevance", "compare", "--store", store).startswith("not known: ")
    found = json.loads(command("relevance", "compare", "--store", store, "--format", "json"))
    assert found["lift"] is None
    assert found["learned"] > 0


def test_an_erasure_makes_a_model_that_never_saw_the_person(store: Path) -> None:
    before = json.loads(command("relevance", "show", "--store", store, "--format", "json"))
    command("relevance", "fit", "--store", store)
    said = command("forget", "C0000007", "--store", store, "--yes")
    assert "destroyed: 2 models" in said
    after = json.loads(command("relevance", "show", "--store", store, "--format", "json"))
    assert after["digest"] != before["digest"]
    assert after["model"]["temperature"] == 60
    assert StoreFolder(store).models.digests() == [after["digest"]]
    assert "models/" in command("store", "check", "--store", store)


def test_without_views_nothing_is_known(tmp_path: Path) -> None:
    command("synth", "--store", tmp_path / "new", "--customers", 3)
    for words, status in ((("fit",), 1), (("evaluate",), 1), (("compare",), 0), (("show",), 0)):
        said = command("relevance", *words, "--store", tmp_path / "new", status=status)
        assert any(one in said for one in ("nothing", "no view", "not known", "in rule order"))
