"""The people of a team in PostgreSQL: passwords, sessions, remarks, and who has read what."""

import threading
from collections.abc import Sequence
from typing import Any, Final

import argon2
from psycopg.rows import class_row

from tuppence.adapters.postgres.connection import connect, database_errors, load_query
from tuppence.adapters.postgres.definitions import Definitions
from tuppence.adapters.postgres.feeds import Connections
from tuppence.errors import UserError
from tuppence.rules.definition import Definition
from tuppence.usecases.reviews import Done, Published, Remark, Reviewed, Seen, Step, Stored
from tuppence.usecases.team import LOCAL_ISSUER, Person

_HASHER: Final = argon2.PasswordHasher()
_MAX_HASHING: Final = 2
"""Maximum number of passwords that are checked at the same time; each takes 64 MiB."""
MAX_PASSWORD: Final = 1_000
"""Maximum number of characters of a password."""
MIN_PASSWORD: Final = 12


class TeamSessions:
    """Sessions in a database. Implements the port Sessions.

    Args:
        connections: Connections of a login with the role tuppence_service.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def begin(self, digest: str, person: Person, now: int, ends: int) -> None:
        """Keep a session."""
        identity = (person.issuer, person.subject, person.shown, sorted(person.roles))
        with self._connections.reading() as connection:
            connection.execute(load_query("session_begin"), [digest, *identity, now, ends])

    def find(self, digest: str, now: int, since: int) -> Person | None:
        """Return whose session it is, and note that it is used now."""
        with self._connections.reading() as connection:
            given = [digest, now, since]
            row = connection.execute(load_query("session_find"), given).fetchone()
        return None if row is None else Person(row[0], row[1], row[2], frozenset(row[3]))

    def end(self, digest: str) -> None:
        """End a session; one that has ended already is no error."""
        with self._connections.reading() as connection:
            connection.execute(load_query("session_end"), [digest])

    def sweep(self, now: int, since: int) -> None:
        """Remove sessions that have ended."""
        with self._connections.reading() as connection:
            connection.execute(load_query("session_sweep"), [now, since])


class TeamPasswords:
    """People with passwords in a database. Implements the port Passwords.

    Args:
        connections: Connections of a login with the role tuppence_service.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._nobody = _HASHER.hash("of nobody")
        self._hashing = threading.Semaphore(_MAX_HASHING)

    def person(self, name: str, password: str) -> Person | None:
        """Return the person of a name and a password; None if one of them is wrong.

        It takes as long for names that nobody has.
        """
        with self._connections.reading() as connection:
            row = connection.execute(load_query("console_user"), [name]).fetchone()
        shown, known, roles = row or ("", self._nobody, [])
        try:
            with self._hashing:
                _HASHER.verify(known, password[:MAX_PASSWORD])
        except argon2.exceptions.VerificationError:
            return None
        return None if row is None else Person(LOCAL_ISSUER, name, shown, frozenset(roles))


