"""Copies facts and consents between a store and a database."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from tuppence.errors import UserError
from tuppence.facts.consent import Consent
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

CUSTOMERS_PER_PARTITION: Final = 10_000
"""Maximum number of customers who are read from a database at a time."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agreement:
    """The consent that customers without one are given when they are loaded.

    Attributes:
        granted: Its first day.
        expires: The first day without it.
        jurisdiction: ISO 3166 alpha-2, for customers whose country is not known.
    """

    granted: Date
    expires: Date
    jurisdiction: str


class FactDatabase(Protocol):
    """A database of facts and consents."""

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Keep other loads out until the end of the block.

        A store is read in the block, so that a load which waited does not bring back what was
        there before the one that it waited for.
        """
        ...

    def load(
        self,
        schema: Schema,
        parts: Iterable[Rows],
        agreement: Agreement | None,
        consents_of: Callable[[Sequence[str]], Sequence[Consent]],
        names: Collection[str] = (),
    ) -> None:
        """Put facts into the database, all or none; what is there of the same key is replaced.

        Args:
            schema: The schema of the facts.
            parts: The facts.
            agreement: The consent of customers who are new and of whom none is known; None to give
                them none.
            consents_of: Returns the consents that are known of some customers.
            names: Names of parts of a store whose transactions the database has then.
        """
        ...

    def loaded(self) -> Collection[str]:
        """Return the names of parts of stores whose transactions the database has."""
        ...

    def everything(self) -> Iterator[Rows]:
        """Yield all facts, those of `CUSTOMERS_PER_PARTITION` customers at most at a time."""
        ...

    def consents(self, customers: Sequence[str]) -> Sequence[Consent]:
        """Return the consents of some customers."""
        ...


class StoredFacts(Protocol):
    """The facts of a store."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    @property
    def transaction_count(self) -> int:
        """The number of transactions."""
        ...

    def part_names(self) -> Collection[str]:
        """Return the names of the parts that the store consists of; none of them ever changes."""
        ...

    def parts(self, known: Collection[str] = ()) -> Iterator[Rows]:
        """Yield rows, some at a time; accounts and their customers before transactions.

        Args:
            known: Parts whose transactions may be left out.
        """
        ...

    def whole_customers(self, most: int) -> Iterator[Rows]:
        """Yield all rows of some customers at a time, at most of so many."""
        ...

    def append_all(self, parts: Iterable[Rows], partition_size: int) -> None:
        """Add rows, part after part; all of them or, on error, none."""
        ...


class SharedStore(Protocol):
    """A store at an address, to which many writers add."""

    def take(
        self,
        schema: Schema,
        parts: Iterable[Rows],
        consents_of: Callable[[Sequence[str]], Sequence[Consent]],
        partition_size: int,
    ) -> None:
        """Add rows, part after part; those that are there already change nothing."""
        ...


class StoredConsents(Protocol):
    """The consents of a store."""

    def of_all(self, customers: Sequence[str]) -> Sequence[Consent]:
        """Return the consents of some customers."""
        ...

    def record(self, consents: Iterable[Consent]) -> None:
        """Keep consents, in place of those of the same identifiers."""
        ...


class CopiedStore(Protocol):
    """A store that facts are copied from."""

    @property
    def consents(self) -> StoredConsents:
        """The consents."""
        ...

    def read_facts(self, read: Callable[[StoredFacts], T]) -> T:
        """Return the answer of a function that reads the facts, all as of one moment."""
        ...


def load_facts(
    store: CopiedStore,
    database: FactDatabase,
    agreement: Agreement | None,
    track: Callable[[Sequence[Rows]], Iterable[Rows]],
) -> int:
    """Put a store's facts and consents into a database, and return its number of transactions.

    Args:
        store: The store.
        database: The database.
        agreement: The consent of customers who are new there and of whom the store has none; None
            to give them none.
        track: Yields the parts of the facts, and shows how far the copy is.

    Raises:
        UserError: The customers have other attributes, or the database refuses a row.
    """

    def load(facts: StoredFacts) -> int:
        parts, names = track(list(facts.parts())), facts.part_names()
        database.load(facts.schema, parts, agreement, store.consents.of_all, names)
        return facts.transaction_count

    with database.turn():
        return store.read_facts(load)


def share_facts(store: CopiedStore, shared: SharedStore, advance: Callable[[int], None]) -> int:
    """Add a store's facts and consents to one at an address; return the number of transactions.

    Every `CUSTOMERS_PER_PARTITION` customers are a change of their own: after an interruption the
    same command adds the others.

    Args:
        store: The store.
        shared: The store at an address.
        advance: Called with the number of customers that were added.

    Raises:
        UserError: The customers have other attributes there.
    """

    def share(facts: StoredFacts) -> int:
        def parts() -> Iterator[Rows]:
            for rows in facts.whole_customers(CUSTOMERS_PER_PARTITION):
                yield rows
                advance(0 if rows.customers is None else rows.customers.height)

        shared.take(facts.schema, parts(), store.consents.of_all, CUSTOMERS_PER_PARTITION)
        return facts.transaction_count

    return store.read_facts(share)


def load_changes(store: CopiedStore, database: FactDatabase, agreement: Agreement | None) -> int:
    """Put what a database lacks of a store into it, and return how many transactions.

    Customers, accounts and consents are compared as a whole. Transactions are read from the parts
    of the store that the database has not loaded yet, of this store or an equal one.

    Args:
        store: The store.
        database: The database.
        agreement: The consent of new customers, as for `load_facts`.

    Raises:
        UserError: As from `load_facts`.
    """

    def load(facts: StoredFacts) -> int:
        count = 0

        def counted(known: Collection[str]) -> Iterator[Rows]:
            nonlocal count
            for rows in facts.parts(known):
                count += 0 if rows.transactions is None else rows.transactions.height
                yield rows

        parts, names = counted(database.loaded()), facts.part_names()
        database.load(facts.schema, parts, agreement, store.consents.of_all, names)
        return count

    with database.turn():
        return store.read_facts(load)


def dump_facts(database: FactDatabase, facts: StoredFacts, consents: StoredConsents) -> int:
    """Put a database's facts and consents into a store, and return its number of transactions.

    All of them become part of the store or, on an error, none.

    Args:
        database: The database.
        facts: The facts of the store.
        consents: Its consents.

    Raises:
        UserError: The database knows no consent of a customer: a store would take them for its
            owner, whose facts may be read without one.
    """

    def pages() -> Iterator[Rows]:
        agreed: list[Consent] = []
        for rows in database.everything():
            if rows.customers is not None:
                names = rows.customers["id"].to_list()
                found = database.consents(names)
                without = set(names) - {one.customer for one in found}
                if without:
                    message = f"the database has no consent of {len(without):,} customers"
                    hint = "in a store they would be its owners: record what they agreed to"
                    raise UserError("consent.none", message, hint)
                agreed += found
            yield rows
        consents.record(agreed)  # first: facts without one are the owner's

    facts.append_all(pages(), CUSTOMERS_PER_PARTITION)  # a page is a partition: nothing is merged
    return facts.transaction_count
