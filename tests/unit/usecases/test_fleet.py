"""The steps of a fleet's run, each broken off, done twice and done by two."""

import datetime
import zoneinfo
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from tests.fleet import MemoryLedger, MemoryQueue, People

from tuppence.errors import UserError
from tuppence.usecases.fleet.evaluating import delay, evaluate_item, share_of_time
from tuppence.usecases.fleet.given_up import DEAD_LETTER, enter_dead_letter, send_again
from tuppence.usecases.fleet.listing import list_customers, resolve_run
from tuppence.usecases.fleet.messages import FleetItem, FleetRun, Page, Start
from tuppence.usecases.fleet.progress import progress
from tuppence.usecases.fleet.splitting import make_items, split_page
from tuppence.usecases.fleet.watching import run_of, watch_night

NIGHT = FleetRun("night", "2026-06-30", "0123456789abcdef")
EVERYBODY = People(f"C{n:05d}" for n in range(2_345))


def listed(
    run: FleetRun, queue: MemoryQueue, ledger: MemoryLedger, people: People = EVERYBODY
) -> FleetRun:
    return list_customers(ledger.begin(run), people, queue, ledger, lambda: True)


def customers(queue: MemoryQueue) -> list[str]:
    pages = [message for message in queue.messages if isinstance(message, Page)]
    return [customer for page in pages for customer in page.customers]


def test_every_customer_is_on_one_page() -> None:
    queue, ledger = MemoryQueue(), MemoryLedger()
    run = listed(NIGHT, queue, ledger)
    assert customers(queue) == EVERYBODY.names
    assert run.listed
    assert run.pages == 24
    assert [page.number for page in queue.messages if isinstance(page, Page)] == list(range(24))


def test_a_lister_whose_time_runs_short_goes_on_where_it_was() -> None:
    queue, ledger = MemoryQueue(), MemoryLedger()
    run = ledger.begin(NIGHT)
    steps = 0
    while not run.listed:
        time = iter([True, False, False])
        run = list_customers(run, EVERYBODY, queue, ledger, lambda time=time: next(time))  # type: ignore[misc]
        steps += 1
    assert steps == 4
    assert sorted(set(customers(queue))) == EVERYBODY.names
    assert progress("night", ledger).pages == 24


@pytest.mark.parametrize("room", [0, 1, 5, 10, 13, 23])
def test_pages_that_were_entered_and_not_sent_are_sent_by_the_next(room: int) -> None:
    queue, ledger = MemoryQueue(room), MemoryLedger()
    with pytest.raises(UserError, match="full"):
        listed(NIGHT, queue, ledger)
    queue.room = 1_000
    listed(NIGHT, queue, ledger)
    assert {p.number for p in queue.messages if isinstance(p, Page)} == set(range(24))
    assert sorted(set(customers(queue))) == EVERYBODY.names
    by_number = {(p.number, p.customers) for p in queue.messages if isinstance(p, Page)}
    assert len(by_number) == 24, "a page that is sent again is the same page"


def test_customers_who_leave_between_two_tries_do_not_make_a_run_unwhole() -> None:
    queue, ledger = MemoryQueue(3), MemoryLedger()
    with pytest.raises(UserError, match="full"):
        listed(NIGHT, queue, ledger)
    queue.room = 1_000
    listed(NIGHT, queue, ledger, People(EVERYBODY.names[500:]))
    run_through(queue, ledger)
    assert progress("night", ledger).complete


def test_two_who_list_at_the_same_time_agree_on_the_pages() -> None:
    ledger = MemoryLedger()
    first, second = MemoryQueue(), MemoryQueue()
    behind = ledger.begin(NIGHT)
    listed(NIGHT, first, ledger)
    list_customers(behind, EVERYBODY, second, ledger, lambda: True)
    assert progress("night", ledger).pages == 24
    assert customers(first) == EVERYBODY.names


@pytest.mark.parametrize("prefix", ["C0012", "C00123", "C", "D", "C02344"])
def test_a_prefix_chooses_customers(prefix: str) -> None:
    queue = MemoryQueue()
    listed(replace(NIGHT, prefix=prefix), queue, MemoryLedger())
    assert customers(queue) == [one for one in EVERYBODY.names if one.startswith(prefix)]


