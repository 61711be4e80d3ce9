"""The ports of feeds: what is known about a person, and what is kept of their feeds."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from tuppence.errors import UserError
from tuppence.feed.choice import Outcome, Reader
from tuppence.feed.items import Event, ItemId, ItemState, Told
from tuppence.feed.preferences import Preferences
from tuppence.feel.values import Date
from tuppence.results.result import Result
from tuppence.rules.rule import Rule


class Person(NamedTuple):
    """The input of a feed, except what the person did with it.

    Attributes:
        customer: The name by which the customer is known.
        results: Results of the last evaluation; those that do not qualify may be left out.
        version: A text that differs where the results differ.
        rules: The rules that they were made with.
        ruleset: Digest of the ruleset.
        as_of: The day that the feed stands for, which decides what has expired.
        evaluated: The day of the facts that the results were computed from, or an earlier one on
            which they were the same.
        frozen: The reason why it stands still on that day; empty if it does not.
        currency: ISO 4217 code of the customer's currency.
        vulnerable: Whether the customer is known to be vulnerable; None if that is unknown.
        address: The address for mail; None if it is not known.
    """

    customer: str
    results: Sequence[Result]
    version: str
    rules: Mapping[str, Rule]
    ruleset: str
    as_of: Date
    evaluated: Date
    frozen: str
    currency: str
    vulnerable: bool | None
    address: str | None = None


class People(Protocol):
    """The customers whose feeds are built."""

    def find(self, customer: str, today: Date) -> Person:
        """Return the known facts about a customer and their results.

        Raises:
            UserError: There is no such customer, or nothing is kept of them.
        """
        ...

    def has_rule(self, rule_id: str) -> bool:
        """Return whether any ruleset that is kept has a rule of this name."""
        ...


class ViewedItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A candidate of a view.

    Attributes:
        item: Its identity.
        tier: Its tier.
        score: Its score; None if unknown.
        outcome: Its outcome.
        topic: The topic of its rule.
        place: Its place in the feed, from 0; None if it was not shown.
        told: The numbers and the text of it, if it was shown.
        kind: The kind of its rule.
        sensitive: Whether nothing may be learned from it.
        features: Its features for the model, see `relevance.features`.
        points: Points from the model; None in rule order, or if it could not be shown.
        chance: Chance with which it was shown: 1 or 0 where nothing was drawn; None in views of
            earlier versions.
        looks: Expected number of looks at it.
    """

    item: ItemId
    tier: int
    score: Decimal | None
    outcome: Outcome
    topic: str | None = None
    place: int | None = None
    told: Told | None = None
    kind: str | None = None
    sensitive: bool = False
    features: tuple[int, ...] = ()
    points: int | None = None
    chance: float | None = None
    looks: float | None = None


class OrderedBy(StrEnum):
    """The order of a feed where there is a model: the model's, or the rules' for two reasons."""

    MODEL = "model"
    HOLD_OUT = "hold_out"
    CHOICE = "choice"


class ViewOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order of a view.

    Attributes:
        by: The model or the rules that ordered it.
        model: Digest of the model that ordered it.
        temperature: Points by which noise was multiplied.
        seed: The seed of the noise.
    """

    by: OrderedBy
    model: str | None = None
    temperature: int = 0
    seed: int = 0


class View(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feed as it was shown, with every candidate that was due.

    Attributes:
        night: The day that the feed stood for, in days since 1970-01-01.
        ruleset: Digest of the ruleset.
        policy: Name and digest of the policy.
        places: Maximum number of items.
        candidates: The candidates, in order.
        order: The order of a model; None if there was no model.
        channel: Place where it was shown, as the app calls it.
    """

    night: int
    ruleset: str
    policy: str
    places: int
    candidates: tuple[ViewedItem, ...]
    order: ViewOrder | None = None
    channel: str | None = None

    def told(self, item: ItemId) -> Told | None:
        """Return the content of an item in the view; None if the view did not show it."""
        return next((one.told for one in self.candidates if one.item == item), None)


class ShownView(msgspec.Struct, frozen=True):
    """A view of a customer.

    Attributes:
        customer: The customer.
        view: The view.
    """

    customer: str
    view: View

    @property
    def content(self) -> bytes:
        """The view in bytes, encoded at each access."""
        return msgspec.json.encode(self)


def view_id(content: bytes) -> str:
    """Return the identifier of a view, which is the same for equal views of a customer.

    Args:
        content: The view in bytes, with its customer.
    """
    return hashlib.sha256(content).hexdigest()[:32]


