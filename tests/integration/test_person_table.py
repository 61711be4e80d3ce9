"""The table of feeds while processes die, wait for each other, and write more than fits."""

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.contract.test_feed_stores import ITEM, NOW, OTHER, VIEW, event, record
from tests.feed_stores import person_table

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.feeds import KEPT_DAYS, DynamoFeeds
from tuppence.adapters.aws.outbox import DynamoOutbox
from tuppence.adapters.aws.person_log import PARTS, logged
from tuppence.adapters.aws.person_table import (
    ATTEMPTS,
    LEASE,
    LOG_INDEX,
    PATIENCE,
    PersonTable,
    Tools,
)
from tuppence.errors import UserError
from tuppence.feed.items import DAY, EventKind, Told
from tuppence.feed.news import Delivery, ToldItem
from tuppence.feed.preferences import Preferences
from tuppence.usecases.feed_ports import Withdrawal

pytestmark = pytest.mark.usefixtures("aws")


class Machine:
    """A process with a clock that a test sets; sleeping moves it."""

    def __init__(self, table: str) -> None:
        self.now = NOW
        self.client = client("dynamodb")
        self.customers = {"ann", "bob"}
        names = itertools.count()

        def sleep(seconds: float) -> None:
            self.now += round(seconds * 1_000)

        tools = Tools(
            lambda name: name in self.customers,
            lambda: self.now,
            sleep,
            lambda: f"{id(self)}-{next(names)}",
        )
        self.table = PersonTable(self.client, table, tools)
        self.feeds = DynamoFeeds(self.table)

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.scan(TableName=self.table._table)["Items"]
        return found

    def entries(self) -> set[str]:
        return {one["entry"]["S"] for one in self.items()}


@pytest.fixture
def machines() -> tuple[Machine, Machine]:
    name = person_table()
    return Machine(name), Machine(name)


def lock(machine: Machine) -> None:
    """Lock ann and die."""
    machine.table._lock("customer#ann")


def test_a_lock_whose_holder_has_died_ends(machines: tuple[Machine, Machine]) -> None:
    dead, alive = machines
    lock(dead)
    with pytest.raises(UserError, match="somebody else is changing the feed") as error:
        record(alive.feeds, event("e1", EventKind.SEEN))
    assert error.value.code == "service.busy"
    assert alive.now > NOW + PATIENCE
    assert record(alive.feeds, event("e1", EventKind.SEEN), customer="bob").recorded == 1
    alive.now = NOW + LEASE + 1
    assert record(alive.feeds, event("e1", EventKind.SEEN)).recorded == 1
    assert "lock" not in alive.entries()


def test_a_lock_that_stays_is_removed_by_the_database(machines: tuple[Machine, Machine]) -> None:
    lock(machines[0])
    (item,) = machines[0].items()
    assert int(item["expires_at"]["N"]) > (NOW + LEASE) // 1_000


def test_whoever_has_lost_the_lock_writes_nothing(machines: tuple[Machine, Machine]) -> None:
    slow, quick = machines

    def overtaken() -> None:
        with slow.feeds.change("ann") as change:
            quick.now = NOW + LEASE + 1
            assert record(quick.feeds, event("e1", EventKind.SEEN)).recorded == 1
            change.prefer(Preferences(["tip"]))

    with pytest.raises(UserError, match="somebody else is changing"):
        overtaken()
    assert slow.feeds.kept("ann").preferences == Preferences()
    assert set(slow.feeds.kept("ann").states) == {ITEM}


def test_somebody_who_is_erased_during_a_change_stays_erased(
    machines: tuple[Machine, Machine],
) -> None:
    slow, eraser = machines

    def overtaken() -> None:
        with slow.feeds.change("ann") as change:
            change.prefer(Preferences(["tip"]))
            eraser.now = NOW + LEASE + 1  # the lock has ended, the process has not
            assert eraser.feeds.erase("ann") == 0

    with pytest.raises(UserError, match="somebody else is changing"):
        overtaken()
    assert slow.items() == []


def test_a_batch_that_takes_several_transactions_is_kept(
    machines: tuple[Machine, Machine],
) -> None:
    machine, other = machines
    many = [event(f"e{n}", EventKind.SEEN, (ITEM, OTHER)[n % 2], NOW - n) for n in range(250)]
    assert record(machine.feeds, *many).recorded == 250
    assert record(other.feeds, *many).repeated == 250
    assert len(other.feeds.export("ann")["events"]) == 250
    assert other.feeds.erase("ann") == 250 + 1 + 2
    assert machine.items() == []


