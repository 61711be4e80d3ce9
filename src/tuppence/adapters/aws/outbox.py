"""Deliveries of what is new in feeds, in DynamoDB; `person_table` describes the table."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tuppence.adapters.aws.feeds import DELIVERY, read_kept
from tuppence.adapters.aws.person_table import Item, PersonTable, Writes, owner_of, text
from tuppence.feed.news import Delivery, DeliveryState
from tuppence.usecases.feed_ports import Kept

_DEAD: Final = "dead"


class DynamoOutbox:
    """The deliveries in the table. Implements the port Outbox; threads may share it.

    Args:
        table: The table.
    """

    def __init__(self, table: PersonTable) -> None:
        self._table = table

    def read(self, customer: str) -> tuple[Kept, Mapping[str, Delivery]]:
        """Return what is kept of a person's feeds, and all deliveries to them."""
        return read_kept(self._table, customer), _deliveries(self._table, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change the deliveries to a person: all that the block does, or nothing."""
        with self._table.change(customer) as writes:
            yield _Change(self._table, customer, writes)

    def drop(self, customer: str, delivery: str) -> None:
        """Remove a delivery; whoever it was for need not exist any more."""
        with self._table.change(customer, erasing=True) as writes:
            _remove(writes, delivery)

    def due(self, channels: Collection[str], now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return customers and identifiers of deliveries that are due, the oldest ones first."""
        found = [
            (int(item["due"]["N"]), _delivery(item), _customer(item))
            for channel in channels
            for item in self._table.query_outbox(f"waiting#{channel}", now, limit)
        ]
        return [(customer, name) for _, name, customer in sorted(found)[:limit]]

    def next_due(self, channels: Collection[str]) -> int | None:
        """Return when the next delivery is due; None if none is."""
        firsts = [
            int(item["due"]["N"])
            for channel in channels
            for item in self._table.query_outbox(f"waiting#{channel}", None, 1)
        ]
        return min(firsts, default=None)

    def dead(self, limit: int | None) -> Sequence[tuple[str, str, Delivery]]:
        """Return deliveries that were given up, each after its customer and identifier."""
        found = []
        for item in self._table.query_outbox(_DEAD, None, limit, newest=True):
            whole = self._table.read(text(item, "owner"), text(item, "entry"))
            one = None if whole is None else _decode(whole)
            if one is not None and one.state is DeliveryState.DEAD:
                found.append((_customer(item), _delivery(item), one))
        return found

    def recipient(self, delivery: str) -> tuple[str, str] | None:
        """Return the customer and the channel of a delivery; None if there is no such delivery."""
        found = self._table.read(f"{DELIVERY}{delivery}", "recipient")
        return None if found is None else (text(found, "customer"), text(found, "channel"))


class _Change:
    """A change that writes when it ends. Implements the port OutboxChange."""

    def __init__(self, table: PersonTable, customer: str, writes: Writes) -> None:
        self._customer = customer
        self._writes = writes
        self.kept = read_kept(table, customer)
        self.deliveries: Mapping[str, Delivery] = _deliveries(table, customer)

    def write(self, put: Mapping[str, Delivery], remove: Collection[str]) -> None:
        for name, one in put.items():
            places = {DeliveryState.WAITING: f"waiting#{one.channel}", DeliveryState.DEAD: _DEAD}
            attributes: Item = {"content": {"S": msgspec.json.encode(one).decode()}}
            if one.state in places:  # only these are in the index
                attributes["outbox"] = {"S": places[one.state]}
                attributes["due"] = {"N": str(one.at)}
            self._writes.put(f"{DELIVERY}{name}", attributes)
            whose: Item = {"customer": {"S": self._customer}, "channel": {"S": one.channel}}
            self._writes.put("recipient", whose, owner=f"{DELIVERY}{name}")
        for name in remove:
            _remove(self._writes, name)


def _remove(writes: Writes, delivery: str) -> None:
    writes.delete(f"{DELIVERY}{delivery}")
    writes.delete("recipient", owner=f"{DELIVERY}{delivery}")


def _deliveries(table: PersonTable, customer: str) -> dict[str, Delivery]:
    return {_delivery(one): _decode(one) for one in table.query(owner_of(customer), DELIVERY)}


def _delivery(item: Item) -> str:
    return text(item, "entry").removeprefix(DELIVERY)


def _customer(item: Item) -> str:
    return text(item, "owner").removeprefix(owner_of(""))


def _decode(item: Item) -> Delivery:
    return msgspec.json.decode(text(item, "content"), type=Delivery)
