"""Checks the pages about customers and nights as forms and links, without a browser."""

import datetime
import html
import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import pytest
from local.servers import PATIENCE
from tests.building import bank, copy_rules, day
from tests.commands import command
from tests.serving import served

from tuppence.adapters.embedded.reads_file import ReadsFile
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.console import console_service
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Consent
from tuppence.feed.items import DAY
from tuppence.services.console.reasons import LASTS, REASONS, Reasons
from tuppence.usecases.ledger import RunRecord, Tally
from tuppence.usecases.prove_result import verify_proof
from tuppence.usecases.team import OWNER

KEY: Final = "a-key-of-the-tests"
NIGHTS: Final = ("2026-06-29", "2026-06-30")
NOW: Final = day(NIGHTS[1]) * DAY + DAY // 2
PERSON: Final = "C0000002"
RULES: Final = ("bank_fees", "overdrawn", "week_in_review", "energy_costs")


class Console(NamedTuple):
    """A console over a store and rules of its own."""

    folder: Path
    asked: httpx2.Client

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def noted(self) -> list[dict[str, str]]:
        """Return the record of what was seen, without its key."""
        lines = (self.store / "reads.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines][1:]

    def open(self, customer: str, reason: str = REASONS[0], **more: str) -> httpx2.Response:
        form = {"customer": customer, "reason": reason, **more}
        return self.asked.post("/customer", data=form, follow_redirects=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 12, "--seed", 1)
    for night in NIGHTS:
        command("run", "--store", folder / "store", "--rules", rules, "--as-of", night,
                "--processes", 1)  # fmt: skip
    return folder


@pytest.fixture
def console(made: Path, tmp_path: Path) -> Iterator[Console]:
    folder = shutil.copytree(made, tmp_path / "console")
    app = console_service(
        folder / "store", folder / "rules", None, PURPOSES, 1_000_000_000, lambda: NOW, KEY
    )
    with served(app) as port:
        sent = {"Sec-Fetch-Site": "same-origin"}
        where = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=where, headers=sent, timeout=PATIENCE) as asked:
            asked.get(f"/?key={KEY}")
            yield Console(folder, asked)


def test_a_page_that_does_not_exist_is_a_page_of_the_console(console: Console) -> None:
    for path, status in (("/rules/bank_fees", 404), ("/static/none.js", 404), ("/preview", 405)):
        found = console.asked.get(path)
        assert found.status_code == status
        assert '<nav aria-label="Console">' in found.text
    assert "there is no page /rules/bank_fees" in console.asked.get("/rules/bank_fees").text


def test_a_customer_is_seen_only_for_a_reason(console: Console) -> None:
    asked = console.asked
    for path in ("/customer", "/reason"):
        found = asked.get(path, params={"customer": PERSON, "rule": "bank_fees"})
        assert f"Why do you open {PERSON}?" in found.text
        assert "In the feed" not in found.text
    for form in ({"reason": "curiosity"}, {}, {"reason": REASONS[0], "case": "Ann Smith"},
                 {"reason": REASONS[0], "case": "Smith"}):  # fmt: skip
        refused = asked.post("/customer", data={"customer": PERSON, **form})
        assert refused.status_code == 422
    for path in ("/customer/export", "/customer/proof", "/customer/erase"):
        refused = asked.post(path, data={"customer": PERSON, "rule": "bank_fees"})
        assert refused.status_code == 400
        assert "no reason was given" in refused.text
    assert not (console.store / "reads.jsonl").exists()
    opened = console.open(PERSON, case="CASE-17")
    assert "Every rule" in opened.text
    assert "Why do you open" in asked.get("/customer", params={"customer": "C0000003"}).text


def test_what_is_seen_is_recorded_without_a_name(console: Console) -> None:
    console.open(PERSON, case="CASE-17")
    console.asked.get("/reason", params={"customer": PERSON, "rule": "bank_fees"})
    console.open("C0000003", REASONS[1])
    first, second, third = console.noted()
    assert first == {
        "time": "2026-06-30T12:00:00Z",
        "customer": first["customer"],
        "what": "page of a customer",
        "reason": "a question of the customer (CASE-17)",
    }
    assert second == first | {"what": "reasons of bank_fees"}
    assert third["reason"] == "a complaint"
    assert third["customer"] != first["customer"]
    file = console.store / "reads.jsonl"
    assert "C000000" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def pounds(amount: str) -> str:
    return f"{'-' if amount.startswith('-') else ''}£{abs(float(amount)):,.2f}"


