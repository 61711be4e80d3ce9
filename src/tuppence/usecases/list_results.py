"""Lists the results of a store: one for each customer and rule."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tuppence.errors import UserError
from tuppence.results.result import CustomerResults, Result


class KeptResults(Protocol):
    """The results of everybody, as of one moment."""

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the stored results of some customers."""
        ...

    def scan(self) -> Iterable[CustomerResults]:
        """Return the stored results of all customers, in the order of their identifiers."""
        ...


class ListedStore(Protocol):
    """A store whose results are listed; as text it is the name of the store."""

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def read_results(self) -> AbstractContextManager[KeptResults]:
        """Open the results.

        Raises:
            UserError: Nothing has run in this store.
        """
        ...


def list_results(
    store: ListedStore, customer: str | None = None, rule: str | None = None
) -> Generator[tuple[CustomerResults, Result]]:
    """Yield results in the order of customers and rules, each with all that the customer has.

    Args:
        store: The store.
        customer: Only this customer's; everybody's where it is None.
        rule: Only this rule's; those of all rules where it is None.

    Raises:
        UserError: There are none.
    """
    customer = customer and store.name_of(customer)
    none_found = True
    with store.read_results() as kept:
        for row in kept.get([customer]).values() if customer else kept.scan():
            for result in row.results:
                if rule is None or result.rule_id == rule:
                    none_found = False
                    yield row, result
    if none_found:
        whose = f" of customer {customer}" if customer else f" of rule {rule}" if rule else ""
        message = f"{store}: there are no results{whose}"
        raise UserError("results.none", message, "tuppence results without options lists some")
