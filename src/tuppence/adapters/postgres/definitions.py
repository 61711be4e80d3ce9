"""Definitions in PostgreSQL: their versions, and who made each of them and why."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from psycopg.rows import class_row

from tuppence.adapters.postgres.connection import (
    connect,
    connect_columns,
    database_errors,
    load_query,
)
from tuppence.adapters.postgres.facts import read_schema
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.definition import Definition, document_of
from tuppence.usecases.editions import Edition
from tuppence.usecases.reviews import Published, Step, Stored
from tuppence.usecases.team import Person

if TYPE_CHECKING:
    from tuppence.usecases.publish_rules import Record


class Definitions:
    """The definitions of a database. Implements the port Publications.

    Args:
        url: Address of the database; the login has a role such as tuppence_author, or owns the
            tables.
        person: The person for whom a login with the role tuppence_service acts; None for the
            login itself.
    """

    def __init__(self, url: str, person: Person | None = None) -> None:
        self._url = url
        self._person = person

    def acting(self, person: Person) -> "Definitions":
        """Return the same definitions, to be changed for a person."""
        return Definitions(self._url, person)

    def schema(self) -> Schema:
        """Return the schema of the facts, which rules are checked against."""
        connection = connect_columns(self._url)
        try:
            with database_errors():
                return read_schema(connection)
        finally:
            connection.close()

    def latest(self) -> list[Stored]:
        """Return the newest version of each definition."""
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=class_row(Stored))
            return cursor.execute(load_query("definition_latest")).fetchall()

    def in_force(self, as_of: Date) -> tuple[list[Definition], Edition]:
        """Return the approved definitions that are valid on a date, and their edition."""
        with connect(self._url) as connection, database_errors():
            rows = connection.execute(load_query("rules_in_force"), [str(as_of)]).fetchall()
        documents = [row[2] for row in rows if row[0] is not None]
        found = [msgspec.json.decode(document, type=Definition) for document in documents]
        return found, Edition(rows[0][3], str(as_of))

    def history(self, rule_id: str) -> list[Step]:
        """Return all versions of a definition, oldest first.

        Raises:
            UserError: There is no such definition.
        """
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=class_row(Step))
            versions = cursor.execute(load_query("definition_history"), [rule_id]).fetchall()
        if not versions:
            raise _unknown(rule_id)
        return versions

    def document(self, rule_id: str, version: int) -> Definition:
        """Return a version of a definition.

        Raises:
            UserError: There is no such version.
        """
        with connect(self._url) as connection, database_errors():
            given = [rule_id, version]
            row = connection.execute(load_query("definition_version"), given).fetchone()
        if row is None:
            raise _unknown(rule_id)
        return msgspec.json.decode(row[0], type=Definition)

    def publications(self, limit: int) -> list[Published]:
        """Return the last publications, newest first."""
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=class_row(Published))
            return cursor.execute(load_query("publications"), [limit]).fetchall()

    def draft(self, definitions: Sequence[Definition], name: str, reason: str) -> list[str]:
        """Add a draft for each definition that differs from its newest version.

        Args:
            definitions: The definitions.
            name: Displayed beside the identity of the login; empty for the login itself.
            reason: Reason for the drafts.

        Returns:
            The identifiers of the definitions that differ.

        Raises:
            UserError: A constraint forbids one of the drafts; then none is added.
        """
        before = {stored.rule_id: stored for stored in self.latest()}
        steps = []
        for definition in definitions:
            document = msgspec.json.encode(document_of(definition)).decode()
            known = before.get(definition.id)
            if known is None or known.document != document:
                version = 1 if known is None else known.version + 1
                steps.append(_Taken(definition.id, version, "draft", document))
        self._take(steps, name, reason)
        return [step.rule_id for step in steps]

    def move(self, rule_ids: Sequence[str], state: str, name: str, reason: str) -> None:
        """Move the newest version of each definition to a state; all of them or none.

        Raises:
            UserError: A definition does not exist, or cannot take that step.
        """
        latest = {stored.rule_id: stored for stored in self.latest()}
        for rule_id in rule_ids:
            if rule_id not in latest:
                raise _unknown(rule_id)
        steps = [_Taken(rule_id, latest[rule_id].version + 1, state) for rule_id in rule_ids]
        self._take(steps, name, reason)

    def draft_from(self, definition: Definition, base: int, reason: str) -> int:
        """Add a draft of one definition, and return its version.

        Args:
            definition: The definition.
            base: The version that it was made from; 0 for a new one.
            reason: Reason for the draft.

        Raises:
            UserError: The definition has another version by now, or the draft is refused.
        """
        document = msgspec.json.encode(document_of(definition)).decode()
        self._take([_Taken(definition.id, base + 1, "draft", document)], "", reason)
        return base + 1

    def step(self, rule_id: str, base: int, state: str, reason: str) -> None:
        """Move a definition to a state if its newest version is `base`.

        Raises:
            UserError: It has another one, does not exist, or cannot take that step.
        """
        self._take([_Taken(rule_id, base + 1, state)], "", reason)

    def approve(self, reviewed: Sequence[tuple[str, int, str]], name: str, reason: str) -> None:
        """Approve versions that were reviewed; all of them or none.

        Args:
            reviewed: Rule, version and digest of each.
            name: Displayed beside the identity of the login; empty for the login itself.
            reason: Reason for the approval.

        Raises:
            UserError: One is not in review, is no longer the newest version, has another document,
                or was changed by the same login since it was last approved.
        """
        self._take(
            [
                _Taken(rule, version + 1, "approved", None, digest)
                for rule, version, digest in reviewed
            ],
            name,
            reason,
        )

    @contextlib.contextmanager
    def publishing(self) -> "Iterator[Record]":
        """Keep everybody else from publishing until the end of the block; they wait.

        Whoever publishes reads what is in force inside the block, so a later publication never
        has older rules. The lock goes with the connection, also where the process is killed.

        Yields:
            A function that records a publication: the ruleset, its date, the addresses of the
            engines that are ready to serve it, and the name to show. It fails where the lock is
            lost.

        Raises:
            UserError: Somebody else has been publishing for a minute.
        """
        with connect(self._url) as connection:
            connection.autocommit = True
            with database_errors():
                connection.execute(load_query("publication_lock"))

            def record(ruleset: str, as_of: Date, engines: Sequence[str], name: str) -> None:
                with database_errors():
                    given = [ruleset, str(as_of), list(engines), *self._named(name)]
                    connection.execute(load_query(f"publication_add{self._suffix}"), given)

            yield record

    def changes(self) -> Iterator[str]:
        """Wait for rules that are approved or retired, and yield the identifier of each.

        Every login may send notices; those that are not identifiers are left out.
        """
        with connect(self._url) as connection, database_errors():
            connection.autocommit = True
            connection.execute(load_query("listen"))
            for notice in connection.notifies():
                if re.fullmatch("[a-z][a-z0-9_]{0,63}", notice.payload):
                    yield notice.payload

    @property
    def _suffix(self) -> str:
        """The end of the names of queries that say for whom they act."""
        return "" if self._person is None else "_for"

    def _named(self, name: str) -> list[str]:
        """Return the name to show, followed by an identity if a service acts for somebody."""
        person = self._person
        return [name] if person is None else [person.shown, person.issuer, person.subject]

    def _take(self, steps: Sequence["_Taken"], name: str, reason: str) -> None:
        """Take steps in one transaction."""
        with connect(self._url) as connection:
            for step in steps:
                try:
                    with database_errors():
                        shown, *identity = self._named(name)
                        given = [*step, shown, reason, *identity]
                        connection.execute(load_query(f"definition_add{self._suffix}"), given)
                except UserError as error:
                    message = f"{step.rule_id} (version {step.version - 1}): {error.message}"
                    raise UserError(error.code, message, error.hint) from None


class _Taken(NamedTuple):
    rule_id: str
    version: int
    state: str
    document: str | None = None
    digest: str | None = None


def _unknown(rule_id: str) -> UserError:
    message = f"there is no definition {rule_id[:64]}"
    return UserError("definition.unknown", message, "tuppence definitions list shows them")