def test_the_page_has_streams_forecasts_and_consents(console: Console) -> None:
    held = StoreFolder(console.store)
    told = json.loads(
        command("forecast", PERSON, "--store", console.store, "--as-of", NIGHTS[1],
                "--format", "json")
    )  # fmt: skip
    streams = json.loads(
        command("streams", PERSON, "--store", console.store, "--as-of", NIGHTS[1],
                "--format", "json")
    )  # fmt: skip
    text = console.open(PERSON).text
    assert "This customer was never asked" in text
    expected = [one for one in told if one["forecast"] is not None]
    assert expected
    for one in expected:
        low, high = pounds(one["forecast low"]), pounds(one["forecast high"])
        assert f"four times out of five from {low} to {high}" in text
    assert text.count('class="ahead"') == len(expected)
    assert streams
    assert all(one["payee"].replace("&", "&amp;").replace("'", "&#39;") in text for one in streams)
    assert all(f'<td class="number">{pounds(one["amount"])}</td>' in text for one in streams)
    year, month, dom = map(int, streams[0]["next date"].split("-"))
    assert datetime.date(year, month, dom).strftime(f"{dom} %B %Y") in text
    start, words = day("2026-01-01"), ("transactions", "balances")
    held.consents.record([
        Consent(PERSON, "c1", min(PURPOSES), words, "GB", start),
        Consent(PERSON, "c2", min(PURPOSES), words, "GB", start, withdrawn=start + 3),
        Consent(PERSON, "c3", min(PURPOSES), words, "GB", start, expires=start + 9),
    ])  # fmt: skip
    text = console.open(PERSON).text
    for state in ("valid", "withdrawn", "expired"):
        assert f"<td>{state}</td>" in text
    held.consents.record(
        [Consent(PERSON, "c1", min(PURPOSES), words, "GB", start, withdrawn=start)]
    )
    text = console.open(PERSON).text
    assert "allows their transactions to be read" in text
    assert 'class="ahead"' not in text


def test_a_customer_can_be_exported_and_a_result_proven(console: Console) -> None:
    console.open(PERSON, REASONS[2])
    export = console.asked.post("/customer/export", data={"customer": PERSON})
    assert export.headers["content-disposition"] == 'attachment; filename="export.json"'
    told = command("export", PERSON, "--store", console.store)
    assert export.json() == json.loads(told)
    proof = console.asked.post("/customer/proof", data={"customer": PERSON, "rule": "overdrawn"})
    assert verify_proof(proof.content).customer == PERSON
    assert [one["what"] for one in console.noted()] == [
        "page of a customer", "export of all data", "proof of overdrawn",
    ]  # fmt: skip


def test_a_customer_is_erased_after_their_name_was_written(console: Console) -> None:
    console.open(PERSON, REASONS[2])
    asked = console.asked
    form = {"customer": PERSON}
    assert "Write the name of the customer" in asked.post("/customer/erase", data=form).text
    wrong = asked.post("/customer/erase", data=form | {"written": "C0000003"})
    assert wrong.status_code == 422
    assert StoreFolder(console.store).has_customer(PERSON)
    done = asked.post("/customer/erase", data=form | {"written": PERSON})
    assert "none names the customer or an account" in done.text
    assert not StoreFolder(console.store).has_customer(PERSON)
    assert console.noted()[-1]["what"] == "erasure"
    assert asked.get("/customer", params={"customer": PERSON}).status_code == 404


def test_the_nights_say_what_they_took_and_which_rules_changed(console: Console) -> None:
    file = console.folder / "rules/energy_costs.yaml"
    file.write_text(file.read_text().replace("> 1800", "> 900"))
    (console.folder / "rules/overdrawn.yaml").unlink()
    command("run", "--store", console.store, "--rules", file.parent, "--as-of", "2026-07-01",
            "--processes", 1)  # fmt: skip
    text = console.asked.get("/nights").text
    assert text.count("other rules:") == 1
    assert "0 new, 1 changed, 1 removed" in text
    assert re.search(
        r"<td class=\"number\">\d+\.\d s</td><td class=\"number\">less than a cent", text
    )
    assert text.count('class="mark"') == 3, "one for each rule of the last night"
    ((before, run),) = re.findall(
        r'name="before" value="(\w+)"><input type="hidden" name="run" value="(\w+)"', text
    )
    found = console.asked.post("/nights/compare", data={"before": before, "run": run}).text
    assert re.search(r'overdrawn</th><td>removed</td>.*<td class="number">–</td></tr>', found)
    assert found.count("<td>changed</td>") == 1
    assert "<td>no such rule</td>" in found
    named = set(re.findall(r"C\d{7}", found))
    noted = [one for one in console.noted() if one["what"] == "comparison of two nights"]
    assert len({one["customer"] for one in noted}) == len(named) > 0
    unknown = console.asked.post("/nights/compare", data={"before": "none", "run": run})
    assert unknown.status_code == 400
    for digest in (console.store / "rulesets").glob("*.json"):
        digest.unlink()
    assert "other rules:" not in console.asked.get("/nights").text


def test_a_past_night_is_replayed(console: Console) -> None:
    text = console.asked.get("/nights").text
    (_, first) = re.findall(r'name="run" value="([0-9a-f]{12})"', text)
    found = console.asked.post("/nights/replay", data={"run": first})
    assert "Replay of 2026-06-29" in found.text
    assert "The replay found what the night found." in found.text
    assert "4 of 4 rules" in found.text
    late = [{"id": "x", "amount": -900, "category": "bank fee", "booking date": day("2026-06-20")}]
    StoreFolder(console.store).facts().append(bank(late, "C0000001"))
    found = console.asked.post("/nights/replay", data={"run": first})
    assert "Facts or consents have changed since then, and so have the results." in found.text
    assert "3 of 4 rules" in found.text
    assert console.asked.post("/nights/replay", data={"run": "none"}).status_code == 400


