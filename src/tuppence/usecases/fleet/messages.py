"""Runs, pages and work items, as they are sent and kept."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.feel.values import Date, parse_date
from tuppence.plain_text import whole_text

CUSTOMERS_PER_PAGE: Final = 100
PAGES_AT_ONCE: Final = 10
"""Pages that are listed, entered and sent together: as many messages as fit into one request."""
RunId = Annotated[str, Meta(pattern=whole_text("[A-Za-z0-9][A-Za-z0-9._:-]{0,99}"))]
T = TypeVar("T")


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request to begin a run, made by a schedule or by hand.

    Attributes:
        scheduled: Time of the schedule, such as 2026-06-30T01:00:00Z; its day is the run's date.
        as_of: The date of the run, in place of the schedule's day.
        ruleset: Digest; the ruleset that was published last if omitted.
        run_id: Name of the run; made of the date, the ruleset and the choice if omitted.
        prefix: Only customers whose identifier begins with this.
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
        run_id: Name of the run.
        as_of: The date that rules take for today, such as 2026-06-30.
        ruleset: Digest.
        customers_per_item: Number of customers in a work item.
        rules_per_item: Number of rules in a work item; 0 for all.
        prefix: Only customers whose identifier begins with this.
        chosen: Only these customers, in order; everybody if empty.
        cursor: The last customer who is on a page.
        pages: Number of pages that are entered; they are numbered from 0.
        unsent: The customers on the pages that were entered last, and may not be sent yet.
        listed: Whether every customer is on a page.
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
            UserError: `as_of` is not a date.
        """
        found = parse_date(self.as_of)
        if found is None:
            raise UserError("run.date", f"{self.as_of!r} is not a date such as 2026-06-30")
        return found


class PageName(NamedTuple):
    """The name of a page in the ledger."""

    run_id: str
    as_of: str
    number: int


class Page(msgspec.Struct, frozen=True, tag=True):
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
        """The name of this page in the ledger."""
        return PageName(self.run_id, self.as_of, self.number)

    @property
    def title(self) -> str:
        """A name of the page for a person."""
        return f"page {self.number:,}, {_people(self.customers)}"


class FleetItem(msgspec.Struct, frozen=True, tag=True):
    """Customers × rules of a run: a message of the invoke queue.

    Attributes:
        run_id: Name of the run.
        as_of: The date that rules take for today.
        ruleset: Digest.
        page: Number of the page that the item is from.
        number: Number of the item on its page, from 0.
        customers: The customers to evaluate.
        rules: The rules to evaluate; None for all.
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
        """The name of the item's page in the ledger."""
        return PageName(self.run_id, self.as_of, self.page)

    @property
    def title(self) -> str:
        """A name of the item for a person."""
        rules = "" if self.rules is None else f" by {len(self.rules)} rules from {self.rules[0]}"
        return f"{_people(self.customers)}{rules}"


class GivenUp(msgspec.Struct, frozen=True):
    """Work that was given up, as the ledger keeps it until it is sent again.

    Attributes:
        work: A page that could not be split, or an item with those of its customers who are not
            evaluated.
        reason: The reason why it was given up.
    """

    work: Page | FleetItem
    reason: str

    @property
    def title(self) -> str:
        """Its name and the reason, for a person."""
        return f"{self.work.title}: {self.reason}"


class PageState(msgspec.Struct, frozen=True):
    """The ledger's entry of a page.

    Attributes:
        number: Number of the page.
        items: Number of items that it was split into; None before it is split.
        done: Numbers of the items that are done.
        given_up: Each item that was given up, by number; some may have been done since.
        page: The page, if it was given up itself; it may have been split since.
    """

    number: int
    items: int | None
    done: frozenset[int]
    given_up: dict[int, GivenUp]
    page: GivenUp | None = None


def _people(customers: Sequence[str]) -> str:
    others = len(customers) - 1
    return f"{customers[0]}{f' and {others} more' if others else ''}"


def chunks(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive parts of a sequence; all but the last have `size` elements."""
    return (whole[start : start + size] for start in range(0, len(whole), size))


def day_number(date: datetime.date) -> int:
    """Return the days from 1970-01-01 to a date."""
    return (date - datetime.date(1970, 1, 1)).days
