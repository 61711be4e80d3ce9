"""The people of a team: who they are, what they may do, and what is kept of their work."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol, get_args

Role = Literal["author", "reviewer", "publisher", "operator", "support"]
ROLES: Final[frozenset[str]] = frozenset(get_args(Role))
LOCAL_ISSUER: Final = "https://users.tuppence.invalid"
"""Issuer of people who sign in with a password; nobody else can have this domain."""


class Person(NamedTuple):
    """Somebody who uses the console.

    Attributes:
        issuer: Address of whoever vouches for them.
        subject: Their identifier there, which never changes.
        shown: The name to show.
        roles: Their roles.
    """

    issuer: str
    subject: str
    shown: str
    roles: frozenset[str]

    def may(self, *roles: str) -> bool:
        """Return whether the person has one of some roles."""
        return not self.roles.isdisjoint(roles)


NOBODY: Final = Person("", "", "", frozenset())
"""Whoever has not signed in."""
OWNER: Final = Person("", "", "", ROLES)
"""Whoever has the address of a console on one machine."""


class Sessions(Protocol):
    """Sessions by the digest of a token, of which nothing else is kept."""

    def begin(self, digest: str, person: Person, now: int, ends: int) -> None:
        """Keep a session.

        Args:
            digest: The digest of its token.
            person: The person who signed in.
            now: The time, in milliseconds since 1970-01-01.
            ends: The time at which it ends, however much it is used.
        """
        ...

    def find(self, digest: str, now: int, since: int) -> Person | None:
        """Return whose session it is, and note that it is used now.

        Args:
            digest: The digest of its token.
            now: The time.
            since: A session that was last used before this time has ended.
        """
        ...

    def end(self, digest: str) -> None:
        """End a session; one that has ended already is no error."""
        ...

    def sweep(self, now: int, since: int) -> None:
        """Remove sessions that have ended."""
        ...


class Passwords(Protocol):
    """People who sign in with a password."""

    def person(self, name: str, password: str) -> Person | None:
        """Return the person of a name and a password; None if one of them is wrong."""
        ...


class PersonalReads(Protocol):
    """The record of who has seen the data of which customers."""

    def note(self, person: Person, customers: Sequence[str], what: str, reason: str = "") -> None:
        """Record that a person is about to see data of customers.

        Args:
            person: The person.
            customers: The customers.
            what: The kind of page, in words.
            reason: The reason, if the page asks for one.
        """
        ...


class NoReads:
    """The record of a console on one machine, which has one user and keeps none."""

    def note(self, person: Person, customers: Sequence[str], what: str, reason: str = "") -> None:
        """Do nothing."""


class Begun(NamedTuple):
    """A sign-in that goes on at an identity provider.

    Attributes:
        url: The address there.
        state: Proves that an answer belongs to this sign-in.
        nonce: Must be in the identity that the provider states.
        verifier: Proves that whoever redeems the answer began the sign-in (PKCE).
    """

    url: str
    state: str
    nonce: str
    verifier: str


class Provider(Protocol):
    """An identity provider; as text it is the name of its host."""

    def begin(self, callback: str) -> Begun:
        """Begin a sign-in.

        Args:
            callback: The address to which the provider sends people back.

        Raises:
            UserError: `sign-in.provider`: it cannot be reached.
        """
        ...

    def finish(self, callback: str, code: str, begun: Begun) -> Person:
        """Return who has signed in.

        Args:
            callback: The address to which the provider sent the person back.
            code: The code that it gave them.
            begun: The sign-in.

        Raises:
            UserError: `sign-in.refused`: the code or the stated identity is not valid.
        """
        ...