class TeamReads:
    """The record of reads in a database. Implements the port PersonalReads.

    Args:
        connections: Connections of a login with the role tuppence_service.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def note(self, person: Person, customers: Sequence[str], what: str, reason: str = "") -> None:
        """Record that a person is about to see data of customers."""
        given = [person.issuer, person.subject, person.shown, list(customers), what, reason]
        if customers:
            with self._connections.reading() as connection:
                connection.execute(load_query("read_add"), given)


class TeamReviews:
    """Definitions with what people say of them. Implements the port Reviews.

    Args:
        definitions: The definitions.
        connections: Connections of a login with the role tuppence_service.
    """

    def __init__(self, definitions: Definitions, connections: Connections) -> None:
        self._definitions = definitions
        self._connections = connections

    def latest(self) -> Sequence[Stored]:
        """Return the newest version of each definition."""
        return self._definitions.latest()

    def history(self, rule_id: str) -> Sequence[Step]:
        """Return all versions of a definition, oldest first."""
        return self._definitions.history(rule_id)

    def document(self, rule_id: str, version: int) -> Definition:
        """Return a version of a definition."""
        return self._definitions.document(rule_id, version)

    def remarks(self, rule_id: str) -> Sequence[Remark]:
        """Return what people said of the versions of a definition, oldest first."""
        return self._all(Remark, "remarks", rule_id)

    def step(self, person: Person, rule_id: str, base: int, state: str, reason: str) -> None:
        """Move a definition to a state if its newest version is `base`."""
        self._definitions.acting(person).step(rule_id, base, state, reason)

    def restore(self, person: Person, rule_id: str, base: int, version: int, reason: str) -> None:
        """Open a draft with the document of an earlier version."""
        definition = self._definitions.document(rule_id, version)
        self._definitions.acting(person).draft_from(definition, base, reason)

    def comment(self, person: Person, rule_id: str, version: int, text: str) -> None:
        """Add a comment to a version."""
        given = [rule_id, version, "", False, text, *_identity(person)]
        with self._connections.reading() as connection:
            connection.execute(load_query("remark_add"), given)

    def approve(self, person: Person, reviewed: Reviewed, needed: int, text: str) -> int:
        """Agree with the newest version; it is approved once enough people agree."""
        rule_id, version, digest = reviewed
        issuer, subject, shown = _identity(person)
        with self._connections.transaction() as connection:
            # The trigger locks the definition: of two who agree at once, the second sees both.
            given = [*reviewed, True, text, issuer, subject, shown]
            connection.execute(load_query("remark_add"), given)
            cursor = connection.cursor(row_factory=class_row(Remark))
            said = cursor.execute(load_query("remarks"), [rule_id]).fetchall()
            agreed = sum(one.approves and one.version == version for one in said)
            if agreed >= needed:
                step = [rule_id, version + 1, "approved", None, digest]
                given = [*step, shown, text, issuer, subject]
                connection.execute(load_query("definition_add_for"), given)
        return agreed

    def audit(self, limit: int, skipped: int) -> Sequence[Done]:
        """Return entries of the audit log, newest first, after some that are skipped."""
        return self._all(Done, "audit", limit, skipped)

    def reads(self, limit: int, skipped: int) -> Sequence[Seen]:
        """Return entries of the record of reads, newest first, after some that are skipped."""
        return self._all(Seen, "reads", limit, skipped)

    def publications(self, limit: int) -> Sequence[Published]:
        """Return the last publications, newest first."""
        return self._definitions.publications(limit)

    def _all(self, kind: Any, query: str, *given: object) -> list[Any]:
        with self._connections.reading() as connection:
            cursor = connection.cursor(row_factory=class_row(kind))
            return cursor.execute(load_query(query), given).fetchall()


def put_person(url: str, name: str, shown: str, password: str, roles: Sequence[str]) -> None:
    """Add somebody who signs in with a password, or replace them; their sessions end.

    Args:
        url: Address of the database, whose owner logs in.
        name: The name with which they sign in.
        shown: The name to show.
        password: Their password, of which only an Argon2 hash is kept.
        roles: Their roles.

    Raises:
        UserError: The password is too short or too long, or the database refuses.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        message = f"the password has {len(password):,} characters"
        raise UserError(
            "team.password", message, f"it needs at least {MIN_PASSWORD}, at most {MAX_PASSWORD:,}"
        )
    with connect(url) as connection, database_errors():
        given = [name, shown, _HASHER.hash(password), list(roles)]
        connection.execute(load_query("console_user_put"), given)
        connection.execute(load_query("session_revoke"), [LOCAL_ISSUER, name])


def remove_person(url: str, name: str) -> bool:
    """Remove somebody who signs in with a password; their sessions end.

    Returns:
        Whether there was such a person.
    """
    with connect(url) as connection, database_errors():
        found = connection.execute(load_query("console_user_remove"), [name]).rowcount
        connection.execute(load_query("session_revoke"), [LOCAL_ISSUER, name])
    return bool(found)


def _identity(person: Person) -> tuple[str, str, str]:
    return person.issuer, person.subject, person.shown
