"""Runs over a store at an address: their record, the facts they evaluate, and their results.

    runs/latest.json                  the run that was started last, replaced on condition
    runs/<run>/night.json             what the run evaluates
    runs/<run>/facts.json             the manifest of the facts when it began
    runs/<run>/census.json            the census of the facts
    runs/<run>/left.json              the parts that were left to do when it was begun or resumed

What a run has of each part is in `night_parts`. Its object in `done` is the moment at which a part
is done. Only the first one of a part is kept, so whoever comes later finds that the part is done.
"""

import contextlib
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as version_of
from typing import Final, Protocol

import msgspec

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.manifest import encode_manifest
from tuppence.adapters.objects.address_place import NIGHT_FACTS, AddressPlace
from tuppence.adapters.objects.address_rulesets import AddressRulesets
from tuppence.adapters.objects.night_parts import (
    done_name,
    encode_results,
    keep_problem,
    part_done,
    parts_done,
    problems_of,
    put_results,
    rows_of,
)
from tuppence.adapters.objects.objects import Objects
from tuppence.engine.columnar import Engine
from tuppence.errors import TransientError, UserError
from tuppence.facts.consent import Access
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.result import CustomerResults, ResultStore
from tuppence.rules.ruleset import read_ruleset
from tuppence.usecases.ledger import RunRecord, Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem, evaluate_part

LATEST: Final = f"{layout.RUNS}/latest.json"
_VERSION: Final = version_of("tuppence")
_logger: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 500
"""Number of customers whose results are written to another store of results at a time."""


class ClosableResults(ResultStore, Protocol):
    """Results that are closed after use."""

    def close(self) -> None:
        """End what keeps them open."""
        ...


OpenResults = Callable[[], ClosableResults]
"""Opens the results that apps read; it can be pickled, and equal ones are the same to a cache."""


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


class Left(msgspec.Struct, frozen=True):
    """The parts of a run that are left to do.

    Attributes:
        folder: The folder of the run.
        version: The version of this program that began the run.
        key: The path of the object that lists them in its bucket.
        count: Their number.
    """

    folder: str
    version: str
    key: str
    count: int


