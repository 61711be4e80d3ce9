"""The feed as a process over PostgreSQL, for people with one insight each."""

import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
from local.servers import Server, free_port
from tests.building import rule
from tests.commands import command

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.bootstrap.database import make_login
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, State, packed
from tuppence.rules.ruleset import make_ruleset

TUPPENCE: Final = (sys.executable, "-m", "tuppence")
_PEOPLE: Final = """
WITH people AS (
    INSERT INTO tuppence.customers (id, currency) SELECT unnest(%s::text[]), 'GBP' RETURNING id
), connected AS (
    INSERT INTO tuppence.connections (customer_id, id, provider)
    SELECT id, 'c ' || id, 'bank' FROM people RETURNING id, customer_id
)
INSERT INTO tuppence.consents
    (customer_id, connection_id, purpose, scope, granted_on, jurisdiction)
SELECT customer_id, id, 'insights', '{transactions}', current_date - 5, 'GB' FROM connected
"""


def feed_process(url: str, folder: Path, *people: str) -> Server:
    """Return a service that is not started yet, with its keys in the file `feed.keys` of a folder.

    Args:
        url: The owner's address of a migrated database, to which the people are added.
        folder: Results, rulesets, keys and the log of the service.
        people: The people.
    """
    with psycopg.connect(url) as connection:
        connection.execute(_PEOPLE, [[*people]])
    make_login(url, "feed", "pass", ["feed"])
    results, rulesets = folder / "results.sqlite", folder / "rulesets"
    keep_insight(results, rulesets, datetime.now(UTC).date(), *people)
    keys, port = folder / "feed.keys", free_port()
    command("serve", "key", "first", "--keys", keys)
    parts = ("--keys", keys, "--results", results, "--rulesets", rulesets, "--port", port)
    login = f"postgresql://feed:pass@{url.partition('@')[2]}"
    words = [*TUPPENCE, "serve", "feed", *map(str, parts)]
    return Server(words, port, folder / "log", {"TUPPENCE_DATABASE": login})


def keep_insight(results: Path, rulesets: Path, day: date, *people: str) -> None:
    """Keep a ruleset, and the result of its one rule for people, as a night of that day would."""
    ruleset = make_ruleset([rule("true", name="always")])
    RulesetDirectory(rulesets).put(ruleset)
    since = (day - date(1970, 1, 1)).days
    data = pack([packed(Result("always", State.QUALIFIED, Decimal(1), {}, since))])
    layout = Layout(ruleset.digest, (("always", ()),))
    with Database(results, write_ahead=True) as database:
        database.put([CustomerResults(name, since, layout, data) for name in people])


def batch(feed: dict[str, Any], names: Sequence[str] = ()) -> dict[str, Any]:
    """Return a batch of events about the first item of a feed, five of them if not named."""
    now = datetime.now(UTC).isoformat()
    item, view = feed["items"][0]["id"], feed["view"]["id"]
    return {
        "events": [
            {"id": name, "kind": "seen", "item": item, "view": view, "at": now}
            for name in names or [uuid.uuid4().hex for _ in range(5)]
        ],
        "receipts": [feed["view"]["receipt"]],
    }


def crash(*servers: Server) -> None:
    """Kill servers at once, and start them again, the last one first."""
    for server in servers:
        server.kill()
    for server in reversed(servers):
        server.start()