class Withdrawal(msgspec.Struct, frozen=True):
    """A decision to withdraw a rule from all feeds, or to restore it.

    Attributes:
        rule_id: The rule.
        withdrawn: False for a rule that is restored.
        by: The operator who decided.
        reason: Reason of the decision.
        at: Time of the decision, in milliseconds since 1970-01-01.
    """

    rule_id: str
    withdrawn: bool
    by: str
    reason: str
    at: int


def withdrawn_rules(withdrawals: Sequence[Withdrawal]) -> frozenset[str]:
    """Return the rules that are withdrawn.

    Args:
        withdrawals: All withdrawals and restorations, oldest first.
    """
    last = {one.rule_id: one.withdrawn for one in withdrawals}
    return frozenset(rule for rule, withdrawn in last.items() if withdrawn)


class Received(NamedTuple):
    """An event with the time when it was received, in milliseconds since 1970-01-01."""

    event: Event
    at: int


class Kept(NamedTuple):
    """The memory of a person's feeds, as of one moment.

    Attributes:
        states: States of items.
        preferences: The person's choices.
        withdrawn: Rules that are withdrawn from all feeds.
    """

    states: Mapping[ItemId, ItemState]
    preferences: Preferences
    withdrawn: frozenset[str]

    def reader(self, vulnerable: bool | None) -> Reader:
        """Return the person as the choice of items needs them."""
        return Reader(self.states, self.preferences, vulnerable)


class FeedChange(Protocol):
    """A change of what is kept of one person; nobody else changes it meanwhile.

    Attributes:
        kept: Stored events and preferences.
    """

    kept: Kept

    def views(self, ids: Collection[str]) -> Mapping[str, View]:
        """Return those of some views that are kept."""
        ...

    def events(self, ids: Collection[str]) -> Mapping[str, Event]:
        """Return those of some events that are kept."""
        ...

    def add(
        self,
        views: Mapping[str, View],
        events: Sequence[Received],
        states: Mapping[ItemId, ItemState],
    ) -> None:
        """Keep new views and events, and the states that follow from them."""
        ...

    def prefer(self, preferences: Preferences) -> None:
        """Keep the person's choices."""
        ...


class FeedStore(Protocol):
    """Keeps views, events, states and preferences of every person, and withdrawals."""

    def kept(self, customer: str) -> Kept:
        """Return the stored events and preferences of a person, which may be empty."""
        ...

    def change(self, customer: str) -> AbstractContextManager[FeedChange]:
        """Change what is kept of a person: all that the block does, or nothing.

        Raises:
            UserError: `facts.unknown-customer`: there is no such customer, or no longer.
        """
        ...

    def withdrawals(self) -> Sequence[Withdrawal]:
        """Return all withdrawals and restorations, oldest first."""
        ...

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Keep a withdrawal, which holds at once."""
        ...


Known = tuple[Person, Kept]
"""The input of a feed."""
FeedReader = Callable[[Sequence[str], Date], Sequence[Known | UserError]]
"""Returns the input of the feed of each of some customers on a day, or why there is none."""


def read_each(people: People, store: FeedStore) -> FeedReader:
    """Return a function that reads the input of feeds of one customer after another.

    Args:
        people: The customers.
        store: Stored events and preferences of the people.
    """

    def read(customer: str, today: Date) -> Known | UserError:
        try:
            return people.find(customer, today), store.kept(customer)
        except UserError as error:
            return error

    return lambda customers, today: [read(customer, today) for customer in customers]


class LoggedView(NamedTuple):
    """A view that is kept, with what became of it.

    Attributes:
        customer: The customer.
        id: Identifier of the view.
        view: The view.
        clicked: Items that were opened, or acted upon.
    """

    customer: str
    id: str
    view: View
    clicked: frozenset[ItemId]


class FeedLog(Protocol):
    """The views of everybody, for models and estimates."""

    def log(self, nights: int | None = None) -> Iterator[LoggedView]:
        """Return the views that are kept, as of one moment.

        Args:
            nights: The number of last nights of which views are needed; earlier ones may be
                returned too. All if None.
        """
        ...


class FeedData(Protocol):
    """All that is kept of one person's feeds, for them to read and to have erased."""

    def export(self, customer: str) -> Mapping[str, Any]:
        """Return all that is kept of a person, for JSON."""
        ...

    def erase(self, customer: str) -> int:
        """Erase all that is kept of a person, and return the number of rows."""
        ...
