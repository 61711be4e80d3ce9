"""Contract of the outboxes of deliveries, checked for every implementation."""

import threading
from decimal import Decimal

import msgspec
import pytest
from tests.contract.test_feed_stores import NOW
from tests.feed_stores import Kept

from tuppence.errors import UserError
from tuppence.feed.items import ItemId, Told
from tuppence.feed.news import Delivery, DeliveryState, ToldItem
from tuppence.feed.preferences import Preferences
from tuppence.usecases.deliver import unsubscribe
from tuppence.usecases.delivery_ports import Outbox

TOLD = ToldItem(ItemId("fees", 20_000), Told(20_000, Decimal("12.5"), {"name": '"Café"'}))


def delivery(channel: str = "mail", at: int = NOW, **fields: object) -> Delivery:
    made = Delivery(channel, (TOLD,), NOW, at)
    return msgspec.structs.replace(made, **fields)


def put(outbox: Outbox, customer: str = "ann", **deliveries: Delivery) -> None:
    with outbox.change(customer) as change:
        change.write(deliveries, ())


def test_deliveries_are_read_back_unchanged_by_others(kept: Kept) -> None:
    outbox = kept.open_outbox()
    assert outbox.read("ann") == (kept.open_store().kept("ann"), {})
    sent = delivery(began=True, attempts=2, state=DeliveryState.DELIVERED, reason="x")
    put(outbox, d1=sent, d2=delivery("webhook.app"))
    for other in (outbox, kept.open_outbox()):
        _, found = other.read("ann")
        assert found == {"d1": sent, "d2": delivery("webhook.app")}
        assert other.read("bob")[1] == {}


def test_a_delivery_is_replaced_and_removed(kept: Kept) -> None:
    outbox = kept.open_outbox()
    put(outbox, d1=delivery(), d2=delivery())
    with outbox.change("ann") as change:
        assert set(change.deliveries) == {"d1", "d2"}
        change.write({"d1": delivery(at=NOW + 5)}, ["d2", "d3"])
        change.write({"d1": delivery(at=NOW + 6)}, ())
    assert outbox.read("ann")[1] == {"d1": delivery(at=NOW + 6)}


def test_what_is_due_is_found_oldest_first_by_channel(kept: Kept) -> None:
    outbox = kept.open_outbox()
    put(outbox, d1=delivery(at=NOW), d2=delivery(at=NOW + 1), d3=delivery("push", at=NOW - 7))
    put(outbox, "bob", d4=delivery(at=NOW - 1), d5=delivery(at=5, state=DeliveryState.DELIVERED))
    put(outbox, "bob", d6=delivery(at=5, state=DeliveryState.DEAD))
    everything = ["mail", "push"]
    assert list(outbox.due(everything, NOW, 10)) == [("ann", "d3"), ("bob", "d4"), ("ann", "d1")]
    assert list(outbox.due(everything, NOW, 2)) == [("ann", "d3"), ("bob", "d4")]
    assert list(outbox.due(["mail"], NOW, 1)) == [("bob", "d4")]
    assert list(outbox.due([], NOW, 10)) == []
    assert outbox.next_due(["mail"]) == NOW - 1
    assert outbox.next_due(["push"]) == NOW - 7
    assert outbox.next_due(["webhook.app"]) is None


def test_what_was_given_up_is_listed_newest_first(kept: Kept) -> None:
    outbox = kept.open_outbox()
    dead = delivery(state=DeliveryState.DEAD, reason="it answered 500")
    put(outbox, d1=dead, d2=delivery())
    put(outbox, "bob", d3=msgspec.structs.replace(dead, at=NOW + 1))
    everything = [("bob", "d3"), ("ann", "d1")]
    for limit, expected in ((None, everything), (9, everything), (1, everything[:1])):
        assert [(who, name) for who, name, _ in outbox.dead(limit)] == expected
    assert {one.reason for *_, one in outbox.dead(None)} == {"it answered 500"}


def test_a_change_that_fails_leaves_no_delivery(kept: Kept) -> None:
    outbox = kept.open_outbox()

    def fail() -> None:
        with outbox.change("ann") as change:
            change.write({"d1": delivery()}, ())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert outbox.read("ann")[1] == {}


def test_attempts_of_one_person_begin_one_after_another(kept: Kept) -> None:
    """Several processes count the attempts of one delivery; none is lost."""
    outboxes = [kept.open_outbox() for _ in range(3)]
    put(outboxes[0], d1=delivery())

    def begin(outbox: Outbox) -> None:
        for _ in range(5):
            with outbox.change("ann") as change:
                one = change.deliveries["d1"]
                again = msgspec.structs.replace(one, attempts=one.attempts + 1)
                change.write({"d1": again}, ())

    threads = [threading.Thread(target=begin, args=(one,)) for one in outboxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outboxes[0].read("ann")[1]["d1"].attempts == 15


def test_the_receiver_of_a_delivery_switches_its_channel_off(kept: Kept) -> None:
    outbox, store = kept.open_outbox(), kept.open_store()
    with store.change("ann") as change:
        change.prefer(Preferences(["tip"], channels_on=["mail", "push"]))
    put(outbox, d1=delivery())
    assert outbox.recipient("d1") == ("ann", "mail")
    assert unsubscribe(outbox, store, "d1") is True
    assert store.kept("ann").preferences == Preferences(["tip"], channels_on=["push"])
    assert unsubscribe(outbox, store, "d1") is True
    assert outbox.recipient("other") is None
    assert unsubscribe(outbox, store, "other") is False


def test_deliveries_of_a_person_are_exported_and_erased(kept: Kept) -> None:
    outbox = kept.open_outbox()
    put(outbox, d1=delivery())
    put(outbox, "bob", d2=delivery())
    (row,) = kept.data.export("ann")["deliveries"]
    assert row["delivery"]["items"][0][1]["values"] == {"name": '"Café"'}
    assert kept.data.erase("ann") == 1
    assert outbox.read("ann")[1] == {}
    assert list(outbox.due(["mail"], NOW, 10)) == [("bob", "d2")]
    assert outbox.recipient("d1") is None
    kept.remove("ann")
    with pytest.raises(UserError, match="there is no customer ann"):
        put(outbox, d3=delivery())
