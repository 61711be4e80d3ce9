"""A store as a whole: a folder with facts, consents, results, rulesets and rejected rows."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.corrections import Corrections
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.feed_file import FeedRecords
from tuppence.adapters.embedded.identifier_key import (
    has_identifier_key,
    identifier_key,
    removed_if_unused,
)
from tuppence.adapters.embedded.locking import consistent, locked
from tuppence.adapters.embedded.making import made_or_removed
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.sqlite import has_content
from tuppence.bankdata.masking import Tokens
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import Census
from tuppence.facts.consent import Consent, Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Schema
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, read_rules, read_ruleset
from tuppence.usecases.customer_store import StoredResults
from tuppence.usecases.ledger import RunRecord

T = TypeVar("T")


class StoreFolder:
    """A store. Implements the ports CustomerStore, EvaluatedStore and ConsentingStore.

    Each part is opened when it is needed, so that a command that waited for the lock sees the
    changes of the previous command.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.consents = Consents(path)
        self.corrections = Corrections(path)
        self.feed = FeedRecords(path)
        self.models = ModelDirectory(path / layout.MODELS)
        self.rejects = Rejects(path)
        self.rulesets = RulesetDirectory(path / layout.RULESETS)
        self.tokens = Tokens(lambda: identifier_key(path))

    def __str__(self) -> str:
        return str(self.path)

    @contextlib.contextmanager
    def lock(self, command: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock during a whole command, and remove segments that are no longer used.

        Args:
            command: Shown to commands that wait for this one.
            say: Called with one sentence before waiting for another command.

        Raises:
            UserError: There is no store, or another command did not release the lock.
        """
        self.facts()  # raises if there is no store, so that none is created
        with locked(self.path, command, say):
            self.facts().remove_unnamed()
            yield

    @contextlib.contextmanager
    def make(self, schema: Schema, command: str, say: Callable[[str], None]) -> Iterator[FactStore]:
        """Lock a store as `lock` does, and yield its facts; created if it does not exist.

        On an error nothing stays of a store that is new and has no facts yet, nor a secret that
        hides nothing.

        Args:
            schema: The attributes of customers; without any, those that the store has.
            command: Shown to commands that wait for this one.
            say: Called with one sentence before waiting for another command.

        Raises:
            UserError: The store exists and its customers have other attributes, or another command
                did not release the lock.
        """
        with made_or_removed(self.path, command, say):
            facts = FactStore.create(self.path, schema)
            facts.remove_unnamed()
            with removed_if_unused(self.path):
                yield facts

    # -- facts -----------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return self.facts().schema

    def facts(self) -> FactStore:
        """Open the facts.

        Raises:
            UserError: There is no store, or it is damaged.
        """
        return FactStore(self.path)

    def read_facts(self, read: Callable[[FactStore], T]) -> T:
        """Return the answer of a function that reads the facts, all as of one moment.

        Args:
            read: Reads the facts; called again if the store was changed meanwhile.
        """
        return consistent(lambda: read(self.facts()))

    def permitted_facts(self, use: Use, customer: str | None = None) -> PermittedFacts:
        """Return the facts that consents allow to be used.

        Args:
            use: The intended use.
            customer: The only customer that will be read; None for all.

        Raises:
            UserError: There is no store, or it is damaged.
        """
        return PermittedFacts(self.facts(), self.consents.limited(use, customer))

    def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
        """Return the answer of a function that reads the permitted facts, all as of one moment."""
        return consistent(lambda: read(self.permitted_facts(use)))

    def census(self) -> Census | None:
        """Return the figures about many customers, if there are any."""
        return self.facts().census

    def keep_census(self, census: Census) -> None:
        """Keep a census in place of the one that is there."""
        self.facts().keep_census(census)

    # -- one customer ----------------------------------------------------------------------------

    def name_of(self, customer: str) -> str:
        """Return the identifier of a customer in the store: a token if it may be a card number.

        A store of an older version may have the original identifier.

        Raises:
            UserError: The secret that tokens are made with is lost.
        """

        def is_name(identifier: str) -> bool:
            is_known = self.has_customer(identifier)
            return is_known or not has_identifier_key(self.path)  # without it nothing is hidden

        return self.tokens.name_of(customer, is_name)

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name."""
        return customer in self.facts().customers()["id"]

    def currency_of(self, customer: str) -> str:
        """Return the currency of a customer."""
        return self.read_facts(lambda facts: facts.currency_of(customer))

    def permitted_facts_of(self, customer: str, use: Use) -> FactBatch:
        """Return the facts of a customer that their consents allow to be used."""
        return consistent(lambda: self.permitted_facts(use, customer).find(customer))

    def consents_of(self, customer: str) -> Sequence[Consent]:
        """Return the consents of a customer."""
        return self.consents.of(customer)

    def results_of(self, customer: str) -> StoredResults:
        """Return the results of a customer, as of one moment."""
        with self.read_results() as database:
            return database.of(customer)

    # -- results ---------------------------------------------------------------------------------

    @property
    def has_results(self) -> bool:
        """True if anything has run in the store."""
        return has_content(self.path / layout.RESULTS)

    def results(self) -> Database:
        """Open the results and the ledger, which are created if they do not exist."""
        return Database(self.path / layout.RESULTS)

    def read_results(self) -> Database:
        """Open the results and the ledger for reading as of one moment.

        Raises:
            UserError: Nothing has run in this store.
        """
        if not self.has_results:
            message = f"{self}: there are no results here"
            raise UserError("results.missing", message, "tuppence run makes them")
        return Database(self.path / layout.RESULTS, reading=True)

    def erase_results(self, customers: Sequence[str]) -> None:
        """Erase the results of customers who are no longer in the store, and their feeds."""
        if customers and self.has_results:
            with self.results() as database:
                database.erase(*customers)
        for customer in customers:
            self.feed.erase(customer)

    def latest_run(self) -> RunRecord | None:
        """Return the run that was started last, or None."""
        if not self.has_results:
            return None
        with self.read_results() as database:
            return database.latest()

    def ruleset(self, digest: str) -> Ruleset:
        """Return a ruleset of earlier runs."""
        return read_ruleset(self.rulesets.get(digest), self.schema)

    def rules(self, digest: str) -> Mapping[str, Rule]:
        """Return the rules of a ruleset of earlier runs by identifier, without checking them."""
        return {rule.id: rule for rule in read_rules(self.rulesets.get(digest))}