def test_customers_can_be_named() -> None:
    queue = MemoryQueue()
    listed(replace(NIGHT, chosen=("C00003", "C00007")), queue, MemoryLedger())
    assert customers(queue) == ["C00003", "C00007"]


PAGE = Page("night", "2026-06-30", "0123456789abcdef", 4, ("a", "b", "c"), 1, 0)


@pytest.mark.parametrize(
    ("per_item", "rules", "expected"),
    [
        (1, 0, [(("a",), None), (("b",), None), (("c",), None)]),
        (2, 0, [(("a", "b"), None), (("c",), None)]),
        (3, 2, [(("a", "b", "c"), ("r1", "r2")), (("a", "b", "c"), ("r3",))]),
    ],
)
def test_a_page_is_split_into_items(
    per_item: int, rules: int, expected: Sequence[tuple[object, ...]]
) -> None:
    page = replace(PAGE, customers_per_item=per_item, rules_per_item=rules)
    items = split_page(page, lambda: ["r1", "r2", "r3"])
    assert [(item.customers, item.rules) for item in items] == expected
    assert [item.number for item in items] == list(range(len(items)))


class Engines:
    """Implements the port Evaluations; it fails for one customer."""

    def __init__(self, poison: str = "", code: str = "engine.refused") -> None:
        self.poison = poison
        self.code = code
        self.asked: list[str] = []
        self.done: list[str] = []

    def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
        assert min(seconds, one_try) > 0
        self.asked += item.customers
        if self.poison in item.customers:
            raise UserError(self.code, "no such customer")
        self.done += item.customers


def second() -> float:
    return 1.0


def run_through(queue: MemoryQueue, ledger: MemoryLedger, poison: str = "") -> None:
    """Do everything that is in a queue, each message twice, the last ones first."""
    pages = [message for message in queue.messages if isinstance(message, Page)]
    work = MemoryQueue()
    for page in [*reversed(pages), *pages]:
        make_items(page, list, work, ledger)
    engines = Engines(poison)
    for final in (False, True):
        for item in reversed(work.messages):
            assert isinstance(item, FleetItem)
            try:
                evaluate_item(
                    item, engines, ledger, ledger.latest(), second, 1.0, may_give_up=final
                )
            except UserError:
                assert poison in item.customers
                assert not final


def test_messages_that_come_twice_and_out_of_order_count_once() -> None:
    queue, ledger = MemoryQueue(), MemoryLedger()
    listed(NIGHT, queue, ledger)
    assert not progress("night", ledger).ended
    run_through(queue, ledger)
    found = progress("night", ledger)
    assert (found.items, found.done, found.given_up) == (2_345, 2_345, 0)
    assert found.complete
    assert found.ended


def test_what_is_given_up_has_a_name_until_it_is_done_after_all() -> None:
    queue, ledger = MemoryQueue(), MemoryLedger()
    listed(NIGHT, queue, ledger)
    run_through(queue, ledger, poison="C00123")
    found = progress("night", ledger)
    assert (found.items, found.done, found.given_up) == (2_345, 2_344, 1)
    assert found.titles == ("C00123: no such customer",)
    assert found.ended
    assert not found.complete
    run_through(queue, ledger)
    assert progress("night", ledger).complete


def test_an_item_of_an_older_run_is_given_up() -> None:
    ledger, engines = MemoryLedger(), Engines()
    (item, *_) = split_page(PAGE, list)
    assert evaluate_item(item, engines, ledger, "2026-07-01", second, 1.0, may_give_up=False)
    assert engines.asked == []
    ledger.begin(NIGHT)
    assert progress("night", ledger).titles == ("a: a run as of 2026-07-01 has begun",)


@pytest.mark.parametrize("code", ["engine.unreachable", "engine.denied"])
@pytest.mark.parametrize("may_give_up", [False, True])
def test_an_item_is_never_given_up_because_engines_cannot_take_it(
    code: str, may_give_up: bool
) -> None:
    ledger = MemoryLedger()
    (item, *_) = split_page(PAGE, list)
    ledger.begin(NIGHT)
    with pytest.raises(UserError):
        evaluate_item(item, Engines("a", code), ledger, "", second, 1.0, may_give_up=may_give_up)
    assert progress("night", ledger).titles == ()


