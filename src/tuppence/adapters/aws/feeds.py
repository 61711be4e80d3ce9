"""The memory of feeds in DynamoDB; `person_table` describes the table."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tuppence.adapters.aws.clients import DAY_SECONDS
from tuppence.adapters.aws.person_log import CLICKS as CLICKED
from tuppence.adapters.aws.person_log import VIEWS, last_logged, logged, read_logged
from tuppence.adapters.aws.person_table import Item, PersonTable, Writes, owner_of, text
from tuppence.feed.items import CLICKS, DAY, Event, ItemId, ItemState, item_id
from tuppence.feed.preferences import Preferences
from tuppence.usecases.feed_ports import (
    Kept,
    LoggedView,
    Received,
    View,
    Withdrawal,
    withdrawn_rules,
)

KEPT_DAYS: Final = 13 * 31
"""Days for which views and events are kept where nobody has chosen others."""
WITHDRAWALS: Final = "withdrawals"
"""The partition of withdrawals and restorations."""
_KEPT: Final = "kept#"
_PREFERENCES: Final = f"{_KEPT}preferences"
_STATE: Final = f"{_KEPT}state#"
_EVENT, _VIEW, DELIVERY = "event#", "view#", "delivery#"
_EXPORTED: Final = {
    "events": (_EVENT, "id", "event"),
    "views": (_VIEW, "id", "view"),
    "states": (_STATE, "item", "state"),
    "preferences": (_PREFERENCES, "", "preferences"),
    "deliveries": (DELIVERY, "id", "delivery"),
}
"""For each part of an export: the beginning of sort keys, and the names of what they hold."""


class DynamoFeeds:
    """The table, for services and commands. Implements the ports FeedStore, FeedLog and FeedData.

    States are read by a query, which sees each of them as of a moment of its own. DynamoDB removes
    views and events some time after their days are over, and never states, which sum them up.

    Args:
        table: The table.
        kept_days: Days for which new views and events are kept.
    """

    def __init__(self, table: PersonTable, kept_days: int = KEPT_DAYS) -> None:
        self._table = table
        self._kept_days = kept_days

    def kept(self, customer: str) -> Kept:
        """Return what is kept of a person."""
        return read_kept(self._table, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change what is kept of a person: all that the block does, or nothing."""
        with self._table.change(customer) as writes:
            yield _Change(self._table, customer, writes, self._kept_days)

    def withdrawals(self) -> Sequence[Withdrawal]:
        """Return all withdrawals and restorations, oldest first."""
        return _withdrawals(self._table)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Keep a withdrawal, under the next number."""
        content = _json(withdrawal)
        number = len(_withdrawals(self._table))
        while not self._table.add(WITHDRAWALS, f"{number:010}", content):
            number += 1

    def log(self, nights: int | None = None) -> Iterator[LoggedView]:
        """Return the views that are kept of the last nights, each as of a moment of its own.

        An index finds those of some nights; all of them are found by reading the whole table. A
        view whose days are over is left out, as some of its events may be gone.
        """
        first = None
        if nights is not None:
            last = last_logged(self._table, VIEWS)
            if last is None:
                return
            first = last - nights + 1
        clicked: dict[tuple[str, str], set[ItemId]] = {}
        for item in self._clicks(first):
            event = msgspec.json.decode(text(item, "content"), type=Event)
            if event.kind in CLICKS:
                clicked.setdefault((text(item, "owner"), event.view), set()).add(event.item)
        now = self._table.now() // 1_000
        for item in self._views(first):
            if "expires_at" in item and int(item["expires_at"]["N"]) <= now:
                continue
            owner, name = text(item, "owner"), text(item, "entry").removeprefix(_VIEW)
            view = msgspec.json.decode(text(item, "content"), type=View)
            customer = owner.removeprefix(owner_of(""))
            yield LoggedView(customer, name, view, frozenset(clicked.get((owner, name), ())))

    def _clicks(self, first: int | None) -> Iterator[Item]:
        """Yield the clicks on views of a night and of later ones; all events if it is None."""
        if first is None:
            return self._table.scan(_EVENT)
        # A view's night may be one ahead where the person is; a day more is for other clocks.
        return read_logged(self._table, CLICKED, first - 2)

    def _views(self, first: int | None) -> Iterator[Item]:
        if first is None:
            return self._table.scan(_VIEW)
        return read_logged(self._table, VIEWS, first)

    def export(self, customer: str) -> Mapping[str, Any]:
        """Return all that is kept of a person, for JSON."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in _EXPORTED}
        for item in self._table.query(owner_of(customer)):
            entry = text(item, "entry")
            for name, (beginning, key, value) in _EXPORTED.items():
                if not entry.startswith(beginning):
                    continue
                row = {"customer_id": customer, value: msgspec.json.decode(text(item, "content"))}
                if key:
                    row[key] = entry.removeprefix(beginning)
                if "received" in item:
                    row["received"] = int(item["received"]["N"])
                found[name].append(row)
        return found

    def erase(self, customer: str) -> int:
        """Erase all that is kept of a person, and return the number of rows.

        A change that has begun ends first. If the customer is gone by then, none begins any more.
        """
        count = 0
        with self._table.change(customer, erasing=True) as writes:
            for item in self._table.query(owner_of(customer)):
                entry = text(item, "entry")
                if entry == "lock":
                    continue
                count += 1
                writes.delete(entry)
                if entry.startswith(DELIVERY):
                    writes.delete("recipient", owner=entry)
        return count


