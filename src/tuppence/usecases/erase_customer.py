"""Erases a customer: from a store, or from the services.

A store is locked meanwhile. The services are not: engines may be evaluating the customer. There
erasing takes facts first, so that no evaluation begins with them any more, and results after
them. An engine that has written results asks whether everybody is still there. If it asks before
the facts are gone, its results are there when results are erased; if it asks afterwards, it erases
them itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from tuppence.bankdata.masking import Tokens
from tuppence.errors import UserError
from tuppence.facts.rows import Rows
from tuppence.facts.source import CustomerFacts
from tuppence.results.result import ResultStore
from tuppence.usecases.feed_ports import FeedData


class Traces(NamedTuple):
    """The traces of an erased customer that a search of the store found.

    Attributes:
        files: Number of files that were read.
        left: Files, relative to the store, in which something of the customer is left.
        mentions: Rows of other people, and files about nobody, in which one of the names occurs.
    """

    files: int
    left: tuple[str, ...]
    mentions: int


class ErasableStore(Protocol):
    """A locked store that people are erased from; as text it is the name of the store."""

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def rows_of(self, customer: str) -> Rows:
        """Return the facts of a customer; no rows at all where there is no such customer."""
        ...

    def erase_kept(self, customer: str, accounts: Collection[str]) -> "ErasedRows":
        """Erase what is kept of a customer beside the facts."""
        ...

    def erase_facts(self, customer: str) -> int:
        """Erase the facts of a customer, and then what a service has meanwhile kept of feeds.

        Returns:
            The number of rows that a service has kept.
        """
        ...

    def renew_models(self) -> int:
        """Destroy all models of the order of feeds, and fit the published one again.

        Returns:
            The number of models that were destroyed.
        """
        ...

    def look_for(self, customer: str, accounts: Collection[str]) -> Traces:
        """Read the whole store for traces of a customer."""
        ...


class ErasedRows(NamedTuple):
    """The rows and files that were erased beside the facts.

    Attributes:
        results: Whether there were results.
        consents: Number of consents.
        rejects: Number of rows that imports had set aside.
        corrections: Number of corrections.
        feed: Number of views, events, states and choices of feeds.
    """

    results: bool
    consents: int
    rejects: int
    corrections: int
    feed: int


class ErasureReport(NamedTuple):
    """A summary of the data that was erased from a store.

    Attributes:
        accounts: Number of accounts.
        transactions: Number of transactions.
        results: Whether there were results.
        consents: Number of consents.
        rejects: Number of rows that imports had set aside.
        feed: Number of views, events, states and choices of feeds.
        models: Number of models of the order of feeds, which had learned from the customer.
        files: Number of files that were read afterwards.
        mentions: Rows of other people, and files about nobody, in which one of the names occurs.
    """

    accounts: int
    transactions: int
    results: bool
    consents: int
    rejects: int
    feed: int
    models: int
    files: int
    mentions: int


def erase_from_store(store: ErasableStore, customer: str) -> ErasureReport:
    """Erase a customer from a store, then read all of it again.

    Begun again after it was broken off, it goes on: the facts, which tell whose accounts are
    whose, are erased last.

    Raises:
        UserError: There is no such customer, or something of them is still there.
    """
    customer = store.name_of(customer)
    rows = store.rows_of(customer)
    accounts = accounts_in(rows)
    kept, late = store.erase_kept(customer, accounts), 0
    # Before the facts: while these are there, an erasure that was broken off does it again.
    models = store.renew_models() if rows.customers is not None or kept.feed else 0
    if rows.customers is not None:
        late = store.erase_facts(customer)
    if late:  # a service has kept something of them meanwhile
        models += store.renew_models()
    traces = store.look_for(customer, accounts)
    if traces.left:
        message = f"{store}: traces of this customer are left in {', '.join(traces.left)}"
        raise UserError("privacy.left", message, "nothing else is left: check these files")
    if rows.customers is None and not any(kept):
        message = f"{store}: there is no customer {customer}"
        hint = "tuppence results lists the customers"
        raise UserError("facts.unknown-customer", message, hint)
    transactions = 0 if rows.transactions is None else rows.transactions.height
    return ErasureReport(
        len(accounts),
        transactions,
        kept.results,
        kept.consents,
        kept.rejects,
        kept.feed + late,
        models,
        traces.files,
        traces.mentions,
    )


def accounts_in(rows: Rows) -> frozenset[str]:
    """Return the identifiers of the accounts among rows."""
    return frozenset(() if rows.accounts is None else rows.accounts["id"])


class ServiceCustomers(Protocol):
    """The customers of a database."""

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name."""
        ...


class ErasableDatabase(ServiceCustomers, Protocol):
    """A database that people are erased from."""

    def erase(self, customer: str) -> Mapping[str, int]:
        """Erase facts and consents of a customer, and return how many rows each table had."""
        ...


def name_in_services(
    database: ServiceCustomers, results: ResultStore, tokens: Tokens, customer: str
) -> str:
    """Return the name that the services have for a customer, as `name_of` does of a store.

    Raises:
        UserError: `privacy.key-missing`: they can have a token only, and there is no secret to
            make it with.
    """

    def is_name(identifier: str) -> bool:
        return database.has_customer(identifier) or bool(results.get([identifier]))

    return tokens.name_of(customer, is_name)


def erase_from_services(
    database: ErasableDatabase,
    results: ResultStore,
    tokens: Tokens,
    customer: str,
    settle: Callable[[], None],
    feeds: FeedData | None = None,
    renew_models: Callable[[], int] | None = None,
) -> tuple[Mapping[str, int], bool, int]:
    """Erase a customer; begun again after it was broken off, it goes on.

    Args:
        database: The facts and consents.
        results: The results of everybody.
        tokens: Names for identifiers that hold a card number.
        customer: The identifier, which may hold a card number.
        settle: Waits until replicas of the facts, which engines may ask, have caught up.
        feeds: The memory of feeds outside of the database; None if the database keeps it.
        renew_models: Destroys all models of the order of feeds, and fits the published one again;
            returns the number of models that were destroyed. None if there are none.

    Returns:
        How many rows each table had, whether there were results, and how many models were
        destroyed.

    Raises:
        UserError: There is no such customer, their token cannot be found without the secret, or
            results of them were written again.
    """
    customer = name_in_services(database, results, tokens, customer)
    rows = dict(database.erase(customer))
    if feeds is not None:  # after the facts, without which nothing more is kept of feeds
        rows["feed_table"] = feeds.erase(customer)
    # Whether or not there were rows: an erasure that was broken off may have erased them.
    models = 0 if renew_models is None else renew_models()
    had_results = results.erase(customer)
    if not any(rows.values()) and not had_results:
        hint = ""
        if models:
            hint = (
                f"{models} models were destroyed all the same: an earlier erasure may have failed"
            )
        raise UserError("facts.unknown-customer", f"there is no customer {customer}", hint)
    settle()
    had_results = results.erase(customer) or had_results
    if feeds is not None and any(feeds.export(customer).values()):
        message = f"something of the feeds of {customer} is left"
        raise UserError("privacy.left", message, "forget them again")
    if results.get([customer]):
        message = f"results of {customer} were written again"
        raise UserError("privacy.left", message, "see who loads their facts, and forget them again")
    return rows, had_results, models


def erase_gone(
    customers: Sequence[str], facts: CustomerFacts, results: ResultStore
) -> Collection[str]:
    """Erase the results of those customers who do not exist, and return who they are."""
    gone = facts.gone(customers)
    for customer in results.get(gone):
        results.erase(customer)
    return frozenset(gone)
