"""A store at an address as a whole: facts, consents, rulesets and results that machines share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import consistent
from tuppence.adapters.objects.address_place import MAX_TRIES, AddressPlace
from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.night_parts import NightResults
from tuppence.adapters.objects.nights import AddressNights, OpenResults, latest_night
from tuppence.adapters.objects.objects import Objects
from tuppence.bankdata.masking import Tokens
from tuppence.errors import UserError
from tuppence.facts.census import Census
from tuppence.facts.consent import Access, Consent, Use, limited_access
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.usecases.ledger import RunRecord

T = TypeVar("T")
CONSENTS: Final = "consents.json"


class StoreAddress:
    """A store at an address; as text it is the address.

    Args:
        address: The address.
        tokens: Names for identifiers that hold a card number.
    """

    def __init__(self, address: str, tokens: Tokens) -> None:
        self._objects = Objects(address)
        self._tokens = tokens
        self.rulesets = AddressRulesets(self._objects)

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
                self._record(consents_of(rows.customers["id"].to_list()))
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

    def read_results(self) -> NightResults:
        """Open the results of the last run that is finished.

        Raises:
            UserError: None is.
        """
        night, _ = latest_night(self._objects)
        folder = "" if night is None else night.folder if night.record.finished else night.before
        if not folder:
            message = f"{self}: no run over this store is finished"
            raise UserError(
                "results.missing", message, f"tuppence run --store {self} makes results"
            )
        return NightResults(self._objects, folder)

    def _limited(self, use: Use) -> dict[str, Access]:
        return limited_access(self._consents()[0], use)

    def _consents(self) -> tuple[list[Consent], str]:
        """Return all consents, and the version of their object."""
        try:
            data, version = self._objects.get(CONSENTS)
        except FileNotFoundError:
            return [], ""
        return msgspec.json.decode(data, type=list[Consent]), version

    def all_consents(self) -> Sequence[Consent]:
        """Return the consents of everybody."""
        return self._consents()[0]

    def erase_consents(self, customer: str) -> int:
        """Erase the consents of a customer, and return how many there were."""
        gone = [one for one in self.all_consents() if one.customer == customer]
        if gone:
            self._change_consents(lambda kept: [one for one in kept if one.customer != customer])
        return len(gone)

    def _record(self, consents: Iterable[Consent]) -> None:
        """Keep consents, in place of those of the same identifiers."""
        new = {(one.customer, one.id): one for one in consents}
        if new:
            self._change_consents(
                lambda kept: [*({(one.customer, one.id): one for one in kept} | new).values()]
            )

    def _change_consents(self, change: Callable[[list[Consent]], list[Consent]]) -> None:
        """Replace the consents, again and again until no other writer was faster."""
        for _ in range(MAX_TRIES):
            kept, version = self._consents()
            changed = change(kept)
            if changed == kept:
                return
            content = msgspec.json.encode(changed)
            if (
                self._objects.replace(CONSENTS, content, version)
                if version
                else self._objects.create(CONSENTS, content)
            ):
                return
        message = f"{self}/{CONSENTS}: other writers were faster {MAX_TRIES} times"
        raise UserError("store.busy", message, "run the same command again")
