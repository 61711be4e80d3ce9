"""Runs over a store at an address: their record, the facts they evaluate, and their results.

    runs/latest.json                  the run that was started last, replaced on condition
    runs/<run>/night.json             what the run evaluates
    runs/<run>/facts.json             the manifest of the facts when it began
    runs/<run>/census.json            the census of the facts
    runs/<run>/results/<part>-<digest>    the results of a part, as Parquet
    runs/<run>/done/<part>.json       the part is done: which results are its own, and their counts

The object in `done` is the moment at which a part is done. Only the first one of a part is kept, so
whoever comes later finds that the part is done.
"""

import functools
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as version_of
from typing import Any, Final

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.manifest import encode_manifest
from tuppence.adapters.objects.address_place import NIGHT_FACTS, AddressPlace
from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.objects import UNREACHABLE, Objects
from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.consent import Access
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults
from tuppence.rules.ruleset import read_ruleset
from tuppence.usecases.ledger import RunRecord, Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem, evaluate_part

LATEST: Final = f"{layout.RUNS}/latest.json"
_VERSION: Final = version_of("tuppence")
_READERS: Final = 16
"""Number of objects that are read at the same time."""
_CORRUPT: Final = "the same rules as of the same day make them again, after the folder is removed"


class Night(msgspec.Struct, frozen=True):
    """A run over a store at an address.

    Attributes:
        number: Its number among the runs of the store.
        record: Its record.
        before: The folder of the last run that was finished before it; empty if there was none.
    """

    number: int
    record: RunRecord
    before: str = ""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{layout.RUNS}/{self.number:06}-{self.record.run_id}"


class Begun(msgspec.Struct, frozen=True):
    """The input of a run beside the facts: its record, the run before, access by customer."""

    record: RunRecord
    before: str
    limited: dict[str, Access]


class Done(msgspec.Struct, frozen=True):
    """A part that is done: the object with its results, their size and CRC-32, and the counts."""

    results: str
    checksum: tuple[int, int]
    tally: Tally


class AddressNights:
    """Runs at an address. Implements the port Nights.

    Args:
        objects: The objects of the store.
        facts: The facts of a run that begins.
        limited: Access by customer, for customers whose facts may not all be read.
    """

    def __init__(self, objects: Objects, facts: FactStore, limited: Mapping[str, Access]) -> None:
        self._objects = objects
        self._facts = facts
        self._limited = limited

    def latest(self) -> RunRecord | None:
        """Return the run that was started last."""
        night, _ = latest_night(self._objects)
        return None if night is None else night.record

    def start(self, run: RunRecord) -> None:
        """Enter a run, with the facts that it evaluates; another command may have entered it."""
        while True:
            old, version = latest_night(self._objects)
            if old is not None and old.record.run_id == run.run_id and not old.record.finished:
                return
            night = Night(1, run)
            if old is not None:
                before = old.folder if old.record.finished else old.before
                day = old.record.as_of if old.record.finished else old.record.before
                night = Night(old.number + 1, msgspec.structs.replace(run, before=day), before)
            begun = Begun(night.record, night.before, dict(self._limited))
            self._objects.put(
                f"{night.folder}/{NIGHT_FACTS}", encode_manifest(self._facts.manifest)
            )
            _place(self._objects, night.folder).keep_census(self._facts.census)
            self._objects.put(f"{night.folder}/night.json", msgspec.json.encode(begun))
            content = msgspec.json.encode(night)
            is_first = old is None
            if (
                self._objects.create(LATEST, content)
                if is_first
                else self._objects.replace(LATEST, content, version)
            ):
                return

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """Return the parts that are done, by name."""
        night = self._current(run_id)
        parts = dict(parts_done(self._objects, night.folder))
        by_partition = {name.partition(":")[0]: name for name in night.record.items}
        return {by_partition[partition]: done.tally for partition, done in parts.items()}

    def finish(self, run_id: str, at: int | None = None) -> None:
        """Enter that all parts are done, and delete runs that nothing compares with any more."""
        night, version = latest_night(self._objects)
        if night is None or night.record.run_id != run_id:
            raise _superseded(self._objects)
        record = msgspec.structs.replace(night.record, finished=True, ended=at)
        content = msgspec.json.encode(msgspec.structs.replace(night, record=record))
        if not self._objects.replace(LATEST, content, version):
            raise _superseded(self._objects)
        kept = (f"{night.folder}/", f"{night.before}/", LATEST)
        names = [name for name, _ in self._objects.names(layout.RUNS)]
        self._objects.delete([name for name in names if not name.startswith(kept)])

    def doing(self, run_id: str) -> DoPart:
        """Return what does a part of a run.

        Raises:
            UserError: Another run has begun since.
        """
        return AddressPart(str(self._objects), self._current(run_id).folder, _VERSION)

    def _current(self, run_id: str) -> Night:
        night, _ = latest_night(self._objects)
        if night is None or night.record.run_id != run_id:
            raise _superseded(self._objects)
        return night