class AddressNights:
    """Runs at an address. Implements the port Nights.

    Args:
        objects: The objects of the store.
        facts: The facts of a run that begins.
        limited: Access by customer, for customers whose facts may not all be read.
        further: Opens a store of results to which each part writes what is new, too.
    """

    def __init__(
        self,
        objects: Objects,
        facts: FactStore,
        limited: Mapping[str, Access],
        further: OpenResults | None = None,
    ) -> None:
        self._objects = objects
        self._facts = facts
        self._limited = limited
        self._further = further

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
        older = [name for name in names if name < f"{layout.RUNS}/{night.number:06}-"]  # not newer
        self._objects.delete([name for name in older if not name.startswith(kept)])

    def doing(self, run_id: str) -> DoPart:
        """Return what does a part of a run.

        Raises:
            UserError: Another run has begun since.
        """
        return AddressPart(
            str(self._objects), self._current(run_id).folder, _VERSION, self._further
        )

    def problems(self, run_id: str) -> Mapping[str, PartProblem]:
        """Return why parts could not be done, by partition."""
        return problems_of(self._objects, self._current(run_id).folder)

    def list_left(self, run_id: str, parts: Sequence[WorkItem]) -> Left:
        """Put a list of the parts that are left to do, and return what their workers need."""
        folder = self._current(run_id).folder
        name = f"{folder}/left.json"
        self._objects.put(name, msgspec.json.encode(parts))
        return Left(folder, _VERSION, self._objects.path(name), len(parts))

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
        further: Opens a store of results to which the part writes what is new, too.
    """

    address: str
    folder: str
    version: str
    further: OpenResults | None = None

    def __call__(self, part: WorkItem) -> Tally | PartProblem:
        """Do a part, unless it is done; keep the reason if it cannot be done.

        Raises:
            TransientError: The store or the table of results cannot be reached; the reason is kept
                as well, and a later try may succeed.
        """
        if self.version != _VERSION:
            message = f"a worker has version {_VERSION}, and the run is of {self.version}"
            return PartProblem("run.version", message, "give all machines the same version")
        try:
            return _open_night(self.address, self.folder, self.further).do(part.partition)
        except TransientError as error:
            with contextlib.suppress(UserError):
                self._keep(part, PartProblem(error.code, error.message, error.hint))
            raise
        except UserError as error:
            problem = PartProblem(error.code, error.message, error.hint)
            if error.code == "run.superseded":  # its folder is gone, or soon will be
                return problem
        except Exception as error:
            _logger.exception("part failed", extra={"partition": part.partition})
            message = f"a fault of the program ended it: {type(error).__name__}"
            problem = PartProblem("run.failed", message, "the worker's log says where")
        self._keep(part, problem)
        return problem

    def _keep(self, part: WorkItem, problem: PartProblem) -> None:
        """Keep the reason why a part could not be done, for the end of the run."""
        keep_problem(Objects(self.address), self.folder, part.partition, problem)


class _OpenNight:
    """A run whose parts this process does: its facts, and an engine with its rules."""

    def __init__(self, address: str, folder: str, further: OpenResults | None) -> None:
        self._objects = Objects(address)
        self._folder = folder
        self._further = further
        try:
            begun = msgspec.json.decode(self._objects.get(f"{folder}/night.json")[0], type=Begun)
        except FileNotFoundError:
            raise _superseded(self._objects) from None
        self._before = begun.before
        self._facts = PermittedFacts(FactStore(_place(self._objects, folder)), begun.limited)
        schema = self._facts.schema
        content = AddressRulesets(self._objects).get(begun.record.ruleset)
        ruleset = read_ruleset(content, schema)
        self._engine = Engine(make_plan(ruleset, Date(begun.record.as_of), schema))

    def do(self, partition: str) -> Tally:
        """Do a part, unless it is done."""
        self._check_kept()
        done = part_done(self._objects, self._folder, partition)
        if done is not None:
            return done.tally
        before = {}
        if self._before and (earlier := part_done(self._objects, self._before, partition)):
            before = {row.customer_id: row for row in rows_of(self._objects, earlier)}
        rows, tally = evaluate_part(self._facts, self._engine, partition, before)
        self._write_further(rows)
        made = put_results(self._objects, self._folder, partition, encode_results(rows), tally)
        mine, entry = made.results, done_name(self._folder, partition)
        if not self._objects.create(entry, msgspec.json.encode(made)):
            made = part_done(self._objects, self._folder, partition) or made  # another worker's
            if made.results != mine:
                self._objects.delete([mine])
        try:
            self._check_kept()
        except TransientError:  # it is not known, and the part may be one of a finished run
            raise
        except UserError:  # somebody may have been erased meanwhile
            self._objects.delete([entry, mine])
            raise
        return made.tally

    def _check_kept(self) -> None:
        """Check that the run is the last one, or was finished before that.

        Raises:
            UserError: It is not.
        """
        night, _ = latest_night(self._objects)
        if night is None or self._folder not in {night.folder, night.before}:
            raise _superseded(self._objects)

    def _write_further(self, rows: Sequence[CustomerResults]) -> None:
        """Write what is new to the other store of results, before the part is done.

        Raises:
            UserError: Another run has begun since, whose results may be there.
        """
        if self._further is None:
            return
        with contextlib.closing(self._further()) as store:
            for start in range(0, len(rows), _AT_ONCE):
                night, _ = latest_night(self._objects)
                if night is None or night.folder != self._folder:
                    raise _superseded(self._objects)
                store.put(rows[start : start + _AT_ONCE])


@functools.lru_cache(maxsize=2)  # a run never changes: each process reads it once
def _open_night(address: str, folder: str, further: OpenResults | None) -> _OpenNight:
    return _OpenNight(address, folder, further)


def latest_night(objects: Objects) -> tuple[Night | None, str]:
    """Return the run that was started last, and the version of its entry."""
    try:
        data, version = objects.get(LATEST)
    except FileNotFoundError:
        return None, ""
    return msgspec.json.decode(data, type=Night), version


def abandon_night(objects: Objects) -> None:
    """Give up the run that was started last, if it is not finished, and delete what it has made.

    The run before it becomes the last one again. Workers that are still doing parts of the run find
    that it is not the last one, and keep nothing.

    Raises:
        UserError: Another run has begun meanwhile.
    """
    night, version = latest_night(objects)
    if night is None or night.record.finished:
        return
    if night.before:
        number = int(night.before.removeprefix(f"{layout.RUNS}/").partition("-")[0])
        begun = msgspec.json.decode(objects.get(f"{night.before}/night.json")[0], type=Begun)
        earlier = Night(number, record_in(objects, night.before), begun.before)
        if not objects.replace(LATEST, msgspec.json.encode(earlier), version):
            raise _superseded(objects)
    else:
        objects.delete([LATEST])
    objects.delete([name for name, _ in objects.names(night.folder)])


def record_in(objects: Objects, folder: str) -> RunRecord:
    """Return the record of a run that was finished, which its folder has from its beginning."""
    begun = msgspec.json.decode(objects.get(f"{folder}/night.json")[0], type=Begun)
    return msgspec.structs.replace(begun.record, finished=True)


def _place(objects: Objects, folder: str) -> AddressPlace:
    """Return the place of the facts of a run, as they were when it began."""
    return AddressPlace(objects, f"{folder}/{NIGHT_FACTS}", f"{folder}/{layout.CENSUS}")


def _superseded(objects: Objects) -> UserError:
    message = f"{objects}: another run was started meanwhile, or this one was abandoned"
    return UserError("run.superseded", message, "let one command at a time run rules over a store")