def test_a_batch_that_was_cut_off_is_completed_when_it_is_sent_again(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is counted twice, and nothing that was acknowledged is lost."""
    dying, alive = machines
    many = [event(f"e{n}", EventKind.SEEN, ITEM, NOW - n) for n in range(250)]
    write = dying.client.transact_write_items
    calls = itertools.count()

    def die(**request: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return write(**request)

    monkeypatch.setattr(dying.client, "transact_write_items", die)
    monkeypatch.setattr(dying.client, "delete_item", lambda **_: None)  # nor is the lock ended
    with pytest.raises(KeyboardInterrupt):
        record(dying.feeds, *many)
    alive.now = NOW + LEASE + 1
    done = record(alive.feeds, *many)
    assert done.recorded + done.repeated == 250
    assert 0 < done.repeated < 250
    assert alive.feeds.kept("ann").states[ITEM].seen == (20_000,)
    assert len(alive.feeds.export("ann")["events"]) == 250


def cancelled(*codes: str) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": reasons,
    }
    return ClientError(response, "TransactWriteItems")


def failing(machine: Machine, times: int, error: ClientError) -> Callable[..., Any]:
    write, calls = machine.client.transact_write_items, itertools.count()

    def answer(**request: Any) -> Any:
        if next(calls) < times:
            raise error
        return write(**request)

    return answer


def test_a_transaction_that_meets_another_one_is_repeated(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, _ = machines
    conflict = cancelled("None", "TransactionConflict")
    answer = failing(machine, ATTEMPTS - 1, conflict)
    monkeypatch.setattr(machine.client, "transact_write_items", answer)
    assert record(machine.feeds, event("e1", EventKind.SEEN)).recorded == 1
    answer = failing(machine, ATTEMPTS, conflict)
    monkeypatch.setattr(machine.client, "transact_write_items", answer)
    with pytest.raises(UserError, match="AWS answered TransactionCanceledException"):
        record(machine.feeds, event("e2", EventKind.SEEN))
    assert "lock" not in machine.entries(), "others need not wait for it"


def test_withdrawals_of_two_operators_at_once_are_both_kept(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines
    first, second = (Withdrawal(name, True, "desk", "wrong", NOW) for name in ("fees", "coffee"))
    query = one.table.query

    def late(*arguments: Any) -> Any:
        found = list(query(*arguments))
        if not other.feeds.withdrawals():
            other.feeds.withdraw(first)
        return iter(found)

    monkeypatch.setattr(one.table, "query", late)
    one.feeds.withdraw(second)
    assert list(other.feeds.withdrawals()) == [first, second]


def test_a_customer_named_like_another_partition_is_somebody_else(
    machines: tuple[Machine, Machine],
) -> None:
    machine, _ = machines
    machine.customers |= {"withdrawals", "customer#ann", "ann#", ""}
    for name in ("withdrawals", "customer#ann", "ann#"):
        with machine.feeds.change(name) as change:
            change.prefer(Preferences(["tip"]))
    assert machine.feeds.withdrawals() == []
    assert machine.feeds.kept("ann").preferences == Preferences()


def test_the_index_names_a_delivery_only_while_it_waits_or_is_given_up(
    machines: tuple[Machine, Machine],
) -> None:
    machine, _ = machines
    outbox = DynamoOutbox(machine.table)
    told = ToldItem(ITEM, Told(20_000, Decimal(1), {}))
    with outbox.change("ann") as change:
        change.write({"d1": Delivery("mail", (told,), NOW, NOW)}, ())
    (item,) = (one for one in machine.items() if one["entry"]["S"] == "delivery#d1")
    assert item["outbox"] == {"S": "waiting#mail"}
    assert DynamoFeeds(machine.table).erase("ann") == 1
    assert machine.items() == []


def test_views_come_back_as_they_were(machines: tuple[Machine, Machine]) -> None:
    machine, other = machines
    record(machine.feeds, event("e1", EventKind.SEEN))
    with other.feeds.change("ann") as change:
        (view,) = change.views(
            {one["entry"]["S"].removeprefix("view#") for one in machine.items()}
        ).values()
    assert view == VIEW


def test_old_views_and_events_are_removed_and_never_states(
    machines: tuple[Machine, Machine],
) -> None:
    """DynamoDB removes what has expired, some time later; the log does not wait for it."""
    machine, _ = machines
    record(machine.feeds, event("e1", EventKind.SEEN))
    ends = {
        one["entry"]["S"].partition("#")[0]: int(one["expires_at"]["N"]) * 1_000
        for one in machine.items()
        if "expires_at" in one
    }
    assert ends == {"view": (20_000 + KEPT_DAYS) * DAY, "event": (20_001 + KEPT_DAYS) * DAY}
    assert KEPT_DAYS > 92, "an event of this age may be sent again, and must then be known"
    machine.now = ends["view"] - 1
    assert len(list(machine.feeds.log())) == 1
    machine.now = ends["view"]
    assert not list(machine.feeds.log()), "some of its events may be gone"


def test_views_of_some_nights_are_found_without_reading_the_table(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, _ = machines
    assert list(machine.feeds.log(1)) == []
    for name in ("ann", "bob"):
        record(machine.feeds, event("e1", EventKind.SEEN), customer=name)
    record(machine.feeds, event("e2", EventKind.OPENED))
    asked = list[tuple[str, str]]()

    def query_index(index: str, condition: str, *given: Any, **more: Any) -> Iterator[Any]:
        asked.append((index, condition))
        return query(index, condition, *given, **more)

    query = machine.table.query_index
    monkeypatch.setattr(machine.table, "query_index", query_index)
    monkeypatch.setattr(machine.table, "scan", None)
    found = {one.customer: one.clicked for one in machine.feeds.log(1)}
    assert found == {"ann": {ITEM}, "bob": set()}
    assert {index for index, _ in asked} == {LOG_INDEX}
    by_day = [one for one in asked if "log_day >=" in one[1]]
    assert len(by_day) == 2 * PARTS
    monkeypatch.undo()
    machine.feeds.erase("ann")
    assert [one.customer for one in machine.feeds.log(1)] == ["bob"]


def test_the_index_of_the_log_is_spread_over_its_partitions() -> None:
    parts = {logged("view", f"customer#{n}", 1)["log_part"]["S"] for n in range(400)}
    assert len(parts) == PARTS