def test_a_customer_whom_engines_refuse_is_given_up_once_that_is_final() -> None:
    ledger = MemoryLedger()
    (item, *_) = split_page(PAGE, list)
    ledger.begin(NIGHT)
    with pytest.raises(UserError):
        evaluate_item(item, Engines("a"), ledger, "", second, 1.0, may_give_up=False)
    assert progress("night", ledger).titles == ()
    assert evaluate_item(item, Engines("a"), ledger, "", second, 1.0, may_give_up=True)
    assert progress("night", ledger).titles == ("a: no such customer",)


def item_of(count: int) -> FleetItem:
    names = tuple(f"C{number:02d}" for number in range(count))
    return FleetItem("night", "2026-06-30", NIGHT.ruleset, 0, 0, names)


@pytest.mark.parametrize("poison", ["C00", "C13", "C24"])
def test_a_customer_whom_engines_refuse_is_found_and_the_others_of_the_item_are_done(
    poison: str,
) -> None:
    ledger, engines, item = MemoryLedger(), Engines(poison), item_of(25)
    ledger.begin(NIGHT)
    given_up = evaluate_item(item, engines, ledger, "", second, 1.0, may_give_up=True)
    assert given_up is not None
    assert given_up.work == replace(item, customers=(poison,))
    assert sorted([*engines.done, poison]) == list(item.customers)
    assert progress("night", ledger).titles == (f"{poison}: no such customer",)


def test_several_refused_customers_of_an_item_are_named_with_the_reason_of_each() -> None:
    class Two(Engines):
        def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
            super().evaluate_item(item, seconds, one_try)
            for customer, reason in (("C03", "no money"), ("C20", "no name")):
                if customer in item.customers:
                    raise UserError("engine.refused", reason)

    ledger = MemoryLedger()
    ledger.begin(NIGHT)
    evaluate_item(item_of(25), Two(), ledger, "", second, 1.0, may_give_up=True)
    titles = progress("night", ledger).titles
    assert titles == ("C03 and 1 more: C03: no money; C20: no name",)


def test_an_item_is_tried_again_if_engines_go_away_while_it_is_halved() -> None:
    class GoingAway(Engines):
        def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
            super().evaluate_item(item, seconds, one_try)
            code = "engine.refused" if len(item.customers) > 10 else "engine.unreachable"
            raise UserError(code, "no")

    ledger = MemoryLedger()
    ledger.begin(NIGHT)
    with pytest.raises(UserError) as raised:
        evaluate_item(item_of(25), GoingAway(), ledger, "", second, 1.0, may_give_up=True)
    assert raised.value.code == "engine.unreachable"
    assert progress("night", ledger).titles == ()


def test_a_refusal_that_was_due_to_several_customers_together_leaves_the_item_done() -> None:
    class TooMany(Engines):
        def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
            super().evaluate_item(item, seconds, one_try)
            if len(item.customers) > 10:
                raise UserError("engine.refused", "too many")

    ledger = MemoryLedger()
    ledger.begin(NIGHT)
    assert evaluate_item(item_of(25), TooMany(), ledger, "", second, 1.0, may_give_up=True) is None
    (page,) = ledger.read("night")[1]
    assert page.done == {0}


def test_a_run_ends_although_all_its_messages_die_unseen_and_they_can_be_sent_again() -> None:
    queue, ledger, items = MemoryQueue(), MemoryLedger(), MemoryQueue()
    listed(NIGHT, queue, ledger)
    (lost, *others) = [message for message in queue.messages if isinstance(message, Page)]
    for page in others:
        make_items(page, list, items, ledger)
    assert not progress("night", ledger).ended
    for message in (lost, *items.messages):
        enter_dead_letter(message, ledger)
    found = progress("night", ledger)
    assert (found.ended, found.complete) == (True, False)
    assert (found.given_up_pages, found.given_up, found.unsplit) == (1, 2_245, 0)
    assert found.titles[0] == f"page 0, C00000 and 99 more: {DEAD_LETTER}"
    assert found.titles[1] == f"C00100: {DEAD_LETTER}"
    pages, again = MemoryQueue(), MemoryQueue()
    assert send_again("night", ledger, pages, again) == (1, 2_245)
    assert pages.messages == [lost]
    assert again.messages == items.messages
    assert progress("night", ledger).titles == ()
    pages.messages += others
    run_through(pages, ledger)
    assert progress("night", ledger).complete


