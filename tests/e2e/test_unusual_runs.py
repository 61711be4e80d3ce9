"""Runs that cannot begin, are stopped, or tell something: of rules, results, facts and disks."""

import datetime
import io
import json
import re
from pathlib import Path

import apsw
import pytest
from tests.conftest import Run
from tests.e2e.conftest import RULE

from tuppence.adapters.embedded.database import RESULTS
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.sqlite import SqliteFile
from tuppence.adapters.embedded.workers import Workers
from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.ledger import WorkItem


def test_an_empty_store_has_nothing_to_run(tuppence: Run, rules: Path, tmp_path: Path) -> None:
    FactStore.create(tmp_path / "empty", Schema())
    command = ("run", "--store", "empty", "--rules", rules, "--as-of", "2026-01-01")
    assert "there are no customers in this store" in tuppence(*command, status=1).stderr


def test_broken_rules_stop_a_run_before_it_begins(tuppence: Run, store: Path, rules: Path) -> None:
    (rules / "bad.yaml").write_text(RULE.replace("total(", "totl("))
    command = ("run", "--store", store, "--rules", rules, "--as-of", "2026-06-30")
    text = tuppence(*command, status=1).stderr
    assert "there is no function totl" in text
    assert "is defined in" in text
    assert not (store / "results.sqlite").exists()


@pytest.mark.parametrize("damage", ["text", "cut", "row"])
def test_a_damaged_database_is_named(tuppence: Run, ran: Path, rules: Path, damage: str) -> None:
    path = ran / "results.sqlite"
    if damage == "text":
        path.write_text("this is not a database, and it is long enough to be looked at closely" * 9)
    elif damage == "cut":
        data = path.read_bytes()
        path.write_bytes(data[:100] + bytes(len(data) - 100))
    else:
        with SqliteFile(path, RESULTS) as file:  # which writes the checksum of the page
            file.connection.execute("UPDATE results SET packed = x'c1'")
    text = tuppence("results", "--store", ran, status=1).stderr
    assert "error[store.corrupt]" in text
    assert "results.sqlite" in text
    if damage == "row":  # a run that writes new results beside it reports it, too
        again = ("run", "--store", ran, "--rules", rules, "--as-of", "2026-07-01")
        text = tuppence(*again, status=1).stderr
        assert "results of customer ann are damaged" in text


def test_a_database_of_another_format_is_refused(tuppence: Run, ran: Path) -> None:
    with SqliteFile(ran / "results.sqlite", RESULTS) as file:
        file.connection.pragma("user_version", 1)
    text = tuppence("results", "--store", ran, status=1).stderr
    assert "error[store.format]" in text
    assert "of format 1, and this version reads 4" in text


