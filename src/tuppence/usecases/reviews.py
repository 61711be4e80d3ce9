"""Versions of definitions, what people say of them, and the steps that they take."""

import datetime
import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from tuppence.errors import UserError
from tuppence.rules.definition import Definition
from tuppence.usecases.team import Person


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


class Step(NamedTuple):
    """A version of a definition in its history.

    Attributes:
        version: Its number.
        state: Its state.
        digest: Digest of the document.
        issuer: Issuer of the identity of whoever made it.
        subject: Their identifier there.
        author: Their name, to show.
        at: Time when it was made.
        reason: Their reason.
    """

    version: int
    state: str
    digest: str
    issuer: str
    subject: str
    author: str
    at: datetime.datetime
    reason: str


class Remark(NamedTuple):
    """A comment on a version, or an agreement with it where it needs several.

    Attributes:
        version: Number of the version.
        digest: Digest of the document that was read.
        approves: Whether the person agrees with the version.
        text: The text.
        issuer: Issuer of the person's identity.
        subject: Their identifier there.
        author: Their name, to show.
        at: The time.
    """

    version: int
    digest: str
    approves: bool
    text: str
    issuer: str
    subject: str
    author: str
    at: datetime.datetime


class Done(NamedTuple):
    """An entry of the audit log."""

    at: datetime.datetime
    issuer: str
    subject: str
    author: str
    action: str
    object: str
    reason: str


class Seen(NamedTuple):
    """An entry of the record of who has seen the data of which customer."""

    at: datetime.datetime
    issuer: str
    subject: str
    author: str
    customer_id: str
    what: str
    reason: str


class Published(NamedTuple):
    """A publication."""

    number: int
    ruleset: str
    as_of: datetime.date
    engines: list[str]
    issuer: str
    subject: str
    author: str
    at: datetime.datetime


class Reviews(Protocol):
    """Definitions of a team; each change is made for a person, who must be allowed to make it."""

    def latest(self) -> Sequence[Stored]:
        """Return the newest version of each definition."""
        ...

    def history(self, rule_id: str) -> Sequence[Step]:
        """Return all versions of a definition, oldest first.

        Raises:
            UserError: There is no such definition.
        """
        ...

    def document(self, rule_id: str, version: int) -> Definition:
        """Return a version of a definition.

        Raises:
            UserError: There is no such version.
        """
        ...

    def remarks(self, rule_id: str) -> Sequence[Remark]:
        """Return what people said of the versions of a definition, oldest first."""
        ...

    def step(self, person: Person, rule_id: str, base: int, state: str, reason: str) -> None:
        """Move a definition to a state: draft, in_review or retired.

        Args:
            person: The person who does it.
            rule_id: The rule.
            base: The newest version, as the person has seen it.
            state: The new state.
            reason: Their reason.

        Raises:
            UserError: It has a newer version, or cannot take that step.
        """
        ...

    def restore(self, person: Person, rule_id: str, base: int, version: int, reason: str) -> None:
        """Open a draft with the document of an earlier version.

        Raises:
            UserError: As from `step`.
        """
        ...

    def comment(self, person: Person, rule_id: str, version: int, text: str) -> None:
        """Add a comment to a version."""
        ...

    def approve(self, person: Person, reviewed: Reviewed, needed: int, text: str) -> int:
        """Agree with the newest version; it is approved once enough people agree.

        Args:
            person: The person, who must not have changed the definition since its last approval.
            reviewed: The version that the person has read.
            needed: Number of people who have to agree.
            text: Their comment or reason.

        Returns:
            The number of people who agree, this one among them.

        Raises:
            UserError: The person may not approve it, has done so already, or it has changed.
        """
        ...

    def audit(self, limit: int, skipped: int) -> Sequence[Done]:
        """Return entries of the audit log, newest first, after some that are skipped."""
        ...

    def reads(self, limit: int, skipped: int) -> Sequence[Seen]:
        """Return entries of the record of reads, newest first, after some that are skipped."""
        ...

    def publications(self, limit: int) -> Sequence[Published]:
        """Return the last publications, newest first."""
        ...


def find_newest(reviews: Reviews, rule_id: str) -> Stored:
    """Return the newest version of a definition.

    Raises:
        UserError: There is no such definition.
    """
    for one in reviews.latest():
        if one.rule_id == rule_id:
            return one
    message = f"there is no definition {rule_id[:64]}"
    raise UserError("rule.missing", message, "the list of rules shows them")
