"""The customers of a store at an address, as their feeds need them."""

from tuppence.adapters.embedded.people import Owner, earlier_of, person_of
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.usecases.compare_feeds import Earlier
from tuppence.usecases.feed_ports import Person


class AddressPeople:
    """The customers of a store at an address, of whom one at a time is read.

    Args:
        store: The store.
        purposes: Consents for these count, and for no others.
        vulnerable: A declared attribute that says who is vulnerable; None if none does.
    """

    def __init__(
        self, store: StoreAddress, purposes: frozenset[str], vulnerable: str | None
    ) -> None:
        self._store = store
        self._purposes = purposes
        self._vulnerable = vulnerable

    def find_with_earlier(self, customer: str, today: Date) -> tuple[Person, Earlier | None]:
        """Return the customer, and the same after the run before, if there was one.

        Raises:
            UserError: There is no such customer, or no results of theirs.
        """
        store = self._store
        flags = () if self._vulnerable is None else (self._vulnerable,)
        rows = store.facts().customers(*flags)
        row = next((one for one in rows.iter_rows(named=True) if one["id"] == customer), None)
        if row is None:
            message = f"{store}: there is no customer {customer}"
            hint = "tuppence results lists the customers"
            raise UserError("facts.unknown-customer", message, hint)
        owner = Owner(row["currency"], row[self._vulnerable] if self._vulnerable else False)
        stored = store.results_of(customer)
        found = (stored.results, stored.latest)
        person = person_of(store, customer, owner, *found, self._purposes, today, store.rules)
        return person, earlier_of(person, stored, store.rules)
