"""Checks definitions in PostgreSQL: their states, who may change them, and their audit log."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest
from local.servers import PATIENCE
from tests.building import ROOT, RULES
from tests.conftest import Run
from tests.database import DATE, client, pool_of, reader

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.definitions import Definitions
from tuppence.bootstrap.database import call_convert, migrate_database
from tuppence.facts.schema import Schema
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.editions import Edition
from tuppence.usecases.fleet.listing import resolve_date
from tuppence.usecases.fleet.messages import Start, day_number

Ask = Callable[..., list[tuple[object, ...]]]
CATALOGUE = ROOT / "catalogue"


@pytest.fixture
def desk(login: Callable[..., str], tuppence: Run) -> Run:
    """Return the commands about definitions, run on the database with one of its logins."""
    people = {
        "ann": login("ann", "author", "reviewer"),
        "bob": login("bob", "author", "reviewer"),
    }

    def run(*arguments: object, status: int = 0, by: str = "ann") -> object:
        command, *others = arguments
        reason = ("--reason", "because") if command in {"put", "move", "approve"} else ()
        options = ("--database", people[by], *reason)
        return tuppence("definitions", command, *others, *options, status=status)

    return run  # type: ignore[return-value]


def read(desk: Run, *rules: str) -> list[str]:
    """Return the arguments with which `definitions approve` approves what is in review now."""
    shown = msgspec.json.decode(desk("review", *rules, "--format", "json").stdout)
    return [f"{one['rule_id']}:{one['version']}:{one['digest']}" for one in shown]


def test_the_catalogue_goes_into_the_database_and_back(desk: Run, tmp_path: Path) -> None:
    done = desk("put", CATALOGUE)
    assert f"{RULES} new drafts, 0 unchanged" in done.stdout
    assert f"0 new drafts, {RULES} unchanged" in desk("put", CATALOGUE).stdout
    desk("get", "back")
    there, back = (
        make_ruleset(read_rules(path, Schema()).usable()) for path in (CATALOGUE, tmp_path / "back")
    )
    assert back.content == there.content
    tests = {rule.rule.id: rule.rule.tests for rule in there.rules}
    assert {rule.rule.id: rule.rule.tests for rule in back.rules} == tests
    assert "0 new drafts" in desk("put", "back").stdout
    assert "not empty" in desk("get", "back", status=1).stderr


def test_drafts_are_checked_as_files_are(desk: Run, tmp_path: Path) -> None:
    text = (CATALOGUE / "bank_fees.yaml").read_text()
    path = tmp_path / "fees.yaml"
    path.write_text(text.replace('category = "bank fee"', 'category = "bank fees"'))
    done = desk("put", path)
    assert "1 new drafts" in done.stdout
    assert 'warning[rule.word]: no category is "bank fees"' in done.stderr
    approval = "approval: {by: A Firm, date: 2999-01-01, reference: '1'}\n"
    path.write_text(text.replace("topic: fees\n", f"topic: fees\n{approval}"))
    refused = desk("put", path, status=1).stderr
    assert "error[rule.validity]: the approval is of 2999-01-01" in refused
    assert "bank_fees" in desk("list").stdout
    history = msgspec.json.decode(desk("history", "bank_fees", "--format", "json").stdout)
    assert len(history) == 1


def test_a_definition_lives_from_draft_to_retired(desk: Run, rows_of: Ask) -> None:
    desk("put", CATALOGUE / "bank_fees.yaml")
    refused = desk("move", "bank_fees", "--to", "approved", by="bob", status=1)
    assert "names the version and the digest" in refused.stderr
    refused = desk("approve", f"bank_fees:1:{'0' * 64}", by="bob", status=1)
    assert "bank_fees (version 1): the definition has changed since" in refused.stderr
    refused = desk("review", "bank_fees", status=1)
    assert "bank_fees is draft, not in review" in refused.stderr
    desk("move", "bank_fees", "--to", "in_review")
    shown = desk("review", by="bob").stdout
    assert "# bank_fees: version 2, changed by ann" in shown
    assert "title: Bank fees were charged" in shown
    (words,) = [line.split() for line in shown.splitlines() if "definitions approve" in line]
    refused = desk("approve", words[3], status=1)
    assert "a login that has changed a definition since its last approval may not" in refused.stderr
    desk("approve", words[3], by="bob")
    desk("move", "bank_fees", "--to", "retired", by="bob")
    history = [
        line.split()[:2] + line.split()[3:4]
        for line in desk("history", "bank_fees").stdout.splitlines()[2:]
    ]
    assert [row for row in history if row and row[0].isdigit()] == [
        ["1", "draft", "ann"],
        ["2", "in_review", "ann"],
        ["3", "approved", "bob"],
        ["4", "retired", "bob"],
    ]
    log = rows_of("SELECT subject, action, object, reason FROM tuppence.audit_log ORDER BY number")
    assert log == [
        ("ann", "draft", "bank_fees 1", "because"),
        ("ann", "in_review", "bank_fees 2", "because"),
        ("bob", "approved", "bank_fees 3", "because"),
        ("bob", "retired", "bank_fees 4", "because"),
    ]
    assert "no definition nope" in desk("history", "nope", status=1).stderr
    assert "no definition nope" in desk("move", "nope", "--to", "draft", status=1).stderr


def test_a_step_of_several_rules_is_taken_by_all_or_none(desk: Run, rows_of: Ask) -> None:
    desk("put", CATALOGUE)
    desk("move", "bank_fees", "--to", "in_review")
    desk("move", "cash_share", "bank_fees", "--to", "in_review", status=1)
    assert rows_of("SELECT count(*) FROM tuppence.definitions") == [(RULES + 1,)]


def test_a_rule_stays_in_force_until_a_newer_draft_is_approved(
    desk: Run, rows_of: Ask, tmp_path: Path
) -> None:
    shutil.copy(CATALOGUE / "bank_fees.yaml", tmp_path / "bank_fees.yaml")
    desk("put", "bank_fees.yaml")
    desk("move", "bank_fees", "--to", "in_review")
    desk("approve", *read(desk), by="bob")
    text = (tmp_path / "bank_fees.yaml").read_text()
    later = text.replace("kind: saving", "kind: saving\nvalid_from: 2999-01-01")
    (tmp_path / "bank_fees.yaml").write_text(later)
    desk("put", "bank_fees.yaml")
    query = "SELECT version FROM tuppence.rules_in_force"
    assert rows_of(query) == [(3,)]
    (row,) = msgspec.json.decode(desk("list", "--format", "json").stdout)
    assert (row["state"], row["in_force"], row["status"]) == ("draft", 3, "active")
    desk("move", "bank_fees", "--to", "in_review")
    desk("approve", *read(desk), by="bob")
    assert rows_of(query) == [(6,)]
    (row,) = msgspec.json.decode(desk("list", "--format", "json").stdout)
    assert row["status"] == "scheduled"


def test_the_relay_gives_rules_with_a_number_that_each_decision_raises(
    desk: Run, database: str
) -> None:
    def given() -> tuple[list[str], int]:
        with client(pool_of(reader(database), 1, PATIENCE)) as relay:
            answer = relay.get("/v1/rules", params={"as_of": str(DATE)}).json()
        return [one["rule_id"] for one in answer["rules"]], answer["versions"]

    assert given() == ([], 0)
    for name in ("bank_fees", "cash_share"):
        desk("put", CATALOGUE / f"{name}.yaml")
    desk("move", "bank_fees", "cash_share", "--to", "in_review")
    assert given() == ([], 4)
    desk("approve", *read(desk), by="bob")
    assert given() == (["bank_fees", "cash_share"], 6)
    desk("move", "bank_fees", "--to", "retired", by="bob")
    assert given() == (["cash_share"], 7)
    (one,), edition = Definitions(database).in_force(DATE)
    assert (one.id, edition) == ("cash_share", Edition(7, str(DATE)))
    desk("move", "cash_share", "--to", "retired", by="bob")
    assert given() == ([], 8)
    assert Definitions(database).in_force(DATE) == ([], Edition(8, str(DATE)))


def test_invalid_rules_are_refused(desk: Run, rows_of: Ask, tmp_path: Path) -> None:
    text = (CATALOGUE / "bank_fees.yaml").read_text()
    (tmp_path / "bad.yaml").write_text(text.replace("category =", "catgory ="))
    assert "catgory" in desk("put", "bad.yaml", status=1).stderr
    assert rows_of("SELECT count(*) FROM tuppence.definitions") == [(0,)]


FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:tuppence-test-convert"
AURORA = """
    CREATE SCHEMA aws_lambda;
    CREATE TABLE aws_lambda.calls (number serial, function text, payload json, way text);
    CREATE FUNCTION aws_lambda.invoke(function text, payload json, region text, way text)
    RETURNS void LANGUAGE sql AS $$
        INSERT INTO aws_lambda.calls (function, payload, way)
        SELECT function, payload, region || ' ' || way
        WHERE 0 < 1 / (SELECT count(*) FROM pg_tables WHERE tablename = 'reachable')
    $$;
    CREATE TABLE aws_lambda.reachable ();
