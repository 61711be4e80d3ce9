"""The customers of a store, as feeds need them: opened once, and read again where they changed."""

import bisect
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.errors import UserError
from tuppence.facts.consent import Use, readable
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import has_rule
from tuppence.usecases.build_feed import frozen_day
from tuppence.usecases.compare_feeds import Earlier
from tuppence.usecases.customer_store import EvaluatedStore, StoredResults, day_of, no_results
from tuppence.usecases.feed_ports import Person
from tuppence.usecases.ledger import RunRecord


class Owner(NamedTuple):
    """The attributes of a customer whose feed is shown.

    Attributes:
        currency: The currency of the customer.
        vulnerable: Whether they are vulnerable; None if it is not known.
        address: The address to which they get mail; None if it is not known.
    """

    currency: str
    vulnerable: bool | None
    address: str | None = None


class StorePeople:
    """The customers of a store. Implements the ports People and Audience.

    Threads may share it.

    Args:
        store: The store.
        purposes: Consents for these count, and for no others.
        vulnerable: A declared attribute that says who is vulnerable; None if none does.
        address: A declared attribute that says where customers get mail; None if none does.
    """

    def __init__(
        self,
        store: StoreFolder,
        purposes: frozenset[str],
        vulnerable: str | None,
        address: str | None = None,
    ) -> None:
        self._store = store
        self._purposes = purposes
        self._vulnerable = vulnerable
        self._address = address
        self._lock = threading.Lock()
        self._owners: tuple[tuple[int, int], Mapping[str, Owner]] | None = None
        self._results: tuple[int, Database] | None = None
        self._rules: dict[str, Mapping[str, Rule]] = {}

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._results is not None:
                self._results[1].close()
                self._results = None

    def check(self) -> None:
        """Check that the store can be read, and that something has run in it.

        Raises:
            UserError: It cannot.
        """
        with self._lock:
            self._known()
            self._database()

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name."""
        with self._lock:
            return customer in self._known()

    def after(self, customer: str, limit: int) -> Sequence[str]:
        """Return the next customers after a name, in order of their names."""
        with self._lock:
            names = sorted(self._known())
        first = bisect.bisect_right(names, customer)
        return names[first : first + limit]

    def has_rule(self, rule_id: str) -> bool:
        """Return whether any ruleset that is kept has a rule of this name."""
        return has_rule(self._store.rulesets, rule_id)

    def find(self, customer: str, today: Date) -> Person:
        """Return the known facts about a customer and their results."""
        with self._lock:
            owner = self._owner(customer)
            return self._person(customer, owner, *self._database().evaluation(customer), today)

    def find_with_earlier(self, customer: str, today: Date) -> tuple[Person, Earlier | None]:
        """Return the customer, and the same after the run before, if there was one."""
        with self._lock:
            owner = self._owner(customer)
            stored = self._database().of(customer)
            person = self._person(customer, owner, stored.results, stored.latest, today)
            return person, earlier_of(person, stored, self._rules_of)

    def _owner(self, customer: str) -> Owner:
        owner = self._known().get(customer)
        if owner is None:
            message = f"{self._store}: there is no customer {customer}"
            hint = "tuppence results lists the customers"
            raise UserError("facts.unknown-customer", message, hint)
        return owner

    def _person(
        self,
        customer: str,
        owner: Owner,
        row: CustomerResults | None,
        latest: RunRecord | None,
        today: Date,
    ) -> Person:
        purposes, rules_of = self._purposes, self._rules_of
        return person_of(self._store, customer, owner, row, latest, purposes, today, rules_of)

    def _rules_of(self, digest: str) -> Mapping[str, Rule]:
        if digest not in self._rules:
            self._rules[digest] = self._store.rules(digest)
        return self._rules[digest]

    def _known(self) -> Mapping[str, Owner]:
        """Return all customers; an import replaces the manifest, which is then another file."""
        path = self._store.path / layout.FACTS / layout.MANIFEST
        state = _identity(path)
        if self._owners is None or self._owners[0] != state:
            flag, address = self._vulnerable, self._address
            others = {name for name in (flag, address) if name is not None}
            frame = self._store.read_facts(lambda facts: facts.customers(*sorted(others)))
            known = zip(
                frame["id"].to_list(),
                frame["currency"].to_list(),
                [False] * frame.height if flag is None else frame[flag].to_list(),
                [None] * frame.height if address is None else frame[address].to_list(),
                strict=True,
            )
            self._owners = state, {name: Owner(*rest) for name, *rest in known}
        return self._owners[1]

    def _database(self) -> Database:
        """Return the results; the file may be removed, to be computed again."""
        path = self._store.path / layout.RESULTS
        if not self._store.has_results:
            self._store.read_results()  # raises
        inode = _identity(path)[0]
        if self._results is None or self._results[0] != inode:
            if self._results is not None:
                self._results[1].close()
            self._results = inode, Database(path, following=True)
        return self._results[1]


def person_of(
    store: EvaluatedStore,
    customer: str,
    owner: Owner,
    row: CustomerResults | None,
    latest: RunRecord | None,
    purposes: frozenset[str],
    today: Date,
    rules_of: Callable[[str], Mapping[str, Rule]],
) -> Person:
    """Return a customer of a store with their results, as feeds need them.

    Args:
        store: The store.
        customer: Name of the customer in the store.
        owner: The customer's attributes.
        row: Their stored results.
        latest: The run that was started last.
        purposes: Consents for these count, and for no others.
        today: The day of the clock.
        rules_of: Returns the rules of a ruleset by identifier.

    Raises:
        UserError: There are no results of the customer.
    """
    if row is None:
        raise no_results(str(store), customer)
    as_of, frozen = day_of(row, latest), ""
    consents = store.consents_of(customer)
    if consents and not readable(consents, Use(purposes, today.day, as_of.day)):
        as_of, frozen = frozen_day(consents, Date(row.as_of), as_of)
    return Person(
        customer,
        row.results,
        row.version,
        rules_of(row.ruleset),
        row.ruleset,
        as_of,
        as_of,
        frozen,
        owner.currency,
        owner.vulnerable,
        owner.address,
    )


def earlier_of(
    person: Person, stored: StoredResults, rules_of: Callable[[str], Mapping[str, Rule]]
) -> Earlier | None:
    """Return a customer as they were after the run before, if there was one."""
    _, before, latest = stored
    if latest is None or latest.before is None:
        return None
    then = None
    if before is not None:
        then = person._replace(
            results=before.results,
            version=before.version,
            rules=rules_of(before.ruleset),
            ruleset=before.ruleset,
        )
    return Earlier(Date(latest.before), then)


def _identity(path: Path) -> tuple[int, int]:
    """Return numbers that differ between files of one name; zeros if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns
