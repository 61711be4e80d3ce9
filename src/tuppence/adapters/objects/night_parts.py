"""The parts of a run over a store at an address: which are done, their results, and problems.

runs/<run>/results/<part>-<digest>    the results of a part, as Parquet
runs/<run>/done/<part>.json       the part is done: which results are its own, and their counts
runs/<run>/problems/<part>.json   why a part could not be done, the last time that it was tried
"""

import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec
import polars as pl

from tuppence.adapters.objects.objects import Objects
from tuppence.errors import UserError
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults
from tuppence.usecases.ledger import RunRecord, Tally
from tuppence.usecases.part_night import PartProblem

T = TypeVar("T")
_READERS: Final = 16
"""Number of objects that are read at the same time."""
_CORRUPT: Final = "the same rules as of the same day make them again, after the folder is removed"


class Done(msgspec.Struct, frozen=True):
    """A part that is done: the object with its results, their size and CRC-32, and the counts."""

    results: str
    checksum: tuple[int, int]
    tally: Tally


class NightResults:
    """The results of a run. Implements the ports KeptResults and StoredRun.

    Args:
        objects: The objects of the store.
        folder: The folder of the run.
        run: Its record.
    """

    def __init__(self, objects: Objects, folder: str, run: RunRecord) -> None:
        self._objects = objects
        self._folder = folder
        self._run = run

    def __enter__(self) -> "NightResults":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def latest(self) -> RunRecord:
        """Return the record of the run."""
        return self._run

    def find(self, partition: str, customer: str) -> CustomerResults | None:
        """Return the results of a customer of a partition; None if there are none."""
        done = part_done(self._objects, self._folder, partition)
        rows = () if done is None else rows_of(self._objects, done)
        return next((row for row in rows if row.customer_id == customer), None)

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
        rows = list(rows_of(objects, done))
        left = [row for row in rows if row.customer_id != customer]
        kept = done
        if len(left) < len(rows):
            found = True
            content = encode_results(left)
            kept = put_results(objects, folder, partition, content, done.tally)
            objects.put(done_name(folder, partition), msgspec.json.encode(kept))
        named.add(kept.results)
    names = [name for name, _ in objects.names(f"{folder}/results")]
    objects.delete([name for name in names if name not in named])
    return found


def put_results(
    objects: Objects, folder: str, partition: str, content: bytes, tally: Tally
) -> Done:
    """Put the results of a part under a name that says what they hold, and return its entry."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = f"{folder}/results/{partition}-{digest}"
    objects.put(name, content)
    return Done(name, (len(content), zlib.crc32(content)), tally)


def done_name(folder: str, partition: str) -> str:
    """Return the name of the entry that a part of a run is done."""
    return f"{folder}/done/{partition}.json"


def part_done(objects: Objects, folder: str, partition: str) -> Done | None:
    """Return the entry of a part that is done."""
    try:
        data, _ = objects.get(done_name(folder, partition))
    except FileNotFoundError:
        return None
    return msgspec.json.decode(data, type=Done)


def parts_done(objects: Objects, folder: str) -> list[tuple[str, Done]]:
    """Return the parts of a run that are done, by partition."""
    return _read_all(objects, f"{folder}/done", Done)


def _read_all(objects: Objects, folder: str, kind: type[T]) -> list[tuple[str, T]]:
    """Return what the objects of a folder say, by partition."""
    names = sorted(name for name, _ in objects.names(folder))
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(objects.get, names))
    return [
        (name.rpartition("/")[2].removesuffix(".json"), msgspec.json.decode(data, type=kind))
        for name, (data, _) in zip(names, found, strict=True)
    ]


def rows_of(objects: Objects, done: Done) -> Iterator[CustomerResults]:
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


def encode_results(rows: Sequence[CustomerResults]) -> bytes:
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


def keep_problem(objects: Objects, folder: str, partition: str, problem: PartProblem) -> None:
    """Keep the reason why a part could not be done, in place of an earlier one."""
    objects.put(f"{folder}/problems/{partition}.json", msgspec.json.encode(problem))


def problems_of(objects: Objects, folder: str) -> dict[str, PartProblem]:
    """Return the reasons why parts of a run could not be done, by partition."""
    return dict(_read_all(objects, f"{folder}/problems", PartProblem))
