"""Log lines: their fields, and what they never quote."""

import io
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.commands import command

from tuppence import logs

PERSON = "C0000007"


def record(name: str, text: str, **fields: Any) -> logging.LogRecord:
    values = {"name": name, "msg": text, "levelname": "INFO", "created": 1_764_495_000.25}
    return logging.makeLogRecord(values | fields)


def formatted(entry: logging.LogRecord) -> dict[str, Any]:
    line = logs.JsonLines("rules-engine").format(entry)
    assert "\n" not in line
    assert line.isascii()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_a_line_has_time_level_service_event_and_the_fields_of_its_event() -> None:
    logs.begin("abc")
    logs.bind(run_id="night")
    assert formatted(record("tuppence.services", "request", status=200, duration=0.5)) == {
        "time": "2025-11-30T09:30:00.250Z",
        "level": "INFO",
        "service": "rules-engine",
        "event": "request",
        "request_id": "abc",
        "run_id": "night",
        "status": 200,
        "duration": 0.5,
    }


def test_a_new_request_has_no_field_of_the_one_before() -> None:
    logs.begin("first")
    logs.bind(run_id="night")
    logs.begin("second")
    line = formatted(record("tuppence", "request"))
    assert (line["request_id"], "run_id" in line) == ("second", False)


def test_an_exception_is_logged_by_its_classes_and_places_without_its_messages() -> None:
    try:
        try:
            dict[str, str]()[PERSON]
        except KeyError as error:
            raise RuntimeError(f"no facts of {PERSON}") from error
    except RuntimeError:
        line = formatted(
            record("uvicorn.error", "Exception in ASGI app\n", exc_info=sys.exc_info())
        )
    assert line["error"] == ["RuntimeError", "KeyError"]
    assert [place.partition(":")[0] for place in line["stack"]] == ["unit/test_logs.py"] * 2
    assert line["event"] == "Exception in ASGI app"
    assert PERSON not in json.dumps(line)


@pytest.mark.parametrize("name", ["asyncio", "httpx2", "psycopg.pool", "root"])
def test_texts_of_libraries_are_left_out(name: str) -> None:
    line = formatted(record(name, f"GET /v1/customers?after={PERSON}", filename="x.py", lineno=3))
    assert (line["event"], line["logger"], line["place"]) == (
        "message of a library",
        name,
        "x.py:3",
    )
    assert PERSON not in json.dumps(line)


def test_characters_that_change_a_terminal_and_lone_surrogates_are_escaped() -> None:
    line = formatted(record("tuppence", "request", caller="a\x1b[2J\n\u202e\ud800"))
    assert line["caller"] == "a\x1b[2J\n\u202e\ud800"


def test_a_process_writes_its_own_lines_and_warnings_of_libraries_only() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.write_logs("sql-relay", stream)
        logging.getLogger("tuppence.services").info("ready")
        logging.getLogger("httpx2").info("HTTP Request: GET /v1/customers")
        logging.getLogger("httpx2").warning("a warning")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("tuppence").setLevel(logging.NOTSET)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["ready", "message of a library"]


def test_a_customer_has_a_pseudonym_where_the_log_has_a_key_and_no_name_otherwise() -> None:
    logs.begin("abc")
    logs.bind_customer(PERSON)
    entry = record("tuppence", "request")
    with_key = json.loads(logs.JsonLines("rules-engine", "key").format(entry))
    assert with_key["customer"] == logs.pseudonym("key", PERSON) != logs.pseudonym("other", PERSON)
    without = logs.JsonLines("rules-engine").format(entry)
    assert PERSON not in without
    assert "customer" not in json.loads(without)


def test_a_command_leaves_the_log_of_the_tests_as_it_was(tmp_path: Path) -> None:
    """Else the next test of the process would write to what the command wrote to."""
    before = logging.getLogger().handlers[:]
    where = ("--store", tmp_path / "none", "--rules", tmp_path / "rules")
    command("serve", "console", *where, status=1)
    assert logging.getLogger().handlers == before
