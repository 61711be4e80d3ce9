"""The ports of deliveries: the outbox, the people who may be told, and the channels."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from tuppence.feed.news import ChannelRule, Delivery
from tuppence.feel.values import Date
from tuppence.usecases.build_feed import FeedItem
from tuppence.usecases.feed_ports import Kept, People

UNSUBSCRIBE_PATH: Final = "/v1/unsubscriptions/"
"""Path of the feed service below which the identifier of a delivery switches its channel off."""


class OutboxChange(Protocol):
    """A change of the deliveries to one person; nobody else changes them meanwhile.

    Attributes:
        kept: The memory of the person's feeds.
        deliveries: All deliveries to the person, by identifier, as they were at the beginning.
    """

    kept: Kept
    deliveries: Mapping[str, Delivery]

    def write(self, put: Mapping[str, Delivery], remove: Collection[str]) -> None:
        """Keep some deliveries, and remove others."""
        ...


class Outbox(Protocol):
    """Keeps the deliveries to everybody, in the same place as what is kept of feeds."""

    def read(self, customer: str) -> tuple[Kept, Mapping[str, Delivery]]:
        """Return what is kept of a person's feeds, and all deliveries to them, without a lock."""
        ...

    def change(self, customer: str) -> AbstractContextManager[OutboxChange]:
        """Change the deliveries to a person: all that the block does, or nothing.

        Raises:
            UserError: `facts.unknown-customer`: there is no such customer, or no longer.
        """
        ...

    def drop(self, customer: str, delivery: str) -> None:
        """Remove a delivery; whoever it was for need not exist any more."""
        ...

    def due(self, channels: Collection[str], now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return customers and identifiers of deliveries that are due, the oldest ones first."""
        ...

    def next_due(self, channels: Collection[str]) -> int | None:
        """Return when the next delivery is due, in milliseconds since 1970-01-01; None if none."""
        ...

    def dead(self, limit: int | None) -> Sequence[tuple[str, str, Delivery]]:
        """Return deliveries that were given up, each after its customer and identifier.

        Args:
            limit: Maximum number of them, the newest ones; None for all.
        """
        ...

    def recipient(self, delivery: str) -> tuple[str, str] | None:
        """Return the customer and the channel of a delivery; None if there is no such delivery."""
        ...


class Audience(People, Protocol):
    """The customers who may be told of insights."""

    def after(self, customer: str, limit: int) -> Sequence[str]:
        """Return the next customers after a name, in order of their names."""
        ...


class Letter(NamedTuple):
    """A delivery as a channel sends it.

    Attributes:
        id: Its identifier, which stays the same from attempt to attempt.
        customer: The person.
        address: The address for mail; None if it is not known.
        as_of: The day of the newest numbers.
        items: The insights that are new, in the order of the feed.
        made: The time at which it was planned, in milliseconds since 1970-01-01.
        now: The clock.
    """

    id: str
    customer: str
    address: str | None
    as_of: Date
    items: Sequence[FeedItem]
    made: int
    now: int


class DeliveryError(Exception):
    """Raised when an attempt fails.

    Attributes:
        reason: The reason, in a sentence without personal data.
        final: Whether further attempts would fail as well.
        about_person: Whether it says nothing about the channel.
    """

    def __init__(self, reason: str, *, final: bool = False, about_person: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.about_person = about_person


class Channel(Protocol):
    """A way to tell people, or an app, of new insights."""

    @property
    def rule(self) -> ChannelRule:
        """The channel as plans need it."""
        ...

    def send(self, letter: Letter) -> None:
        """Send a delivery; it may be called again for one that has arrived.

        Raises:
            DeliveryError: It did not arrive, or nobody has said that it did.
        """
        ...