class AddressPart(msgspec.Struct, frozen=True):
    """Does a part of a run, on any machine that reaches the address.

    Attributes:
        address: The address of the store.
        folder: The folder of the run.
        version: The version of this program that began the run.
    """

    address: str
    folder: str
    version: str

    def __call__(self, part: WorkItem) -> Tally | PartProblem:
        """Do a part, unless it is done.

        Raises:
            UserError: The address cannot be reached; a later try may succeed.
        """
        if self.version != _VERSION:
            message = f"a worker has version {_VERSION}, and the run is of {self.version}"
            return PartProblem("run.version", message, "give all machines the same version")
        try:
            return _open_night(self.address, self.folder).do(part.partition)
        except UserError as error:
            if error.code == UNREACHABLE:
                raise
            return PartProblem(error.code, error.message, error.hint)


class _OpenNight:
    """A run whose parts this process does: its facts, and an engine with its rules."""

    def __init__(self, address: str, folder: str) -> None:
        self._objects = Objects(address)
        self._folder = folder
        begun = msgspec.json.decode(self._objects.get(f"{folder}/night.json")[0], type=Begun)
        self._before = begun.before
        self._facts = PermittedFacts(FactStore(_place(self._objects, folder)), begun.limited)
        schema = self._facts.schema
        content = AddressRulesets(self._objects).get(begun.record.ruleset)
        ruleset = read_ruleset(content, schema)
        self._engine = Engine(make_plan(ruleset, Date(begun.record.as_of), schema))

    def do(self, partition: str) -> Tally:
        """Do a part, unless it is done."""
        done = _done(self._objects, self._folder, partition)
        if done is not None:
            return done.tally
        before = {}
        if self._before and (earlier := _done(self._objects, self._before, partition)):
            before = {row.customer_id: row for row in _rows(self._objects, earlier)}
        rows, tally = evaluate_part(self._facts, self._engine, partition, before)
        made = _put_results(self._objects, self._folder, partition, _encode(rows), tally)
        mine = made.results
        if not self._objects.create(_done_name(self._folder, partition), msgspec.json.encode(made)):
            made = _done(self._objects, self._folder, partition) or made  # another worker's
            if made.results != mine:
                self._objects.delete([mine])
        return made.tally


@functools.lru_cache(maxsize=2)  # a run never changes: each process reads it once
def _open_night(address: str, folder: str) -> _OpenNight:
    return _OpenNight(address, folder)


