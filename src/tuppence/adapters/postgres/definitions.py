"""Definitions in PostgreSQL: versions, steps of their life, who took them and why."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import class_row, namedtuple_row

from tuppence.adapters.postgres.connection import connect, connect_columns, database_errors, named
from tuppence.adapters.postgres.facts import read_schema
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.definition import Definition, document_of


class Stored(NamedTuple):
    """The newest version of a definition.

    Attributes:
        rule_id: Of the rule.
        version: Its number.
        state: draft, in_review, approved or retired.
        document: JSON, as a rule file has it.
        valid_from: First day on which it may be published; None for at once.
        valid_until: Last day; None for good.
        editor: Who last changed the document.
        author: Who made this version.
        reason: Why.
        at: When.
        version_in_force: The approved version that is published; None where there is none.
    """

    rule_id: str
    version: int
    state: str
    document: str
    valid_from: datetime.date | None
    valid_until: datetime.date | None
    editor: str
    author: str
    reason: str
    at: datetime.datetime
    version_in_force: int | None

    @property
    def definition(self) -> Definition:
        """What the document says."""
        return msgspec.json.decode(self.document, type=Definition)

    def status(self, day: datetime.date) -> str:
        """What the newest version means for what is published on a day."""
        if self.state != "approved":
            return "active" if self.version_in_force else ""
        if self.valid_from and self.valid_from > day:
            return "scheduled"
        return "expired" if self.valid_until and self.valid_until < day else "active"


class Definitions:
    """The definitions of a database.

    Args:
        url: Of the database; the login has the role tuppence_author, or owns the tables.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def schema(self) -> Schema:
        """The schema of the facts, against which rules are checked."""
        connection = connect_columns(self._url)
        try:
            with database_errors():
                return read_schema(connection)
        finally:
            connection.close()

    def latest(self) -> list[Stored]:
        """The newest version of each definition."""
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=class_row(Stored))
            return cursor.execute(named("definition_latest")).fetchall()

    def in_force(self, as_of: Date) -> list[Definition]:
        """The approved definitions that are valid on a date."""
        with connect(self._url) as connection, database_errors():
            rows = connection.execute(named("rules_in_force"), [str(as_of)]).fetchall()
            return [msgspec.json.decode(document, type=Definition) for _, _, document in rows]

    def history(self, rule_id: str) -> list[Any]:
        """All versions of a definition: version, state, author, at, reason.

        Raises:
            UserError: There is no such definition.
        """
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=namedtuple_row)
            found = cursor.execute(named("definition_history"), [rule_id]).fetchall()
        if not found:
            raise _unknown(rule_id)
        return found

    def draft(self, definitions: Sequence[Definition], author: str, reason: str) -> list[str]:
        """Make a new draft of each definition that differs from its newest version.

        Returns:
            The identifiers of those that do.

        Raises:
            UserError: A constraint stands against one; then none is changed.
        """
        before = {stored.rule_id: stored for stored in self.latest()}
        changed: list[str] = []
        with connect(self._url) as connection, database_errors():
            for definition in definitions:
                document = msgspec.json.encode(document_of(definition)).decode()
                known = before.get(definition.id)
                if known is None or known.document != document:
                    version = 1 if known is None else known.version + 1
                    _add(connection, definition.id, version, "draft", document, author, reason)
                    changed.append(definition.id)
        return changed

    def move(self, rule_ids: Sequence[str], state: str, author: str, reason: str) -> None:
        """Take the newest version of each definition to a state; all of them or none.

        Raises:
            UserError: One is not known, or may not take that step.
        """
        latest = {stored.rule_id: stored for stored in self.latest()}
        with connect(self._url) as connection:
            for rule_id in rule_ids:
                known = latest.get(rule_id)
                if known is None:
                    raise _unknown(rule_id)
                try:
                    with database_errors():
                        document, version = known.document, known.version + 1
                        _add(connection, rule_id, version, state, document, author, reason)
                except UserError as error:
                    message = f"{rule_id} ({known.state}): {error.message}"
                    raise UserError(error.code, message, error.hint) from None

    def note_publication(
        self, ruleset: str, as_of: Date, engines: Sequence[str], author: str
    ) -> None:
        """Enter that a ruleset was published, and which engines confirmed it."""
        with connect(self._url) as connection, database_errors():
            given = [ruleset, str(as_of), list(engines), author]
            connection.execute(named("publication_add"), given)

    def changes(self) -> Iterator[str]:
        """Waits for rules that are approved or retired, and gives the name of each."""
        with connect(self._url) as connection, database_errors():
            connection.autocommit = True
            connection.execute(named("listen"))
            for notice in connection.notifies():
                yield notice.payload


def _add(
    connection: psycopg.Connection,
    rule_id: str,
    version: int,
    state: str,
    document: str,
    author: str,
    reason: str,
) -> None:
    given = [rule_id, version, state, document, author, reason]
    connection.execute(named("definition_add"), given)


def _unknown(rule_id: str) -> UserError:
    message = f"there is no definition {rule_id[:64]}"
    return UserError("definition.unknown", message, "tuppence definitions list shows them")