def test_a_page_of_which_only_some_items_were_sent_is_not_split_and_can_be_given_up() -> None:
    ledger, queue = MemoryLedger(), MemoryQueue(room=2)
    ledger.begin(NIGHT)
    with pytest.raises(UserError, match="full"):
        make_items(PAGE, list, queue, ledger)
    for item in queue.messages:
        assert isinstance(item, FleetItem)
        assert not evaluate_item(item, Engines(), ledger, "", second, 1.0, may_give_up=True)
    (state,) = ledger.read("night")[1]
    assert (state.items, state.done) == (None, frozenset({0, 1}))


MORNING = datetime.datetime(2026, 6, 30, 6, tzinfo=zoneinfo.ZoneInfo("Europe/London"))


def problem(ledger: MemoryLedger, now: datetime.datetime = MORNING) -> str:
    return watch_night(ledger, run_of(ledger, now), now, datetime.time(6)).problem


def test_a_night_that_is_not_whole_in_time_says_what_is_missing() -> None:
    queue, ledger, items = MemoryQueue(), MemoryLedger(), MemoryQueue()
    before = MORNING - datetime.timedelta(minutes=1)
    assert problem(ledger, before) == ""
    assert problem(ledger) == "no run as of 2026-06-30 has begun"
    begun = ledger.begin(NIGHT)
    assert problem(ledger) == "its customers are not all listed: 0 pages so far"
    list_customers(begun, EVERYBODY, queue, ledger, lambda: True)
    assert problem(ledger) == "24 of 24 pages are not split"
    for page in queue.messages:
        assert isinstance(page, Page)
        make_items(page, list, items, ledger)
    assert problem(ledger, before) == ""
    assert problem(ledger) == "2,345 of 2,345 items are not done"
    run_through(queue, ledger)
    assert problem(ledger) == ""


def test_a_night_in_which_work_was_given_up_is_over_and_not_late() -> None:
    queue, ledger = MemoryQueue(), MemoryLedger()
    listed(NIGHT, queue, ledger)
    run_through(queue, ledger, poison="C00123")
    assert problem(ledger) == ""


def test_a_run_of_some_customers_is_not_the_night() -> None:
    ledger = MemoryLedger()
    ledger.begin(FleetRun("some", "2026-06-30", "d", prefix="C1"))
    assert problem(ledger) == "no run as of 2026-06-30 has begun"


@pytest.mark.parametrize(
    ("left", "items", "expected"),
    [(50.0, 10, 10.0), (50.0, 2, 25.0), (6.0, 10, 6.0), (-1.0, 3, 0.0), (9.0, 1, 9.0)],
)
def test_an_item_gets_its_share_of_the_time_and_one_try_at_least(
    left: float, items: int, expected: float
) -> None:
    assert share_of_time(left, items, one_try=10.0) == expected


def test_an_item_waits_longer_each_time_and_a_minute_at_most() -> None:
    assert [delay(receives) for receives in (1, 2, 3, 6, 1_000)] == [2, 4, 8, 60, 60]


def test_a_run_that_has_nobody_is_whole() -> None:
    ledger = MemoryLedger()
    listed(NIGHT, MemoryQueue(), ledger, People([]))
    assert progress("night", ledger).complete


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="is not a date such as"):
        _ = FleetRun("x", "30.6.2026", "d").date


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (Start(as_of="2026-06-30"), "2026-06-30"),
        (Start(scheduled="2026-06-29T23:30:00Z"), "2026-06-30"),  # it is summer time in London
        (Start(as_of="2026-07-01"), "ahead of time"),
        (Start(as_of="2026-02-30"), "as_of is '2026-02-30'"),
        (Start(), "as_of is None"),
    ],
)
def test_the_date_of_a_run_is_a_day_of_its_zone_and_not_to_come(
    start: Start, expected: str
) -> None:
    now = datetime.datetime(2026, 6, 30, 1, tzinfo=zoneinfo.ZoneInfo("Europe/London"))
    try:
        found = resolve_run(start, lambda: "d", now, 1, 0).as_of
    except UserError as error:
        found = error.message
    assert expected in found
