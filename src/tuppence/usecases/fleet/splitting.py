"""Splits pages of customers into work items."""

from collections.abc import Callable, Sequence

from tuppence.usecases.fleet.messages import FleetItem, Page, chunks
from tuppence.usecases.fleet.ports import FleetLedger, Queue


def split_page(page: Page, rules: Callable[[], Sequence[str]]) -> list[FleetItem]:
    """Return the work items of a page.

    Args:
        page: Customers.
        rules: Returns the identifiers of the ruleset's rules; called only if an item gets some of
            them.
    """
    groups: list[tuple[str, ...] | None] = [None]
    if page.rules_per_item:
        groups = [tuple(part) for part in chunks(rules(), page.rules_per_item)]
    pairs = [
        (tuple(part), group)
        for part in chunks(page.customers, page.customers_per_item)
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
) -> int:
    """Split a page into work items, send them, and enter how many there are.

    Until it is entered the page stands for its items, so that a page of which only some items were
    sent counts as not split yet.

    Args:
        page: Customers.
        rules: See `split_page`.
        queue: Takes the items.
        ledger: Records how many items the page has.

    Returns:
        The number of items.

    Raises:
        UserError: Not all could be sent.
    """
    items = split_page(page, rules)
    queue.send(items)
    ledger.record(page.name, len(items))
    return len(items)
