"""Puts every customer of a run on a page."""

import datetime
import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date, parse_date
from tuppence.usecases.fleet.messages import (
    CUSTOMERS_PER_PAGE,
    PAGES_AT_ONCE,
    FleetRun,
    Page,
    Start,
    chunks,
    day_number,
)
from tuppence.usecases.fleet.ports import Customers, FleetLedger, Queue


def resolve_date(start: Start, zone: datetime.tzinfo | None) -> Date:
    """Return the date that a request names, or the day of its schedule in a time zone.

    Raises:
        UserError: It has neither, or `as_of` is not a date.
    """
    if start.as_of is None and start.scheduled is not None:
        moment = datetime.datetime.fromisoformat(start.scheduled)
        return Date(day_number(moment.astimezone(zone).date()))
    found = parse_date(start.as_of or "")
    if found is None:
        raise UserError("run.date", f"as_of is {start.as_of!r}", "give a date such as 2026-06-30")
    return found


def resolve_run(
    start: Start,
    current: Callable[[], str | None],
    now: datetime.datetime,
    customers_per_item: int,
    rules_per_item: int,
) -> FleetRun:
    """Return the run that a request stands for; the same request stands for the same run.

    Args:
        start: The request.
        current: Returns the digest of the ruleset that was published last.
        now: Time in the time zone in which days begin at midnight.
        customers_per_item: Number of customers in a work item.
        rules_per_item: Number of rules in a work item; 0 for all.

    Raises:
        UserError: A customer or the prefix is not an identifier, there is no ruleset or no date, or
            the date is in the future: after such a run every other would be an older one, and
            refused.
    """
    as_of = resolve_date(start, now.tzinfo)
    for customer in start.customers:
        check_identifier(customer, "customers")
    check_identifier(f"{start.prefix}0", "prefix")  # the rest of an identifier may follow
    if as_of.day > day_number(now.date()):
        message = f"a run as of {as_of} would be ahead of time"
        raise UserError("run.date", message, "give a date that is not in the future")
    ruleset = start.ruleset or current()
    if ruleset is None:
        message = "no ruleset has been published yet"
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


def continuation(run: FleetRun) -> Start:
    """Return a request that resumes a run with its ruleset, even if a newer one was published."""
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
    """Put the customers of a run on pages and send the pages, as long as there is time.

    Args:
        run: The run as it stands in the ledger.
        customers: Lists them.
        queue: For pages.
        ledger: Pages are entered before they are sent; those that may not have been sent are sent
            again by the next call.
        may_go_on: Returns whether there is time for more.

    Returns:
        The run as it stands: listed, or to be resumed.
    """
    while True:
        queue.send(list(_unsent_pages(run)))
        if run.listed or not may_go_on():
            return run
        found = tuple(_next_customers(run, customers))
        pages = -(-len(found) // CUSTOMERS_PER_PAGE)
        after = msgspec.structs.replace(
            run,
            cursor=found[-1] if found else run.cursor,
            pages=run.pages + pages,
            unsent=found,
            listed=not found,
        )
        now = ledger.compare_and_set(run, after)
        if now != after:
            return now  # another process lists this run, and sends its pages
        run = now


def _unsent_pages(run: FleetRun) -> Iterator[Page]:
    parts = list(chunks(run.unsent, CUSTOMERS_PER_PAGE))
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
    cursor = max(run.cursor, run.prefix[:-1])  # a customer named like the prefix comes after it
    while found := customers.page(cursor, run.date, limit):
        wanted = [one for one in found if one.startswith(run.prefix)]
        if wanted or found[-1] > run.prefix:
            return wanted
        cursor = found[-1]
    return ()
