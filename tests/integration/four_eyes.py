"""A model of who may change the state of a definition, and people who try it on PostgreSQL."""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

STEPS: Final = {
    ("none", "draft"): {"author"},
    ("draft", "draft"): {"author"},
    ("draft", "in_review"): {"author"},
    ("draft", "retired"): {"reviewer"},
    ("in_review", "draft"): {"author", "reviewer"},
    ("in_review", "approved"): {"reviewer"},
    ("in_review", "retired"): {"reviewer"},
    ("approved", "draft"): {"author"},
    ("approved", "retired"): {"reviewer"},
    ("retired", "draft"): {"author"},
}
"""The roles of which a step needs one, written down independently of the migration."""
NATURAL: Final = {"none": "draft", "draft": "in_review", "in_review": "approved"}
LOGINS: Final = {
    "ann": ("author",),
    "amy": ("author", "reviewer"),
    "bob": ("author", "reviewer"),
    "rae": ("reviewer",),
    "pat": ("publisher",),
    "eve": ("reader", "loader"),
    "console": ("service",),
    "app": ("feed",),
}
COLUMNS: Final = ("rule_id", "version", "state", "document", "digest", "reason")
ISSUER: Final = "https://id.example"


class Person(NamedTuple):
    """Somebody who acts: their login, and the identity that they claim, if any."""

    login: str
    issuer: str | None = None
    subject: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """The issuer and the subject that the database should see."""
        return (self.issuer or "postgresql", self.subject or self.login)

    def may(self, roles: set[str]) -> bool:
        """Return whether the person has one of the roles, or acts through a service."""
        if self.issuer is not None or self.subject is not None:
            whole = bool(self.subject) and (self.issuer or "").startswith("https://")
            return self.login == "console" and whole
        return not roles.isdisjoint(LOGINS[self.login])


PEOPLE: Final = (
    *map(Person, ("ann", "amy", "bob", "rae")),
    Person("console", ISSUER, "dan"),
    Person("console", ISSUER, "dora"),
    Person("console", "https://other.example", "dan"),
    *map(Person, ("pat", "eve", "console")),  # without any role
    Person("ann", ISSUER, "dan"),  # a person who claims to be another
    Person("amy", "postgresql", "rae"),
    Person("console", "postgresql", "bob"),
    Person("console", ISSUER),
)


class Version(NamedTuple):
    """A version that the model has accepted."""

    state: str
    document: str
    identity: tuple[str, str]
    edited: bool


class Asked(NamedTuple):
    """An attempt to add a version."""

    rule_id: str
    version: int
    state: str
    document: str | None
    digest: str | None


def digest(document: str) -> str:
    """Return the digest that an approval has to name."""
    return hashlib.sha256(document.encode()).hexdigest()


def editors(versions: Sequence[Version]) -> set[tuple[str, str]]:
    """Return everybody who changed a definition since it was last approved."""
    states = [one.state for one in versions]
    last = len(states) - states[::-1].index("approved") if "approved" in states else 0
    return {one.identity for one in versions[last:] if one.edited}


def accepted(person: Person, asked: Asked, versions: Sequence[Version]) -> Version | None:
    """Return the version that an attempt creates; None if it must be refused."""
    before = versions[-1].state if versions else "none"
    old = versions[-1].document if versions else None
    document = asked.document or old
    if asked.version != len(versions) + 1 or document is None:
        return None
    edited = asked.state == "draft" and (before not in {"draft", "in_review"} or document != old)
    roles = {"author"} if edited else STEPS.get((before, asked.state), set())
    if (before, asked.state) not in STEPS or not person.may(roles):
        return None
    if asked.state != "draft" and document != old:
        return None
    if asked.digest not in (None, digest(document)):
        return None
    if asked.state == "approved":
        changed_by = editors(versions)
        if asked.digest is None or person.identity in changed_by:
            return None
        if any(issuer != person.identity[0] for issuer, _ in changed_by):
            return None
    return Version(asked.state, document, person.identity, edited)