def test_a_run_stops_on_a_full_disk_and_can_be_resumed(
    tuppence: Run, store: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that may not grow behaves as on a full disk."""
    command = ("run", "--store", store, "--rules", rules, "--as-of", "2026-06-30", "--processes", 1)
    tuppence("run", "--store", store, "--rules", rules, "--as-of", "2026-06-29")
    before = tuppence("results", "--store", store, "--format", "json").stdout
    (rules / "long.yaml").write_text(
        RULE.replace("id: fees", "id: long").replace(
            "fees: total", "fees: string join(for i in 1..9999 return string(i))\n  sum_: total"
        ).replace("| money", "")
    )  # fmt: skip
    connect = SqliteFile._connect

    def connect_to_full_disk(file: SqliteFile, *, read_only: bool) -> apsw.Connection:
        connection = connect(file, read_only=read_only)
        connection.pragma("max_page_count", connection.pragma("page_count"))
        return connection

    monkeypatch.setattr(SqliteFile, "_connect", connect_to_full_disk)
    text = tuppence(*command, status=1).stderr
    assert "error[store.disk]" in text
    assert "full" in text
    assert tuppence("results", "--store", store, "--format", "json").stdout == before
    monkeypatch.undo()
    tuppence(*command)
    assert "long" in tuppence("results", "--store", store).stdout


def test_a_run_is_of_today_by_default(
    tuppence: Run, store: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuppence.cli.output.today", lambda: datetime.date(2026, 6, 21))
    done = tuppence("run", "--store", store, "--rules", rules)
    assert "1 rule as of 2026-06-21" in done.stdout
    assert "newest transaction" not in done.stderr
    monkeypatch.setattr("tuppence.cli.output.today", lambda: datetime.date(2026, 8, 1))
    told = tuppence("run", "--store", store, "--rules", rules).stderr
    assert re.search(r"newest transaction is of 2026-06-(\d\d), .*--as-of 2026-06-\1", told)


def test_a_run_with_fewer_rules_says_what_it_removes(
    tuppence: Run, ran: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rules / "fees.yaml").write_text(RULE.replace("id: fees", "id: other"))
    command = ("run", "--store", ran, "--rules", rules, "--as-of", "2026-06-30")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    declined = tuppence(*command, status=1).stderr
    assert "removes the results of a rule of the last run that is not in --rules: fees" in declined
    assert "error[run.declined]: nothing was changed" in declined
    assert "fees" in tuppence("results", "--store", ran).stdout
    told = tuppence(*command, "--yes").stderr
    assert "removes the results of a rule of the last run" in told
    (kept,) = tuppence("results", "--store", ran, "--format", "json").stdout.splitlines()
    assert json.loads(kept)["rule_id"] == "other"
    assert "removes" not in tuppence(*command).stderr


def test_a_run_that_nobody_watches_says_what_it_removes(
    tuppence: Run, ran: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    command = ("run", "--store", ran, "--rules", rules, "--as-of", "2026-06-30", "--format", "json")
    (rules / "fees.yaml").write_text(RULE.replace("id: fees", "id: other"))
    told = tuppence(*command).stderr
    assert "removes the results of a rule of the last run that is not in --rules: fees" in told
    for path in (ran / "rulesets").glob("*"):
        path.unlink()
    (rules / "fees.yaml").write_text(RULE.replace("id: fees", "id: third"))
    assert "which ones is not known: there is no ruleset" in tuppence(*command).stderr


def test_a_run_tells_of_words_that_find_nobody(tuppence: Run, store: Path, rules: Path) -> None:
    (rules / "fees.yaml").write_text(RULE.replace('"bank fee" and', '"bank fees" and'))
    command = ("run", "--store", store, "--rules", rules, "--as-of", "2026-06-30")
    told = tuppence(*command).stderr
    assert 'no category is "bank fees", so the comparison is the same for everybody' in told
    assert 'did you mean "bank fee"?' in told


def test_a_rule_finds_nobody_outside_its_validity(tuppence: Run, store: Path, rules: Path) -> None:
    command = ("run", "--store", store, "--rules", rules, "--processes", 1)
    (rules / "fees.yaml").write_text(RULE + "valid_from: 2026-06-10\nvalid_until: 2026-06-20\n")
    for date, state in (
        ("2026-06-09", "not_qualified"),
        ("2026-06-10", "qualified"),
        ("2026-06-20", "qualified"),
        ("2026-06-21", "not_qualified"),
    ):
        tuppence(*command, "--as-of", date)
        found = json.loads(tuppence("results", "--store", store, "--format", "json").stdout)
        assert (date, found["state"]) == (date, state)
        feed = json.loads(tuppence("feed", "ann", "--store", store, "--format", "json").stdout)
        assert feed == [], "today, too, the rule is not valid any more"
    text = tuppence("explain", "ann", "fees", "--store", store).stdout
    assert "the rule or its approval is not valid on 2026-06-21" in text


def test_damaged_facts_are_named(tuppence: Run, ran: Path) -> None:
    victim = next((ran / "facts").glob("*/transactions.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    for command in (["store", "check"], ["explain", "ann", "fees"]):
        text = tuppence(*command, "--store", ran, status=1).stderr
        assert "error[store.corrupt]" in text


def test_damage_found_by_another_process_is_reported_here(store: Path, rules: Path) -> None:
    ruleset = make_ruleset(read_rules(rules, Schema()).usable())
    engine = Engine(make_plan(ruleset, Date(20_000), Schema()))
    items = Workers(store, FactStore(store).digest, {}).evaluator(engine, 1)
    victim = next((store / "facts").glob("*/transactions.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(UserError) as raised:
        list(items([WorkItem("p00000", 0, 1)]))
    assert raised.value.code == "store.corrupt"


def test_facts_that_change_under_a_run_stop_it(store: Path, rules: Path) -> None:
    ruleset = make_ruleset(read_rules(rules, Schema()).usable())
    engine = Engine(make_plan(ruleset, Date(20_000), Schema()))
    items = Workers(store, "another digest", {}).evaluator(engine, 1)
    with pytest.raises(UserError, match="the facts were changed during the run"):
        list(items([WorkItem("p00000", 0, 1)]))
