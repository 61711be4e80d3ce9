"""Definitions in PostgreSQL: their versions, and who made each of them and why."""

import contextlib
import datetime
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from psycopg.rows import class_row, namedtuple_row

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

if TYPE_CHECKING:
    from tuppence.usecases.publish_rules import Record


class Reviewed(NamedTuple):
    """A version of a definition that somebody has read.

    Attributes:
        rule_id: Identifier of the rule.
        version: Number of the version.
        digest: SHA-256 of its document, in hexadecimal.
    """

    rule_id: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.rule_id}:{self.version}:{self.digest}"


class Stored(NamedTuple):
    """The newest version of a definition.

    Attributes:
        rule_id: Identifier of the rule.
        version: Number of the version.
        state: draft, in_review, approved or retired.
        document: The rule as JSON.
        valid_from: First day on which it may be published; None if there is no limit.
        valid_until: Last day on which it may be published; None if there is no limit.
        author: Displayed name of the person who made this version.
        issuer: Issuer of the person's identity: postgresql, or the address of an identity provider.
        subject: The person's login, or identifier at the identity provider.
        editors: Subjects of everybody who changed the definition since it was last approved.
        reason: Reason for the version.
        at: Time when the version was made.
        version_in_force: The approved version that is published; None if there is none.
    """

    rule_id: str
    version: int
    state: str
    document: str
    valid_from: datetime.date | None
    valid_until: datetime.date | None
    author: str
    issuer: str
    subject: str
    editors: list[str]
    reason: str
    at: datetime.datetime
    version_in_force: int | None

    @property
    def definition(self) -> Definition:
        """The document, decoded."""
        return msgspec.json.decode(self.document, type=Definition)

    @property
    def reviewed(self) -> Reviewed:
        """The name of this version, with the digest of the document that was read."""
        digest = hashlib.sha256(self.document.encode()).hexdigest()
        return Reviewed(self.rule_id, self.version, digest)

    def status(self, day: datetime.date) -> str:
        """Return the effect of the newest version on publications on a day.

        Returns:
            active, scheduled, expired, or an empty text for a definition that was never approved.
        """
        if self.state != "approved":
            return "active" if self.version_in_force else ""
        if self.valid_from and self.valid_from > day:
            return "scheduled"
        return "expired" if self.valid_until and self.valid_until < day else "active"


class Definitions:
    """The definitions of a database. Implements the port Publications.

    Args:
        url: Address of the database; the login has a role such as tuppence_author, or owns the
            tables.
    """

    def __init__(self, url: str) -> None:
        self._url = url

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

    def history(self, rule_id: str) -> list[Any]:
        """Return all versions of a definition, with the columns of the query definition_history.

        Raises:
            UserError: There is no such definition.
        """
        with connect(self._url) as connection, database_errors():
            cursor = connection.cursor(row_factory=namedtuple_row)
            versions = cursor.execute(load_query("definition_history"), [rule_id]).fetchall()
        if not versions:
            raise _unknown(rule_id)
        return versions

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
                steps.append(_Step(definition.id, version, "draft", document))
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
        steps = [_Step(rule_id, latest[rule_id].version + 1, state) for rule_id in rule_ids]
        self._take(steps, name, reason)

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
                _Step(rule, version + 1, "approved", None, digest)
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
                    given = [ruleset, str(as_of), list(engines), name]
                    connection.execute(load_query("publication_add"), given)

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

    def _take(self, steps: Sequence["_Step"], name: str, reason: str) -> None:
        """Take steps in one transaction."""
        with connect(self._url) as connection:
            for step in steps:
                try:
                    with database_errors():
                        connection.execute(load_query("definition_add"), [*step, name, reason])
                except UserError as error:
                    message = f"{step.rule_id} (version {step.version - 1}): {error.message}"
                    raise UserError(error.code, message, error.hint) from None


class _Step(NamedTuple):
    rule_id: str
    version: int
    state: str
    document: str | None = None
    digest: str | None = None


def _unknown(rule_id: str) -> UserError:
    message = f"there is no definition {rule_id[:64]}"
    return UserError("definition.unknown", message, "tuppence definitions list shows them")
