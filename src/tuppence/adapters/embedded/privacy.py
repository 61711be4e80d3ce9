"""Access to the personal data of one customer in a store, to export or erase them."""

from collections.abc import Collection
from typing import Any, Generic, Protocol, TypeVar

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import consistent
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.adapters.embedded.traces import look_for
from tuppence.errors import UserError
from tuppence.facts.imported import Import
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.relevance.fitting import WINDOW
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.erase_customer import ErasedRows, Traces, accounts_in
from tuppence.usecases.export_personal_data import PersonalData
from tuppence.usecases.learn_order import read_log, renew_models


class PersonalSource(Protocol):
    """A store of facts and rules, in a folder or at an address."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    def facts(self) -> FactStore:
        """Open the facts."""
        ...

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store."""
        ...

    def ruleset(self, digest: str) -> Ruleset:
        """Return the ruleset that results were made with."""
        ...


Source = TypeVar("Source", bound=PersonalSource)


class PersonalReader(Generic[Source]):
    """Reads the facts of one customer in a store.

    Args:
        store: The store.
    """

    def __init__(self, store: Source) -> None:
        self._store = store

    def __str__(self) -> str:
        return str(self._store)

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return self._store.schema

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store."""
        return self._store.name_of(customer)

    def ruleset(self, digest: str) -> Ruleset:
        """Return the ruleset that results were made with."""
        return self._store.ruleset(digest)

    def rows_of(self, customer: str) -> Rows:
        """Return the facts of a customer; no rows if there is no such customer."""
        return rows_of_customer(self._store.facts(), customer)


class PersonalFolder(PersonalReader[StoreFolder]):
    """The data of one customer in a folder. Implements the ports PersonalStore and ErasableStore.

    The caller of erasing methods holds the lock of the store.
    """

    def personal_data(self, customer: str) -> PersonalData:
        """Return the data of a customer, read until two successive reads agree."""
        before, data = consistent(lambda: self._read(customer))
        while (again := consistent(lambda: self._read(customer)))[0] != before:
            before, data = again
        return data

    def erase_kept(self, customer: str, accounts: Collection[str]) -> ErasedRows:
        """Erase all that is kept of a customer beside the facts, and count it."""
        had_results = False
        if self._store.has_results:
            with self._store.results() as database:
                had_results = database.erase(customer)
        consents = self._store.consents.erase(customer)
        corrections = self._store.corrections.erase(customer)
        rejects = self._store.rejects.erase(customer, accounts)
        feed = self._store.feed.erase(customer)
        return ErasedRows(had_results, consents, rejects, corrections, feed)

    def erase_facts(self, customer: str) -> int:
        """Erase the facts of a customer, and then what a service has meanwhile kept of feeds.

        A service asks inside of each change whether the customer is there, so after this nothing
        more of them is kept.
        """
        self._store.facts().erase(customer)
        return self._store.feed.erase(customer)

    def renew_models(self) -> int:
        """Destroy all models of the order of feeds, and fit the published one again."""
        log = self._store.feed.log
        return renew_models(self._store.models, lambda: read_log(log(WINDOW)))[0]

    def look_for(self, customer: str, accounts: Collection[str]) -> Traces:
        """Read every file of the store for traces of a customer."""
        return look_for(self._store.path, customer, accounts)

    def _read(self, customer: str) -> tuple[Any, PersonalData]:
        """Return the data of a customer, preceded by values that change whenever they change."""
        facts = self._store.facts()
        rows = rows_of_customer(facts, customer)
        results = before = None
        if self._store.has_results:
            results, before, _ = self._store.results_of(customer)
        replaced = None if before == results else before
        rejects = self._store.rejects.of(customer, accounts_in(rows))
        kept = self._store.consents.of(customer), results, rejects
        read = [(made, facts.given(made.id, [customer])) for made in facts.imports()]
        imports: list[tuple[Import | None, Rows]] = [
            (made, given) for made, given in read if given.customers is not None
        ]
        if imports and (earlier := facts.rows_before([customer])).tables():
            imports.insert(0, (None, earlier))
        corrections = self._store.corrections.of(customer)
        feed = self._store.feed.export(customer)
        data = PersonalData(rows, *kept, imports, corrections, replaced, feed)
        return (facts.digest, *kept, corrections, replaced, feed), data


def rows_of_customer(facts: FactStore, customer: str) -> Rows:
    """Return the rows of a customer; none if there is no such customer."""
    try:
        return facts.rows_of(customer)
    except UserError as error:
        if error.code != "facts.unknown-customer":
            raise
        return Rows()
