"""A run by a fleet of small processes, none of which sees the whole of it.

    customers who agreed -> pages -> work items -> rules engines

Each step may be done twice, be broken off anywhere, and be done by several at once: every message
names what it is about, the ledger counts names and not messages, and it is told of work before the
work is handed on. So what is expected is exact, and what is missing has a name.
"""

import datetime
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date, parse_date

CUSTOMERS_PER_PAGE: Final = 100
PAGES_AT_ONCE: Final = 10
"""Pages that are asked for, entered and sent together: so many messages fit into one request."""
EPOCH: Final = datetime.date(1970, 1, 1)
T = TypeVar("T")
RunId = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a run is begun with: by a schedule, or by hand.

    Attributes:
        scheduled: When the schedule fired, such as 2026-06-30T01:00:00Z; its day is the run's date.
        as_of: The date in its place.
        ruleset: Digest; the one that was published last where it is left out.
        run_id: Name of the run; made of the date, the ruleset and the choice where it is left out.
        prefix: Only customers whose identifier begins so.
        customers: Only these customers.
    """

    scheduled: str | None = None
    as_of: str | None = None
    ruleset: str | None = None
    run_id: RunId | None = None
    prefix: str = ""
    customers: Annotated[tuple[str, ...], Meta(max_length=1_000)] = ()


class FleetRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run, and how far its customers are listed.

    Attributes:
        run_id: Names it.
        as_of: The date that rules take for today, such as 2026-06-30.
        ruleset: Digest.
        customers_per_item: How many customers travel together.
        rules_per_item: How many rules; all where it is 0.
        prefix: Only customers whose identifier begins so.
        chosen: Only these customers, in order, where there are any.
        cursor: The last customer who is on a page.
        pages: How many are entered; they are numbered from 0.
        unsent: The customers on the pages that were entered last, and may not be sent yet.
        listed: Every customer is on a page.
    """

    run_id: RunId
    as_of: str
    ruleset: str
    customers_per_item: Annotated[int, Meta(ge=1, le=1_000)] = 1
    rules_per_item: Annotated[int, Meta(ge=0, le=5_000)] = 0
    prefix: str = ""
    chosen: Annotated[tuple[str, ...], Meta(max_length=1_000)] = ()
    cursor: str = ""
    pages: int = 0
    unsent: tuple[str, ...] = ()
    listed: bool = False

    @property
    def date(self) -> Date:
        """The date that rules take for today.

        Raises:
            UserError: The text is not one.
        """
        found = parse_date(self.as_of)
        if found is None:
            raise UserError("run.date", f"{self.as_of!r} is not a date such as 2026-06-30")
        return found


class PageName(NamedTuple):
    """Names a page in the ledger."""

    run_id: str
    as_of: str
    number: int


class Page(msgspec.Struct, frozen=True):
    """Some customers of a run: a message of the customer queue."""

    run_id: str
    as_of: str
    ruleset: str
    number: int
    customers: tuple[str, ...]
    customers_per_item: int
    rules_per_item: int

    @property
    def name(self) -> PageName:
        """Of this page."""
        return PageName(self.run_id, self.as_of, self.number)


class FleetItem(msgspec.Struct, frozen=True):
    """Customers × rules of a run: a message of the invoke queue.

    Attributes:
        run_id: Of the run.
        as_of: The date that rules take for today.
        ruleset: Digest.
        page: Number of the page that it is from.
        number: Counted on the page.
        customers: Whom to evaluate.
        rules: By which rules; by all where it is None.
    """

    run_id: str
    as_of: str
    ruleset: str
    page: int
    number: int
    customers: tuple[str, ...]
    rules: tuple[str, ...] | None = None

    @property
    def page_name(self) -> PageName:
        """Of its page."""
        return PageName(self.run_id, self.as_of, self.page)

    @property
    def title(self) -> str:
        """What it is about, for a person."""
        first, others = self.customers[0], len(self.customers) - 1
        rules = "" if self.rules is None else f" by {len(self.rules)} rules from {self.rules[0]}"
        return f"{first}{f' and {others} more' if others else ''}{rules}"


class PageState(msgspec.Struct, frozen=True):
    """What the ledger knows of a page.

    Attributes:
        number: Of the page.
        items: How many it was cut into; None before it was.
        done: Their numbers.
        given_up: Titles of those that were given up, by number; some may have been done since.
    """

    number: int
    items: int | None
    done: frozenset[int]
    given_up: dict[int, str]


class Progress(msgspec.Struct, frozen=True):
    """Where a run stands.

    Attributes:
        run_id: Of the run.
        as_of: Its date.
        ruleset: Its digest.
        listed: Whether every customer is on a page.
        pages: How many there are.
        uncut: Pages that are not cut into items yet.
        items: How many are expected, of the pages that are cut.
        done: How many are done.
        dead_lettered: How many were given up, and not done since.
        whole: Everything is listed, cut and done.
        ended: Everything is listed and cut, and done or given up.
        titles: Of those that were given up.
    """

    run_id: str
    as_of: str
    ruleset: str
    listed: bool
    pages: int
    uncut: int
    items: int
    done: int
    dead_lettered: int
    whole: bool
    ended: bool
    titles: tuple[str, ...]


class FleetLedger(Protocol):
    """The book of a fleet's runs; whatever is entered twice counts once."""

    def begin(self, run: FleetRun) -> FleetRun:
        """Enter a run, or give the one of that name as it stands.

        Raises:
            UserError: There is a run of a later date, or the name stands for another run.
        """
        ...

    def move(self, before: FleetRun, after: FleetRun) -> FleetRun:
        """Put a run in place of what it was, if it still is that; what is there then."""
        ...

    def note(
        self,
        page: PageName,
        items: int | None = None,
        done: Iterable[int] = (),
        given_up: Iterable[FleetItem] = (),
    ) -> None:
        """Enter what became of a page: how many items it has, which are done or given up."""
        ...

    def read(self, run_id: str) -> tuple[FleetRun, Iterator[PageState]]:
        """A run and its pages, in any order.

        Raises:
            UserError: There is none of that name.
        """
        ...

    def latest(self) -> str:
        """The latest date of all runs that were begun; empty where there are none."""
        ...


class Queue(Protocol):
    """Takes messages, and loses none."""

    def send(self, messages: Sequence[Page | FleetItem]) -> None:
        """Send messages; some may be sent although others, or all, fail.

        Raises:
            UserError: Not all could be sent.
        """
        ...


class Customers(Protocol):
    """Lists who has agreed to be evaluated."""

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Those who have, in the order of their identifiers, beginning after one."""
        ...


class Evaluations(Protocol):
    """Running engines."""

    def evaluate_item(self, item: FleetItem, seconds: float) -> None:
        """Have an item evaluated and its results kept, within so many seconds.

        Raises:
            UserError: It could not be done.
        """
        ...


def requested_day(start: Start, zone: datetime.tzinfo | None) -> Date:
    """The date that somebody asks for, or that of the schedule.

    Raises:
        UserError: There is none, or it is not one.
    """
    if start.as_of is None and start.scheduled is not None:
        moment = datetime.datetime.fromisoformat(start.scheduled)
        return Date((moment.astimezone(zone).date() - EPOCH).days)
    found = parse_date(start.as_of or "")
    if found is None:
        raise UserError("run.date", f"as_of is {start.as_of!r}", "give a date such as 2026-06-30")
    return found


def requested(
    start: Start,
    current: Callable[[], str | None],
    now: datetime.datetime,
    customers_per_item: int,
    rules_per_item: int,
) -> FleetRun:
    """The run that somebody asks for; asked for again, it is the same one.

    Args:
        start: What was asked.
        current: Asks for the digest of the ruleset that was published last.
        now: In the time zone in which days begin at midnight.
        customers_per_item: How many customers travel together.
        rules_per_item: How many rules; all where it is 0.

    Raises:
        UserError: A customer or the prefix is no identifier, or there is no ruleset. There is no
            date, or it is to come: after such a run every other would be an older one, and refused.
    """
    as_of = requested_day(start, now.tzinfo)
    for customer in start.customers:
        check_identifier(customer, "customers")
    check_identifier(f"{start.prefix}0", "prefix")  # an identifier may go on after it
    if as_of.day > (now.date() - EPOCH).days:
        message = f"a run as of {as_of} would be ahead of time"
        raise UserError("run.date", message, "give a date that is not to come")
    ruleset = start.ruleset or current()
    if ruleset is None:
        message = "no ruleset was published yet"
        raise UserError("ruleset.none", message, "publish one, or name one")
    name = f"{as_of}-{ruleset}"
    if start.prefix or start.customers:
        chosen = " ".join([start.prefix, *sorted(start.customers)])
        name += f"-{hashlib.sha256(chosen.encode()).hexdigest()[:8]}"
    return FleetRun(
        start.run_id or name,
        str(as_of),
        ruleset,
        customers_per_item,
        rules_per_item,
        start.prefix,
        tuple(sorted(set(start.customers))),
    )


def again(run: FleetRun) -> Start:
    """What has the very same run gone on with, whatever was published meanwhile."""
    return Start(
        as_of=run.as_of,
        ruleset=run.ruleset,
        run_id=run.run_id,
        prefix=run.prefix,
        customers=run.chosen,
    )


def list_customers(
    run: FleetRun,
    customers: Customers,
    queue: Queue,
    ledger: FleetLedger,
    may_go_on: Callable[[], bool],
) -> FleetRun:
    """Put every customer of a run on a page, and send the pages; as far as time allows.

    Args:
        run: As the ledger has it.
        customers: Lists them.
        queue: For pages.
        ledger: Pages are entered before they are sent; those that may not have been sent are sent
            again by whoever goes on.
        may_go_on: Whether there is time for more.

    Returns:
        The run as it stands: listed, or to be gone on with.
    """
    while True:
        queue.send(list(_unsent(run)))
        if run.listed or not may_go_on():
            return run
        found = tuple(_next_customers(run, customers))
        pages = len(_parts(found, CUSTOMERS_PER_PAGE))
        after = msgspec.structs.replace(
            run,
            cursor=found[-1] if found else run.cursor,
            pages=run.pages + pages,
            unsent=found,
            listed=not found,
        )
        run = ledger.move(run, after)


def _unsent(run: FleetRun) -> Iterator[Page]:
    parts = _parts(run.unsent, CUSTOMERS_PER_PAGE)
    for number, part in enumerate(parts, run.pages - len(parts)):
        yield Page(
            run.run_id,
            run.as_of,
            run.ruleset,
            number,
            tuple(part),
            run.customers_per_item,
            run.rules_per_item,
        )


def _next_customers(run: FleetRun, customers: Customers) -> Sequence[str]:
    limit = CUSTOMERS_PER_PAGE * PAGES_AT_ONCE
    if run.chosen:
        return [one for one in run.chosen if one > run.cursor][:limit]
    cursor = max(run.cursor, run.prefix[:-1])  # whoever is called like the prefix comes after it
    while found := customers.page(cursor, run.date, limit):
        wanted = [one for one in found if one.startswith(run.prefix)]
        if wanted or found[-1] > run.prefix:
            return wanted
        cursor = found[-1]
    return ()


def cut(page: Page, rules: Callable[[], Sequence[str]]) -> list[FleetItem]:
    """The work items of a page.

    Args:
        page: Customers.
        rules: Asks for the identifiers of the ruleset's rules; only where an item gets some of
            them.
    """
    groups: list[tuple[str, ...] | None] = [None]
    if page.rules_per_item:
        groups = [tuple(part) for part in _parts(rules(), page.rules_per_item)]
    pairs = [
        (tuple(part), group)
        for part in _parts(page.customers, page.customers_per_item)
        for group in groups
    ]
    return [
        FleetItem(page.run_id, page.as_of, page.ruleset, page.number, number, customers, group)
        for number, (customers, group) in enumerate(pairs)
    ]


def make_items(
    page: Page,
    rules: Callable[[], Sequence[str]],
    queue: Queue,
    ledger: FleetLedger,
    *,
    last_try: bool,
) -> int:
    """Cut a page into work items, enter how many, and send them.

    Args:
        page: Customers.
        rules: As `cut` takes them.
        queue: For items.
        ledger: Where it is entered.
        last_try: If it fails now it is not tried again, so all items are entered as given up
            beforehand; those that are done after all count as done.

    Raises:
        UserError: Not all could be sent.
    """
    items = cut(page, rules)
    ledger.note(page.name, items=len(items), given_up=items if last_try else ())
    queue.send(items)
    return len(items)


def evaluate(
    item: FleetItem,
    engines: Evaluations,
    ledger: FleetLedger,
    latest: str,
    seconds: float,
    *,
    last_try: bool,
) -> None:
    """Have an item evaluated, and enter it as done.

    Args:
        item: The work.
        engines: Do it.
        ledger: Where it is entered.
        latest: The latest date of all runs: an item of an older one is given up, so that an older
            result never replaces a newer one.
        seconds: How long it may take.
        last_try: If it fails now it is not tried again. It is entered as given up beforehand,
            since who is ended for taking too long can enter nothing.

    Raises:
        UserError: It could not be done.
    """
    outdated = item.as_of < latest
    if last_try or outdated:
        ledger.note(item.page_name, given_up=[item])
    if not outdated:
        engines.evaluate_item(item, seconds)
        ledger.note(item.page_name, done=[item.number])


def progress(run_id: str, ledger: FleetLedger) -> Progress:
    """Where a run stands.

    Raises:
        UserError: There is none of that name.
    """
    run, states = ledger.read(run_id)
    cut_pages = items = done = 0
    titles: list[tuple[int, int, str]] = []
    for state in states:
        cut_pages += state.items is not None
        items += state.items or 0
        done += len(state.done)
        left = state.given_up.keys() - state.done
        titles += [(state.number, number, state.given_up[number]) for number in left]
    settled = run.listed and cut_pages == run.pages
    return Progress(
        run.run_id,
        run.as_of,
        run.ruleset,
        run.listed,
        run.pages,
        run.pages - cut_pages,
        items,
        done,
        len(titles),
        settled and done == items,
        settled and done + len(titles) == items,
        tuple(title for _, _, title in sorted(titles)),
    )


def _parts(whole: Sequence[T], size: int) -> list[Sequence[T]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]
