"""Runs the program as people use it: its output, and its messages when something is wrong."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.building import ROOT, RULES, bank, day
from tests.conftest import Run
from tests.e2e.conftest import RULE
from tests.program import program

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.facts.schema import COLLECTIONS, Schema


def test_help_has_an_example_for_every_command(tuppence: Run) -> None:
    assert "insights" in tuppence("--help").stdout
    for command in (
        ["schema"], ["synth"], ["import", "csv"], ["rules", "check"], ["rules", "test"],
        ["rules", "schema"], ["rules", "preview"], ["catalogue"], ["plan"], ["run"], ["results"],
        ["feed"], ["explain"], ["feel"],
        ["store", "check"], ["store", "compact"],
    ):  # fmt: skip
        text = tuppence(*command, "--help").stdout
        assert f"Example: tuppence {' '.join(command)}" in " ".join(text.split()), command


def test_schema_lists_all_fields(tuppence: Run, tmp_path: Path) -> None:
    text = tuppence("schema").stdout
    assert "booking date" in text
    assert max(map(len, text.splitlines())) <= 100
    (tmp_path / "more.yaml").write_text("attributes: [{name: tier, type: text, doc: Of service.}]")
    document = json.loads(
        tuppence("schema", "--attributes", "more.yaml", "--format", "json").stdout
    )
    assert set(document) == {"customer", *COLLECTIONS}
    assert [f["name"] for f in document["customer"]["fields"]][-1] == "tier"


def test_catalogue_lists_every_insight_with_what_a_customer_reads(tuppence: Run) -> None:
    text = tuppence("catalogue", ROOT / "catalogue").stdout
    assert f"{RULES} insights" in text
    assert max(map(len, text.splitlines())) <= 100
    insights = json.loads(tuppence("catalogue", ROOT / "catalogue", "--format", "json").stdout)
    assert len(insights) == RULES
    for insight in insights:
        assert insight["description"], insight["id"]
        assert insight["example"]["title"], insight["id"]
        assert insight["example"]["body"], insight["id"]


def test_import_counts_and_sets_bad_rows_aside(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("Id,Date,Amount\n1,2026-06-01,-5\n2,2026-13-01,1\n3,x,y\n")
    (tmp_path / "bank.yaml").write_text(
        "table: transactions\ncolumns: {id: Id, booking date: Date, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    command = ("import", "csv", "bank.csv", "--mapping", "bank.yaml", "--store", "money")
    text = tuppence(*command).stdout
    assert "bank.csv" in text
    assert " 3     1         0           0   2" in text
    text = (tmp_path / "money/rejects/bank.csv.rejects.csv").read_text()
    rejects = list(csv.DictReader(io.StringIO(text)))
    assert [(r["row"], r["Id"]) for r in rejects] == [("2", "2"), ("3", "3")]
    assert " 3     0         0           1   2" in tuppence(*command).stdout
    (tmp_path / "bank.csv").write_text("Id,Date,Amount\n1,2026-06-01,-5\n")
    tuppence(*command)
    assert (tmp_path / "money/rejects/bank.csv.rejects.csv").read_text() == text, "not read again"
    (tmp_path / "bank.csv").write_text("Id,Date,Amount\n1,soon,-5\n")
    failed = tuppence(*command, status=1).stderr
    assert (
        "error[import.all-rejected]: bank.csv: all 1 rows were rejected; row 1: booking" in failed
    )
    tuppence(*command[:-2], "--store", "money", "--today", "2026-05-01", status=1)


def test_synth_makes_a_store_once(tuppence: Run, tmp_path: Path) -> None:
    command = ("synth", "--customers", 20, "--months", 1, "--store", tmp_path / "s")
    assert "20 customers with" in tuppence(*command).stdout
    assert "there are customers in this store already" in tuppence(*command, status=1).stderr
    assert "whole" in tuppence("store", "check", "--store", tmp_path / "s").stdout
    assert "compacted" in tuppence("store", "compact", "--store", tmp_path / "s").stdout


def test_rules_are_checked_and_tested(tuppence: Run, rules: Path) -> None:
    assert "1 rule, 0 errors, 0 warnings" in tuppence("rules", "check", rules).stdout
    assert "none of the rules has a test" in tuppence("rules", "test", rules, status=1).stderr
    customer = "{name: none, expect: qualified}"
    (rules / "fees.yaml").write_text(RULE + f"tests: [{customer}]\n")
    text = tuppence("rules", "test", rules, status=1).stdout
    assert "fees: none\n    expected qualified, and it is not_qualified" in text
    found = json.loads(tuppence("rules", "test", rules, "--format", "json", status=1).stdout)
    assert found[0]["passed"] is False
    (rules / "fees.yaml").write_text(RULE.replace("payments", "paymets"))
    text = tuppence("rules", "check", rules, status=1).stdout
    assert "there is no paymets here" in text
    assert "1 rule, 2 errors, 0 warnings" in text
    found = json.loads(tuppence("rules", "check", rules, "--format", "json", status=1).stdout)
    assert found[0]["range"]["start"] == {"line": 4, "character": 12}
    assert found[0]["range"]["end"] == {"line": 4, "character": 19}
    assert (found[0]["code"], found[0]["severity"]) == ("feel.unknown-name", 1)
    assert json.loads(tuppence("rules", "schema").stdout)["$ref"] == "#/$defs/Definition"


def test_a_run_reports_what_it_did(tuppence: Run, store: Path, rules: Path) -> None:
    command = ("run", "--store", store, "--rules", rules, "--as-of", "2026-06-30")
    text = tuppence(*command).stdout
    for part in ("1 rule as of 2026-06-30", "customers", "qualified", "unknown", "changed"):
        assert part in text
    (rules / "bad.yaml").write_text(
        RULE.replace("id: fees", "id: bad").replace("total(payments[", "sum(receipts[")
    )
    text = tuppence(*command).stdout
    assert "the left side of > is null (feel.null-operand)" in text


def test_results_come_in_every_format(tuppence: Run, ran: Path, tmp_path: Path) -> None:
    text = tuppence("results", "--store", ran).stdout
    assert "fees" in text
    assert ", as of 2026-06-30" in text
    rows = list(
        csv.DictReader(io.StringIO(tuppence("results", "--store", ran, "--format", "csv").stdout))
    )
    assert rows == [
        {
            "customer_id": "ann", "rule_id": "fees", "state": "qualified", "score": "40.0000",
            "values": "{fees: 12.5}", "since": "2026-06-30", "ruleset": rows[0]["ruleset"],
            "as_of": "2026-06-30",
        }
    ]  # fmt: skip
    line = tuppence("results", "--store", ran, "--format", "json", "--customer", "ann").stdout
    assert json.loads(line)["values"] == {"fees": 12.5}
    command = ("results", "--store", ran, "--format", "parquet")
    assert "parquet is not for the screen" in tuppence(*command, status=1).stderr
    tuppence(*command, "--output", "r.parquet")
    frame = pl.read_parquet(tmp_path / "r.parquet")
    assert frame.select("rule_id", "state").rows() == [("fees", "qualified")]
    tuppence("results", "--store", ran, "--format", "csv", "--output", "r.csv", "--limit", 1)
    assert (tmp_path / "r.csv").read_text().count("\n") == 2
    tuppence("results", "--store", ran, "--output", "r.txt")
    assert "fees" in (tmp_path / "r.txt").read_text()


def test_a_feed_reads_like_a_person_wrote_it(tuppence: Run, ran: Path) -> None:
    text = tuppence("feed", "ann", "--store", ran).stdout
    assert "£12.50 in fees" in text
    entries = json.loads(tuppence("feed", "ann", "--store", ran, "--format", "json").stdout)
    assert [(e["rule_id"], e["title"]) for e in entries] == [("fees", "£12.50 in fees")]


def test_a_feed_marks_what_came_changed_and_went_since_the_run_before(
    tuppence: Run, store: Path, rules: Path
) -> None:
    """A payment is booked between two runs: one amount changes, and one insight comes."""
    any_payment = RULE.replace('category = "bank fee" and ', "")
    texts = {
        "fees": RULE,
        "spent": any_payment.replace('[category = "bank fee"]', ""),
        "many": any_payment.replace("> 5", "> 15"),
        "brief": RULE.replace("> 5", "> 6").replace("P30D", "P16D"),
    }
    for name, text in texts.items():
        (rules / f"{name}.yaml").write_text(text.replace("id: fees", f"id: {name}"))
    run = ("run", "--store", store, "--rules", rules, "--as-of")
    feed = ("feed", "ann", "--new", "--store", store)
    tuppence(*run, "2026-06-16")
    assert "There is no run before the last one to compare with." in tuppence(*feed).stdout
    first = json.loads(tuppence(*feed, "--format", "json").stdout)
    assert (first["compared_with"], first["gone"]) == (None, [])
    assert [one["rule_id"] for one in first["entries"]] == ["brief", "fees", "spent"]
    assert {one["change"] for one in first["entries"]} == {None}
    tuppence(*run, "2026-06-20")
    found = json.loads(tuppence(*feed, "--format", "json").stdout)
    assert (found["as_of"], found["compared_with"]) == ("2026-06-20", "2026-06-16")
    assert {one["rule_id"]: one["change"] for one in found["entries"]} == {
        "fees": "same",
        "many": "came",
        "spent": "changed",
    }
    spent = next(one for one in found["entries"] if one["rule_id"] == "spent")
    assert (spent["title"], spent["before"]["title"]) == ("£22.49 in fees", "£12.50 in fees")
    assert spent["before"]["values"] == {"fees": "12.5"}
    assert [(one["rule_id"], one["reason"]) for one in found["gone"]] == [
        ("brief", "not_qualified")
    ]
    text = tuppence(*feed).stdout
    assert "compared with the run before, of 2026-06-16" in text
    assert "£22.49 in fees  changed" in text
    assert "before: £12.50 in fees" in text
    assert "£12.50 in fees  new" in text
    assert "£12.50 in fees: its condition no longer holds" in text
    assert " new" not in tuppence(*feed[:2], *feed[3:]).stdout


def test_an_insight_with_a_gap_is_left_out_of_the_feed(
    tuppence: Run, ran: Path, rules: Path
) -> None:
    gap = RULE.replace("id: fees", "id: gap").replace(
        'fees: total(payments[category = "bank fee"].amount)', "fees: max(accounts.balance)"
    )
    (rules / "gap.yaml").write_text(gap.replace("> 5", "> 4"))
    tuppence("run", "--store", ran, "--rules", rules, "--as-of", "2026-06-30", "--processes", 1)
    done = tuppence("feed", "ann", "--store", ran)
    assert "£12.50 in fees" in done.stdout
    assert "left out: the message of gap cannot be written: 'fees' is undefined" in done.stderr


def test_an_explanation_shows_clauses_and_transactions(tuppence: Run, ran: Path) -> None:
    text = tuppence("explain", "ann", "fees", "--store", ran).stdout
    for part in ("Fees were charged: qualified", "true", "12.50", "1 in payments[", "2026-06-01"):
        assert part in text
    found = json.loads(
        tuppence("explain", "ann", "fees", "--store", ran, "--format", "json").stdout
    )
    assert found["state"] == "qualified"
    assert [row["amount"] for row in found["selections"][0]["rows"]] == ["12.50"]


def test_feel_evaluates_traces_and_lays_out(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"prices": [1, 2.5], "name": "Ada"}')
    (tmp_path / "c.feel").write_text('{prices: [1, 2.5], since: @"2026-01-01"}')
    for name in ("c.json", "c.feel"):
        assert tuppence("feel", "sum(prices)", "--context", name).stdout == "3.5\n"
    done = tuppence("feel", "1 / 0")
    assert done.stdout == "null\n"
    assert "feel.arithmetic: division by zero is undefined" in done.stderr
    text = tuppence("feel", "sum(prices[item > 1]) + 1", "--context", "c.feel", "--trace").stdout
    assert text.splitlines() == [
        "sum(prices[item > 1]) + 1 = 3.5",
        "  sum(prices[item > 1]) = 2.5",
        "    prices[item > 1] = [2.5]",
        "      prices = [1, 2.5]",
        "3.5",
    ]
    assert tuppence("feel", "if a then 1 else 2", "--layout").stdout == "if a then 1 else 2\n"
    text = tuppence("feel", "1 +", status=1).stderr
    assert text.startswith("1 +\n   ^\nerror[feel.syntax]: line 1, column 4: the text ends where")
    for content, message in (("{", "not JSON"), ("[1]", "does not hold names and values")):
        (tmp_path / "c.json").write_text(content)
        assert message in tuppence("feel", "1", "--context", "c.json", status=1).stderr


def test_the_prompt_keeps_names_and_history(
    tuppence: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["x := 1 + 2", "x * 2", ":trace", "x + 1", ":trace", "1 +", ":names", ":help", ""])

    def line(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", line)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    done = tuppence("feel")
    assert done.stdout.splitlines()[1:10] == [
        "3", "6", "on", "x + 1 = 4", "  x = 3", "4", "off", "x = 3",
        "An expression: its value is shown.   name := expression: the value is kept.",
    ]  # fmt: skip
    assert "the text ends where a value was expected" in done.stderr
    assert (tmp_path / "tuppence/feel_history").exists()
    lines = iter([":quit", "1"])
    assert "1\n" not in tuppence("feel").stdout.partition("ends.\n")[2]


MISTAKES = [
    (["feed", "zoe", "--store", "{ran}"], "facts.unknown-customer", "there is no customer zoe"),
    (["explain", "ann", "nope", "--store", "{ran}"], "rules.unknown", "had no rule nope"),
    (["results", "--store", "{ran}", "--customer", "zoe"], "results.none", "of customer zoe"),
    (["results", "--store", "{ran}", "--rule", "nope"], "results.none", "no results of rule nope"),
    (["results", "--store", "{store}"], "results.missing", "there are no results here"),
    (["results", "--store", "none"], "results.missing", "there are no results here"),
    (["feed", "ann", "--store", "{ran}", "--locale", "xx_YY"], "message.locale", "no locale xx_YY"),
    (["run", "--store", "none", "--rules", "{rules}", "--as-of", "2026-01-01"], "store.missing",
     "there is no store here"),
    (["run", "--store", "{store}", "--rules", "{rules}", "--as-of", "soon"], "cli.date",
     "--as-of: 'soon' is not a date"),
    (["run", "--store", "{store}", "--rules", "none", "--as-of", "2026-01-01"], "file.missing",
     "there is no such file or folder"),
    (["import", "csv", "x.csv", "--mapping", "no.yaml", "--store", "s"], "file.missing", "no.yaml"),
    (["schema", "--attributes", "no.yaml"], "file.missing", "no.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "code", "message"), MISTAKES, ids=[" ".join(m[0][:3]) for m in MISTAKES]
)
def test_a_mistake_is_reported_in_one_sentence(
    tuppence: Run,
    ran: Path,
    rules: Path,
    tmp_path: Path,
    command: list[str],
    code: str,
    message: str,
) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "facts").symlink_to(ran / "facts")
    filled = [part.format(ran=ran, store=fresh, rules=rules) for part in command]
    done = tuppence(*filled, status=1)
    assert done.stderr.startswith(f"error[{code}]: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_reader_may_leave_early(ran: Path) -> None:
    command = f"{sys.executable} -m tuppence results --store {ran} --format csv | head -1"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("customer_id,")
    assert done.stderr == ""


def test_the_quickstart_runs_through(tmp_path: Path) -> None:
    """Does what `make run` does, with fewer customers, all commands in one process."""
    (tmp_path / "program").mkdir()
    path = f"{tmp_path / 'program/venv/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CUSTOMERS": "700", "STORE": str(tmp_path / "demo")}

    def quickstart() -> str:
        script = ["/bin/sh", str(ROOT / "examples/quickstart/run.sh")]
        done = subprocess.run(script, capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    with program(tmp_path / "program", {}):
        first, again = quickstart(), quickstart()
    for part in (
        "700 customers with",
        f"{RULES} rules as of 2026-06-30",
        "bank_fees for",
        "Try next",
    ):
        assert part in first
    assert "already holds a population" in again
    assert "nothing was changed" in again


def test_a_plan_states_which_rules_fit_columns(tuppence: Run, rules: Path, store: Path) -> None:
    slow = "when: count(payments[text = merchant]) = 0 and "
    text = RULE.replace("id: fees", "id: slow").replace("when: ", slow)
    (rules / "slow.yaml").write_text(text)
    text = tuppence("plan", rules, "--explain", "--store", store).stdout
    assert "1 of 2 rules are all columns." in text
    assert "slow, when: a filter's condition combines more than one field" in text
    assert "sum of amount of transactions where" in text
    assert "lay out" in text
    assert max(map(len, text.splitlines())) <= 100
    found = json.loads(tuppence("plan", rules, "--format", "json").stdout)
    assert [rule["columns"] for rule in found["rules"]] == [True, False]
    assert found["rules"][1]["refusals"][0]["place"] == "when"


def test_a_preview_shows_whom_a_rule_would_find(tuppence: Run, ran: Path, rules: Path) -> None:
    rule = next(rules.glob("*.yaml"))
    text = tuppence("rules", "preview", rule, "--store", ran).stdout
    assert "as of 2026-06-30" in text
    assert "Among them: ann" in text
    found = json.loads(
        tuppence("rules", "preview", rule, "--store", ran, "--format", "json").stdout
    )
    assert (found["customers"], found["qualified"]) == (1, 1)
    other = rules / "other.yaml"
    other.write_text(RULE.replace("id: fees", "id: other"))
    text = tuppence("rules", "preview", other, "--store", ran).stdout
    assert "Who qualifies for it qualifies also for:" in text
    assert "would see it among the first 5 insights of their feed, 0 of them in first" in text
    assert "results of live rules" not in text
    text = tuppence("rules", "preview", rule, "--store", ran).stdout
    assert "Beside the live version 1 stay, 0 come, and 0 go." in text
    assert "The live version is there now for 1." in text
    earlier = ("--store", ran, "--as-of", "2026-06-29")
    text = " ".join(tuppence("rules", "preview", other, *earlier).stdout.split())
    assert "of 2026-06-30, another day: --as-of 2026-06-30 previews the rule on that day." in text
    FactStore(ran).append(bank([{"booking date": day("2026-06-30"), "amount": -1}], "zoe"))
    text = " ".join(tuppence("rules", "preview", other, "--store", ran).stdout.split())
    assert "over other facts or consents than those of now" in text
    assert "1 customer has no such results, and is not compared." in text
    assert "one rule is previewed at a time" in tuppence(
        "rules", "preview", rules, "--store", ran, status=1
    ).stderr  # fmt: skip


def test_a_preview_needs_a_date(tuppence: Run, store: Path, rules: Path) -> None:
    rule = next(rules.glob("*.yaml"))
    text = tuppence("rules", "preview", rule, "--store", store, status=1).stderr
    assert "give it with --as-of" in text
    command = ("rules", "preview", rule, "--store", store, "--as-of", "2026-06-30", "--live", rules)
    assert "qualify" in tuppence(*command).stdout


def test_brackets_in_names_are_not_markup(tuppence: Run, tmp_path: Path) -> None:
    """Names are printed as they are, whatever the terminal's markup would make of them."""
    rows = [
        {
            "booking date": day(f"2026-0{month}-08"),
            "amount": -999,
            "merchant": "[/] Club",
            "type": "card",
        }
        for month in (4, 5, 6)
    ]
    FactStore.create(tmp_path / "store", Schema()).append(bank(rows, "a[/]"))
    title = "Fees [/] [red]"
    text = RULE.replace("title: Fees were charged", f"title: {title}")
    text = text.replace('category = "bank fee"', 'merchant = "[/] Club"').replace("> 5", "> 0")
    text = text.replace("values:", "values:\n  shop: payments[-1].merchant")
    (tmp_path / "fees.yaml").write_text(text)
    where = ("--store", tmp_path / "store")
    as_of = ("--as-of", "2026-06-30")
    tuppence("run", *where, "--rules", tmp_path / "fees.yaml", *as_of, "--processes", 1)
    assert "a[/] on 2026-06-30" in tuppence("feed", "a[/]", *where).stdout
    explained = tuppence("explain", "a[/]", "fees", *where).stdout
    assert "fees for a[/] on 2026-06-30" in explained
    assert title in explained
    assert 'shop = "[/] Club"' in explained
    previewed = tuppence("rules", "preview", tmp_path / "fees.yaml", *where, *as_of).stdout
    assert title in previewed
    assert "Among them: a[/]" in previewed
    streams = tuppence("streams", "a[/]", *where, *as_of).stdout
    assert "a[/] on 2026-06-30" in streams
    assert "monthly" in streams
    (stream,) = json.loads(tuppence("streams", "a[/]", *where, *as_of, "--format", "json").stdout)
    assert stream["payee"] == "[/] Club"
    assert stream["next date"] == "2026-07-08"