class _Change:
    """A change that writes when it ends. Implements the port FeedChange."""

    def __init__(self, table: PersonTable, customer: str, writes: Writes, kept_days: int) -> None:
        self._table = table
        self._owner = owner_of(customer)
        self._writes = writes
        self._kept_days = kept_days
        self.kept = read_kept(table, customer)

    def views(self, ids: Collection[str]) -> Mapping[str, View]:
        return {
            name: msgspec.json.decode(content, type=View)
            for name, content in self._named(_VIEW, ids)
        }

    def events(self, ids: Collection[str]) -> Mapping[str, Event]:
        return {
            name: msgspec.json.decode(content, type=Event)
            for name, content in self._named(_EVENT, ids)
        }

    def add(
        self,
        views: Mapping[str, View],
        events: Sequence[Received],
        states: Mapping[ItemId, ItemState],
    ) -> None:
        # A change of more than one transaction may be cut off between two of them. States come
        # before events: an event that is sent again changes no state that it has changed already.
        for name, view in views.items():
            end = _end(view.night + self._kept_days)
            found = logged(VIEWS, self._owner, view.night)
            self._writes.put(f"{_VIEW}{name}", _content(view) | end | found)
        for item, state in states.items():
            self._writes.put(f"{_STATE}{item}", _content(state))
        for one in events:
            # A day more than its view, which may be of the day after by the person's clock.
            end = _end(one.at // DAY + self._kept_days + 1)
            attributes = _content(one.event) | {"received": {"N": str(one.at)}} | end
            if one.event.kind in CLICKS:
                attributes |= logged(CLICKED, self._owner, one.at // DAY)
            self._writes.put(f"{_EVENT}{one.event.order.id}", attributes, new=True)

    def prefer(self, preferences: Preferences) -> None:
        self._writes.put(_PREFERENCES, _content(preferences))

    def _named(self, beginning: str, ids: Collection[str]) -> Iterator[tuple[str, str]]:
        for item in self._table.read_many(self._owner, [f"{beginning}{name}" for name in ids]):
            yield text(item, "entry").removeprefix(beginning), text(item, "content")


def read_kept(table: PersonTable, customer: str) -> Kept:
    """Return what is kept of a person."""
    states: dict[ItemId, ItemState] = {}
    preferences = Preferences()
    for item in table.query(owner_of(customer), _KEPT):
        entry, content = text(item, "entry"), text(item, "content")
        if entry == _PREFERENCES:
            preferences = msgspec.json.decode(content, type=Preferences)
        else:
            state = msgspec.json.decode(content, type=ItemState)
            states[item_id(entry.removeprefix(_STATE))] = state
    return Kept(states, preferences, withdrawn_rules(_withdrawals(table)))


def _withdrawals(table: PersonTable) -> list[Withdrawal]:
    contents = (text(item, "content") for item in table.query(WITHDRAWALS))
    return [msgspec.json.decode(content, type=Withdrawal) for content in contents]


def _end(day: int) -> Item:
    """Return the attribute by which DynamoDB removes an item when a day has begun."""
    return {"expires_at": {"N": str(day * DAY_SECONDS)}}


def _content(value: Any) -> Item:
    return {"content": {"S": _json(value)}}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