def test_a_run_is_followed_to_its_end(console: Console) -> None:
    run = RunRecord("run1", day("2026-07-01"), "x", ("p:0-6", "p:6-12"), started=NOW - 2_000)
    with StoreFolder(console.store).results() as kept:
        kept.start(run)
        with kept.completing("run1", "p:0-6", Tally(6)):
            pass
        text = console.asked.get("/nights").text
        assert "6 of 12 customers, 3 a second, about 2 s left." in text
        assert "1 of 2 parts" in text
        with console.asked.stream("GET", "/nights/events?run=run1") as answer:
            told = (json.loads(line[6:]) for line in answer.iter_lines() if line)
            assert next(told) == {
                "done": 6, "customers": 12, "rate": 3.0, "seconds_left": 2.0, "finished": False,
            }  # fmt: skip
            with kept.completing("run1", "p:6-12", Tally(6)):
                pass
            kept.finish("run1", NOW)
            *_, last = told
        assert (last["done"], last["finished"]) == (12, True)
    other = console.asked.get("/nights/events?run=another")
    assert other.text == 'data: {"finished":true}\n\n'


def test_a_test_is_made_from_a_real_customer(console: Console) -> None:
    page = console.asked.get("/rule", params={"name": "energy_costs"}).text
    fields = dict(
        re.findall(r'name="((?:base|id|title|message\.title|kind))" value="([^"]*)"', page)
    )
    text = (console.folder / "rules/energy_costs.yaml").read_text()
    when = re.search(r"when: \|\n((?:  .*\n)+)", text)
    assert when is not None
    form = {**fields, "view": "form", "kind": "saving", "when": textwrap.dedent(when[1]),
            "score": "50", "message.title": "a", "message.body": "b"}  # fmt: skip
    tried = console.asked.post("/rule?name=energy_costs", data=form | {"do": "try"}).text
    offered = re.findall(r'name="do" value="test (C\d+)"', tried)
    assert offered
    made = console.asked.post("/rule?name=energy_costs", data=form | {"do": f"test {offered[0]}"})
    assert made.status_code == 200
    rest = re.search(r'<textarea id="rest".*?>\n(.*?)</textarea>', made.text, re.DOTALL)
    assert rest is not None
    assert "made from a real customer" in rest[1]
    assert "expect: qualified" in rest[1]
    assert console.noted()[-1]["what"] == "test customer of a rule"
    twice = form | {"do": f"test {offered[0]}", "rest": html.unescape(rest[1])}
    again = console.asked.post("/rule?name=energy_costs", data=twice).text
    assert "made from a real customer, 2" in again
    as_file = {"view": "file", "base": fields["base"], "text": text, "do": f"test {offered[0]}"}
    assert "tests are added in the form" in console.asked.post(
        "/rule?name=energy_costs", data=as_file
    ).text  # fmt: skip


def test_without_views_nothing_is_known_of_the_order(console: Console) -> None:
    text = console.asked.get("/relevance").text
    assert "Feeds are in rule order: no model is published." in text
    assert "Not known: " in text
    estimated = console.asked.post("/relevance").text
    assert "views are kept when events arrive with receipts" in estimated


def test_a_reason_holds_for_half_an_hour_for_one_person_and_customer() -> None:
    now = [0]
    reasons = Reasons(lambda: now[0])
    reasons.give(OWNER, "ann", REASONS[0], "")
    other = OWNER._replace(subject="bob")
    assert reasons.of(OWNER, "ann") == REASONS[0]
    assert reasons.of(OWNER, "bob") is None
    assert reasons.of(other, "ann") is None
    now[0] = LASTS - 1
    assert reasons.of(OWNER, "ann") == REASONS[0]
    now[0] = LASTS
    assert reasons.of(OWNER, "ann") is None


def test_nothing_is_shown_if_the_record_cannot_be_written(tmp_path: Path) -> None:
    reads = ReadsFile(tmp_path, lambda: 0)
    (tmp_path / "reads.jsonl").write_text("something else\n")
    with pytest.raises(UserError, match="its first line is damaged"):
        reads.note(OWNER, ["ann"], "page of a customer", "x")
    (tmp_path / "reads.jsonl").unlink()
    reads.note(OWNER, ["ann", "bob"], "page of a customer", "x")
    again = ReadsFile(tmp_path, lambda: 1_000)
    again.note(OWNER, ["ann"], "page of a customer", "x")
    _, ann, bob, later = map(json.loads, (tmp_path / "reads.jsonl").read_text().splitlines())
    assert ann["customer"] == later["customer"] != bob["customer"]
    assert later["time"] == "1970-01-01T00:00:01Z"
