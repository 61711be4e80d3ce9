"""Erasing a customer from the services, beside engines that may be evaluating them.

Erasing takes facts first, so that no evaluation begins with them any more, and results after
them. An engine that has written results asks whether everybody is still there. If it asks before
the facts are gone, its results are there when results are erased; if it asks afterwards, it erases
them itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from tuppence.errors import UserError
from tuppence.facts.source import CustomerFacts
from tuppence.results.result import ResultStore


def erase_everywhere(
    customer: str,
    erase_facts: Callable[[], Mapping[str, int]],
    results: ResultStore,
    settle: Callable[[], None],
) -> tuple[Mapping[str, int], bool]:
    """Erase a customer; begun again after it was broken off, it goes on.

    Args:
        customer: The identifier.
        erase_facts: Erases facts and consents, and returns how many rows each table had.
        results: The results of everybody.
        settle: Waits until replicas of the facts, which engines may ask, have caught up.

    Returns:
        What `erase_facts` returned, and whether there were results.

    Raises:
        UserError: There is no such customer, or results of them were written again.
    """
    rows = erase_facts()
    had_results = results.erase(customer)
    if not any(rows.values()) and not had_results:
        raise UserError("facts.unknown-customer", f"there is no customer {customer}")
    settle()
    had_results = results.erase(customer) or had_results
    if results.get([customer]):
        message = f"results of {customer} were written again"
        raise UserError("privacy.left", message, "see who loads their facts, and forget them again")
    return rows, had_results


def erase_gone(
    customers: Sequence[str], facts: CustomerFacts, results: ResultStore
) -> Collection[str]:
    """Erase the results of those customers who do not exist, and return who they are."""
    gone = facts.gone(customers)
    for customer in results.get(gone):
        results.erase(customer)
    return frozenset(gone)
