"""Exports and erases a customer of a store at an address; after erasing it reads all again."""

import datetime
import re
from collections.abc import Collection, Sequence
from typing import Final, Protocol

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.locking import consistent
from tuppence.adapters.embedded.privacy import PersonalReader
from tuppence.adapters.objects.address_consents import CONSENTS
from tuppence.adapters.objects.address_place import MANIFEST
from tuppence.adapters.objects.night_parts import erase_results, frame_of, parts_done
from tuppence.adapters.objects.nights import LATEST, Begun, latest_night
from tuppence.adapters.objects.objects import Objects
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.errors import UserError
from tuppence.usecases.erase_customer import ErasedRows, Traces
from tuppence.usecases.export_personal_data import PersonalData

NIGHT: Final = "/night.json"
UNNAMED: Final = datetime.timedelta(days=1)
"""Time after which nobody will name a segment any more."""
_PARQUET: Final = b"PAR1"
_TABLES: Final = re.compile(b"PAR1.*?PAR1", re.DOTALL)
"""Files of Parquet, which begin and end with these letters."""


class OlderVersions(Protocol):
    """Versions of objects that are kept although newer ones replace them, or they were deleted."""

    def older(self) -> Sequence[dict[str, str]]:
        """Return the key and version of each."""
        ...

    def delete(self) -> None:
        """Delete all of them for good."""
        ...


class PersonalAddress(PersonalReader[StoreAddress]):
    """The data of one customer at an address, to be read. Implements the port PersonalStore."""

    def personal_data(self, customer: str) -> PersonalData:
        """Return the data of a customer; imports, rejects and feeds stay in folders."""
        rows = consistent(lambda: self.rows_of(customer))
        results = before = None
        if rows.customers is not None and self._store.has_results:
            results, before, _ = self._store.results_of(customer)
        consents = self._store.consents_of(customer)
        return PersonalData(rows, consents, results, (), replaced=before)


class ErasableAddress(PersonalReader[StoreAddress]):
    """The data of one customer at an address. Implements the port ErasableStore.

    Args:
        store: The store.
        objects: Its objects.
        versions: Older versions of these; None where there can be none.

    Raises:
        UserError: A run over the store goes on, whose workers may keep results of the customer.
    """

    def __init__(
        self, store: StoreAddress, objects: Objects, versions: OlderVersions | None
    ) -> None:
        super().__init__(store)
        self._objects = objects
        self._versions = versions
        night, _ = latest_night(objects)
        if night is not None and not night.record.finished:
            message = f"{store}: the last run is not finished, and may keep results of a customer"
            hint = "finish it with the same tuppence run, or give it up with --abandon-run"
            raise UserError("run.unfinished", message, hint)

    def erase_kept(self, customer: str, accounts: Collection[str]) -> ErasedRows:  # noqa: ARG002
        """Erase consents and results, also those of the run before, and count them."""
        had_results = False
        self._objects.delete(self._of_superseded_runs())
        for folder in self._runs():
            had_results |= erase_results(self._objects, folder, customer)
            begun = self._begun(folder)
            if customer in begun.limited:
                limited = {name: one for name, one in begun.limited.items() if name != customer}
                left = msgspec.structs.replace(begun, limited=limited)
                self._objects.put(folder + NIGHT, msgspec.json.encode(left))
            self._objects.delete([f"{folder}/{layout.CENSUS}"])
        consents = self._store.consents.erase(customer)
        return ErasedRows(had_results, consents, 0, 0, 0)

    def erase_facts(self, customer: str) -> int:
        """Erase the facts of a customer, and delete all segments that are not named any more.

        Older versions of all objects go as well, since nobody can tell whom a version is about.
        A segment that was not named before may belong to a writer that will name it, until it is
        old.
        """
        facts = self._store.facts()
        before = {f"{layout.FACTS}/{name}" for name in facts.segment_names()}
        facts.erase(customer)
        found = dict(self._objects.names(layout.FACTS))
        named = {MANIFEST, *(f"{layout.FACTS}/{name}" for name in facts.segment_names())}
        long_ago = found[MANIFEST] - UNNAMED
        self._objects.delete(
            [
                name
                for name, put in found.items()
                if name not in named
                and not name.endswith(".lock")
                and (name in before or put < long_ago)
            ]
        )
        if self._versions is not None:
            self._versions.delete()
        return 0

    def renew_models(self) -> int:
        """Destroy no models: there are none at an address."""
        return 0

    def look_for(self, customer: str, accounts: Collection[str]) -> Traces:
        """Read every object of the store for traces of a customer.

        An object that nothing names is read as what it is, since compressed rows hide names.
        """
        facts = self._store.facts()
        left: list[str] = []
        owners = facts.owners()
        if customer in facts.customers()["id"] or owners["id"].is_in(list(accounts)).any():
            left.append(layout.FACTS)
        named = {f"{layout.FACTS}/{name}" for name in facts.segment_names()}
        names = [name for name, _ in self._objects.names("")]
        mentions = 0
        for folder in self._runs():
            for _, done in parts_done(self._objects, folder):
                frame, _ = frame_of(self._objects, done)
                named.add(done.results)
                if frame.select((pl.col("customer_id") == customer).any()).item():
                    left.append(done.results)
            if customer in self._begun(folder).limited:
                left.append(folder + NIGHT)
        if self._store.consents.of(customer):
            left.append(CONSENTS)
        for name in names:
            if name in named or name.startswith(f"{CONSENTS}/") or name.endswith(NIGHT):
                continue  # was read above, by its rows
            try:
                data, _ = self._objects.get(name)
            except FileNotFoundError:  # a writer has removed it meanwhile
                continue
            is_row_file = name.startswith(layout.FACTS) or "/results/" in name
            if is_row_file and name != MANIFEST and _names_one(data, {customer, *accounts}):
                left.append(name)
            elif customer.encode() in data:
                mentions += 1
        if self._versions is not None:
            left += [f"{one['Key']}, version {one['VersionId']}" for one in self._versions.older()]
        return Traces(len(names), tuple(left), mentions)

    def _of_superseded_runs(self) -> list[str]:
        """Return the objects of runs that are neither the last one nor that before it.

        Workers that were late have put them there, or a run was begun and never finished.
        """
        night, _ = latest_night(self._objects)
        kept = (LATEST,) if night is None else (LATEST, f"{night.folder}/", f"{night.before}/")
        names = (name for name, _ in self._objects.names(layout.RUNS))
        return [name for name in names if not name.startswith(kept)]

    def _runs(self) -> list[str]:
        """Return the folders of all runs."""
        names = (name for name, _ in self._objects.names(layout.RUNS))
        return sorted({name.removesuffix(NIGHT) for name in names if name.endswith(NIGHT)})

    def _begun(self, folder: str) -> Begun:
        return msgspec.json.decode(self._objects.get(folder + NIGHT)[0], type=Begun)


def _names_one(data: bytes, names: Collection[str]) -> bool:
    """Return whether an object holds one of some names, also in rows; true if it is damaged.

    A segment is several files one after the other: texts as JSON, and tables as Parquet.
    """
    texts = _TABLES.sub(b"", data)
    if _PARQUET in texts or any(msgspec.json.encode(name) in texts for name in names):
        return True
    for table in _TABLES.findall(data):
        try:
            frame = pl.read_parquet(table)
        except pl.exceptions.PolarsError:
            return True
        columns = (column for column in frame.iter_columns() if column.dtype == pl.String)
        if any(column.is_in(list(names)).any() for column in columns):
            return True
    return False