class NightResults:
    """The results of a run. Implements the port KeptResults.

    Args:
        objects: The objects of the store.
        folder: The folder of the run.
    """

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self._folder = folder

    def __enter__(self) -> "NightResults":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the results of some customers."""
        wanted = set(customer_ids)
        return {row.customer_id: row for row in self.scan() if row.customer_id in wanted}

    def scan(self) -> Iterator[CustomerResults]:
        """Yield the results of all customers, in the order of their identifiers."""
        parts = [done for _, done in parts_done(self._objects, self._folder)]
        frames = [(number, frame_of(self._objects, done)) for number, done in enumerate(parts)]
        rows = [frame.with_columns(part=pl.lit(number)) for number, (frame, _) in frames]
        layouts = [known for _, (_, known) in frames]
        if rows:
            whole = pl.concat(rows).sort("customer_id")
            for customer, as_of, place, packed, number in whole.iter_rows():
                yield CustomerResults(customer, as_of, layouts[number][place], packed)


def erase_results(objects: Objects, folder: str, customer: str) -> bool:
    """Erase the results of a customer from a run, and return whether there were any.

    Results that no part names are deleted with them.
    """
    found, named = False, set[str]()
    for partition, done in parts_done(objects, folder):
        rows = list(_rows(objects, done))
        left = [row for row in rows if row.customer_id != customer]
        kept = done
        if len(left) < len(rows):
            found = True
            content = _encode(left)
            kept = _put_results(objects, folder, partition, content, done.tally)
            objects.put(_done_name(folder, partition), msgspec.json.encode(kept))
        named.add(kept.results)
    names = [name for name, _ in objects.names(f"{folder}/results")]
    objects.delete([name for name in names if name not in named])
    return found


def latest_night(objects: Objects) -> tuple[Night | None, str]:
    """Return the run that was started last, and the version of its entry."""
    try:
        data, version = objects.get(LATEST)
    except FileNotFoundError:
        return None, ""
    return msgspec.json.decode(data, type=Night), version


def _place(objects: Objects, folder: str) -> AddressPlace:
    """Return the place of the facts of a run, as they were when it began."""
    return AddressPlace(objects, f"{folder}/{NIGHT_FACTS}", f"{folder}/{layout.CENSUS}")


def _superseded(objects: Objects) -> UserError:
    message = f"{objects}: another run was started meanwhile"
    return UserError("run.superseded", message, "let one command at a time run rules over a store")


def _put_results(
    objects: Objects, folder: str, partition: str, content: bytes, tally: Tally
) -> Done:
    """Put the results of a part under a name that says what they hold, and return its entry."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = f"{folder}/results/{partition}-{digest}"
    objects.put(name, content)
    return Done(name, (len(content), zlib.crc32(content)), tally)


def _done_name(folder: str, partition: str) -> str:
    return f"{folder}/done/{partition}.json"


def _done(objects: Objects, folder: str, partition: str) -> Done | None:
    """Return the entry of a part that is done."""
    try:
        data, _ = objects.get(_done_name(folder, partition))
    except FileNotFoundError:
        return None
    return msgspec.json.decode(data, type=Done)


def parts_done(objects: Objects, folder: str) -> list[tuple[str, Done]]:
    """Return the parts of a run that are done, by partition."""
    names = sorted(name for name, _ in objects.names(f"{folder}/done"))
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(objects.get, names))
    return [
        (name.rpartition("/")[2].removesuffix(".json"), msgspec.json.decode(data, type=Done))
        for name, (data, _) in zip(names, found, strict=True)
    ]


def _rows(objects: Objects, done: Done) -> Iterator[CustomerResults]:
    """Yield the results of a part."""
    frame, layouts = frame_of(objects, done)
    for customer, as_of, place, packed in frame.iter_rows():
        yield CustomerResults(customer, as_of, layouts[place], packed)


def frame_of(objects: Objects, done: Done) -> tuple[pl.DataFrame, list[Layout]]:
    """Return the results of a part as a frame, with the layouts that they are packed in.

    Raises:
        UserError: They are missing or damaged.
    """
    try:
        data, _ = objects.get(done.results)
    except FileNotFoundError:
        raise UserError(
            "results.corrupt", f"{objects}/{done.results}: is missing", _CORRUPT
        ) from None
    if (len(data), zlib.crc32(data)) != done.checksum:
        message = f"{objects}/{done.results}: damaged: its checksum is not the one on record"
        raise UserError("results.corrupt", message, _CORRUPT)
    known = pl.read_parquet_metadata(io.BytesIO(data))["layouts"]
    return pl.read_parquet(data), msgspec.json.decode(known, type=list[Layout])


def _encode(rows: Sequence[CustomerResults]) -> bytes:
    """Return results as a Parquet file; equal results give equal bytes."""
    layouts: dict[int, tuple[int, Layout]] = {}
    for row in rows:
        layouts.setdefault(id(row.layout), (len(layouts), row.layout))
    columns: dict[str, Any] = {
        "customer_id": pl.Series([row.customer_id for row in rows], dtype=pl.String),
        "as_of": pl.Series([row.as_of for row in rows], dtype=pl.Int32),
        "layout": pl.Series([layouts[id(row.layout)][0] for row in rows], dtype=pl.Int32),
        "packed": pl.Series([row.packed for row in rows], dtype=pl.Binary),
    }
    known = msgspec.json.encode([layout for _, layout in layouts.values()]).decode()
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer, metadata={"layouts": known})
    return buffer.getvalue()
