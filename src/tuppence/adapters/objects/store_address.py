"""A store at an address as a whole: facts, consents, rulesets and results that machines share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import consistent
from tuppence.adapters.objects.address_consents import AddressConsents
from tuppence.adapters.objects.address_place import AddressPlace
from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.night_parts import NightResults
from tuppence.adapters.objects.nights import AddressNights, OpenResults, latest_night, record_in
from tuppence.adapters.objects.objects import Objects
from tuppence.bankdata.masking import Tokens
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import Census
from tuppence.facts.consent import Access, Consent, Use, limited_access
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, read_rules, read_ruleset
from tuppence.usecases.customer_store import StoredResults
from tuppence.usecases.ledger import RunRecord

T = TypeVar("T")


class StoreAddress:
    """A store at an address; as text it is that. Implements the ports EvaluatedStore and RunStore.

    Args:
        address: The address.
        tokens: Names for identifiers that hold a card number.
    """

    def __init__(self, address: str, tokens: Tokens) -> None:
        self._objects = Objects(address)
        self._tokens = tokens
        self.rulesets = AddressRulesets(self._objects)
        self.consents = AddressConsents(self._objects)

    def __str__(self) -> str:
        return str(self._objects)

    def facts(self) -> FactStore:
        """Open the facts.

        Raises:
            UserError: There is no store, or it is damaged.
        """
        return FactStore(AddressPlace(self._objects))

    def permitted_facts(self, use: Use) -> PermittedFacts:
        """Return the facts that consents allow to be used."""
        return PermittedFacts(self.facts(), self._limited(use))

    def census(self) -> Census | None:
        """Return the census, if there is one."""
        return self.facts().census

    def keep_census(self, census: Census) -> None:
        """Keep a census in place of the one that is there."""
        self.facts().keep_census(census)

    def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
        """Return the answer of a function that reads the permitted facts, all as of one moment."""
        return consistent(lambda: read(self.permitted_facts(use)))

    def take(
        self,
        schema: Schema,
        parts: Iterable[Rows],
        consents_of: Callable[[Sequence[str]], Sequence[Consent]],
        partition_size: int,
    ) -> None:
        """Add the rows of another store, part after part; those that are there change nothing.

        Args:
            schema: The schema of the rows.
            parts: All rows of some customers at a time.
            consents_of: Returns the consents of some customers, which are kept before their rows.
            partition_size: Maximum number of customers of a partition.

        Raises:
            UserError: The customers at the address have other attributes.
        """
        facts = FactStore.create(AddressPlace(self._objects), schema)
        for rows in parts:
            if rows.customers is not None:
                self.consents.record(consents_of(rows.customers["id"].to_list()))
            facts.append(rows, partition_size)

    def nights(
        self, use: Use, further: OpenResults | None = None
    ) -> tuple[PermittedFacts, AddressNights]:
        """Return the facts that consents allow to be used, and the runs over them.

        Args:
            use: The intended use.
            further: Opens a store of results to which each part writes what is new, too.
        """
        facts, limited = self.facts(), self._limited(use)
        nights = AddressNights(self._objects, facts, limited, further)
        return PermittedFacts(facts, limited), nights

    def latest_run(self) -> RunRecord | None:
        """Return the run that was started last."""
        night, _ = latest_night(self._objects)
        return None if night is None else night.record

    def name_of(self, customer: str) -> str:
        """Return the identifier of a customer in the store: a token if it may be a card number."""
        return self._tokens.name_of(customer, lambda _: False)

    @property
    def has_results(self) -> bool:
        """True if a run over the store is finished."""
        return self._finished()[0] is not None

    def read_results(self) -> NightResults:
        """Open the results of the last run that is finished.

        Raises:
            UserError: None is.
        """
        found, _ = self._finished()
        if found is None:
            message = f"{self}: no run over this store is finished"
            raise UserError(
                "results.missing", message, f"tuppence run --store {self} makes results"
            )
        return found

    def _finished(self) -> tuple[NightResults | None, NightResults | None]:
        """Return the results of the last run that is finished, and of the run before it."""
        night, _ = latest_night(self._objects)
        if night is None:
            return None, None
        before = self._results_in(night.before) if night.before else None
        if not night.record.finished:
            return before, None
        return NightResults(self._objects, night.folder, night.record), before

    def _results_in(self, folder: str) -> NightResults:
        """Return the results of a run that was finished, before another one began."""
        return NightResults(self._objects, folder, record_in(self._objects, folder))

    # -- one customer ----------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return self.facts().schema

    def currency_of(self, customer: str) -> str:
        """Return the currency of a customer."""
        return consistent(lambda: self.facts().currency_of(customer))

    def permitted_facts_of(self, customer: str, use: Use) -> FactBatch:
        """Return the facts of a customer that their consents allow to be used."""
        limited = limited_access(self.consents.of(customer), use)
        return consistent(lambda: PermittedFacts(self.facts(), limited).find(customer))

    def consents_of(self, customer: str) -> Sequence[Consent]:
        """Return the consents of a customer."""
        return self.consents.of(customer)

    def results_of(self, customer: str) -> StoredResults:
        """Return the results of a customer of the last run that is finished.

        Raises:
            UserError: No run is finished, or there is no such customer.
        """
        found, earlier = self._finished()
        if found is None:
            found = self.read_results()  # raises
        partition = self.facts().partition_of(customer)
        row = found.find(partition, customer)
        before = None if earlier is None else earlier.find(partition, customer)
        return StoredResults(row, before, found.latest())

    def ruleset(self, digest: str) -> Ruleset:
        """Return a ruleset of earlier runs."""
        return read_ruleset(self.rulesets.get(digest), self.schema)

    def rules(self, digest: str) -> Mapping[str, Rule]:
        """Return the rules of a ruleset of earlier runs by identifier, without checking them."""
        return {rule.id: rule for rule in read_rules(self.rulesets.get(digest))}

    def _limited(self, use: Use) -> dict[str, Access]:
        """Return the access by customer, for customers whose facts may not all be read."""
        return limited_access(self.consents.all(), use)