"""
"""A stand-in for Aurora's extension, which fails where the last table is missing."""


@pytest.fixture
def aurora(database: str, rows_of: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(AURORA)
    text = load_query("call_convert")
    without = text.replace("CREATE EXTENSION IF NOT EXISTS aws_lambda CASCADE;", "")
    assert without != text
    monkeypatch.setattr("tuppence.adapters.postgres.migrating.load_query", lambda _: without)
    call_convert(database, FUNCTION)
    call_convert(database, FUNCTION)  # repeating it changes nothing


@pytest.mark.usefixtures("aurora")
def test_aurora_calls_the_function_when_a_rule_is_approved_or_retired(
    desk: Run, rows_of: Ask
) -> None:
    calls = "SELECT function, payload ->> 'scheduled', way FROM aws_lambda.calls"
    desk("put", CATALOGUE / "bank_fees.yaml")
    desk("move", "bank_fees", "--to", "in_review")
    assert rows_of(calls) == []
    desk("approve", *read(desk), by="bob")
    ((function, scheduled, way),) = rows_of(calls)
    assert (function, way) == (FUNCTION, "eu-west-1 Event")
    day = resolve_date(Start(scheduled=str(scheduled)), datetime.UTC)
    assert abs(day.day - day_number(datetime.datetime.now(tz=datetime.UTC).date())) <= 1
    desk("move", "bank_fees", "--to", "retired", by="bob")
    assert len(rows_of(calls)) == 2


@pytest.mark.usefixtures("aurora")
def test_many_rules_that_are_approved_together_are_published_once(desk: Run, rows_of: Ask) -> None:
    names = ("bank_fees", "low_balance", "pay_arrived")
    for name in names:
        desk("put", CATALOGUE / f"{name}.yaml")
    desk("move", *names, "--to", "in_review")
    desk("approve", *read(desk), by="bob")
    assert rows_of("SELECT count(*) FROM aws_lambda.calls") == [(1,)]
    desk("move", *names, "--to", "retired", by="bob")
    assert rows_of("SELECT count(*) FROM aws_lambda.calls") == [(2,)]


@pytest.mark.usefixtures("aurora")
def test_a_rule_is_approved_though_the_function_cannot_be_called(desk: Run, rows_of: Ask) -> None:
    rows_of("DROP TABLE aws_lambda.reachable")
    desk("put", CATALOGUE / "bank_fees.yaml")
    desk("move", "bank_fees", "--to", "in_review")
    desk("approve", *read(desk), by="bob")
    assert rows_of("SELECT state FROM tuppence.rules_in_force") == [("approved",)]
    assert rows_of("SELECT * FROM aws_lambda.calls") == []


def test_a_database_that_cannot_call_functions_says_so(database: str, tuppence: Run) -> None:
    asked = ("database", "migrate", "--database", database, "--convert")
    assert "aws_lambda" in tuppence(*asked, FUNCTION, status=1).stderr
    assert "not the ARN of a function" in tuppence(*asked, "convert", status=1).stderr


BEFORE = """
INSERT INTO tuppence.definitions (rule_id, version, before, state, document, editor, author, reason)
VALUES ('fees', 1, '', 'draft', '{"id": "fees"}', '', 'ann', 'first'),
    ('fees', 2, '', 'in_review', '{"id": "fees"}', '', 'ann', 'look'),
    ('fees', 3, '', 'draft', '{"id": "fees"}', '', 'bob', 'no'),
    ('fees', 4, '', 'draft', '{"id": "fees", "topic": "x"}', '', 'ann', 'second'),
    ('fees', 5, '', 'in_review', '{"id": "fees", "topic": "x"}', '', 'ann', 'look')
"""


def test_old_definitions_get_identities_from_the_audit_log_and_can_be_downgraded(
    empty_database: Callable[[], str],
) -> None:
    url = empty_database()
    migrate_database(url, "0003")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(BEFORE)
        for _ in range(2):
            migrate_database(url)
            query = "SELECT version, issuer, subject, edited FROM tuppence.definitions ORDER BY 1"
            assert owner.execute(query).fetchall() == [
                (version, "postgresql", "owner", version in {1, 4}) for version in range(1, 6)
            ]
            query = "SELECT object, subject FROM tuppence.audit_log WHERE number = 5"
            assert owner.execute(query).fetchall() == [("fees 5", "owner")]
            migrate_database(url, "0003")
            query = "SELECT version, editor, author FROM tuppence.definitions ORDER BY version"
            assert owner.execute(query).fetchall()[2:] == [
                (3, "ann", "bob"),
                (4, "ann", "ann"),
                (5, "ann", "ann"),
            ]
        owner.execute(
            "INSERT INTO tuppence.definitions (rule_id, version, before, state, document, editor,"
            " author, reason) SELECT rule_id, 6, '', 'approved', document, '', 'bob', 'right'"
            " FROM tuppence.definitions WHERE version = 5"
        )