def attempt(connection: psycopg.Connection, person: Person, asked: Asked) -> bool:
    """Add a version as a person; return whether the database allowed it."""
    given: dict[str, object] = dict(zip(COLUMNS, (*asked, "because"), strict=True))
    given |= {
        name: getattr(person, name) for name in ("issuer", "subject") if getattr(person, name)
    }
    names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
    query = f"INSERT INTO tuppence.definitions ({names}) VALUES ({marks})"
    try:
        connection.execute(query.encode(), list(given.values()))
    except (psycopg.IntegrityError, psycopg.errors.InsufficientPrivilege):
        return False
    return True


@contextlib.contextmanager
def connected(login: Callable[..., str]) -> Iterator[dict[str, psycopg.Connection]]:
    """Yield a connection for each login."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name, roles in LOGINS.items():
            connection = psycopg.connect(login(name, *roles), autocommit=True)
            found[name] = stack.enter_context(connection)
            connection.execute("SET synchronous_commit = off")
        yield found


def machine(
    connections: dict[str, psycopg.Connection], owner: psycopg.Connection
) -> type[RuleBasedStateMachine]:
    """Return a state machine over definitions that no other test uses."""
    runs = itertools.count(1)

    class FourEyes(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            run = next(runs)
            self.definitions: dict[str, list[Version]] = {f"r{run}_{n}": [] for n in range(2)}

        @rule(
            person=st.sampled_from(PEOPLE[:7]) | st.sampled_from(PEOPLE),
            which=st.integers(0, 1),
            wanted=st.sampled_from(["", "", "", "draft", "in_review", "approved", "retired"]),
            text=st.sampled_from([None, None, None, "one", "two"]),
            behind=st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1]),
            named=st.sampled_from(["right", "right", "right", "right", "other", "none"]),
        )
        def step(
            self, person: Person, which: int, wanted: str, text: str | None, behind: int, named: str
        ) -> None:
            rule_id, versions = list(self.definitions.items())[which]
            before = versions[-1].state if versions else "none"
            state = wanted or NATURAL.get(before, "draft")
            if text is None and not versions:
                text = "zero"
            document = text and f'{{"id": "{rule_id}", "title": "{text}"}}'
            read = document or versions[-1].document
            shown = {"right": digest(read), "other": digest(read + " "), "none": None}[named]
            asked = Asked(rule_id, len(versions) + 1 - behind, state, document, shown)
            expected = accepted(person, asked, versions)
            found = attempt(connections[person.login], person, asked)
            assert found == (expected is not None), (person, asked, versions)
            if expected is not None:
                versions.append(expected)

        @invariant()
        def the_database_has_what_the_model_has(self) -> None:
            query = (
                "SELECT state, document::text, issuer, subject, edited, digest"
                " FROM tuppence.definitions WHERE rule_id = %s ORDER BY version"
            )
            for rule_id, versions in self.definitions.items():
                rows = owner.execute(query, [rule_id]).fetchall()
                assert [Version(s, d, (i, p), e) for s, d, i, p, e, _ in rows] == versions
                assert [row[5] for row in rows] == [digest(one.document) for one in versions]

        @invariant()
        def nothing_is_in_force_that_an_editor_approved_or_nobody_read(self) -> None:
            query = (
                "SELECT rule_id, version, document::text, digest FROM tuppence.rules_in_force"
                " WHERE rule_id = ANY (%s)"
            )
            in_force = owner.execute(query, [list(self.definitions)]).fetchall()
            decided = {
                rule_id: next(
                    (n for n in range(len(v), 0, -1) if v[n - 1].state in {"approved", "retired"}),
                    0,
                )
                for rule_id, v in self.definitions.items()
            }
            assert {row[0]: row[1] for row in in_force} == {
                rule_id: n
                for rule_id, n in decided.items()
                if n and self.definitions[rule_id][n - 1].state == "approved"
            }
            for rule_id, version, document, approved in in_force:
                versions = self.definitions[rule_id]
                assert versions[version - 1].identity not in editors(versions[: version - 1])
                assert document == versions[version - 2].document  # which was in review
                assert approved == digest(document)

    return FourEyes
