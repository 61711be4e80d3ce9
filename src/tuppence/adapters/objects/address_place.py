"""The facts of a store at an address, which many writers change without a lock.

A segment is one object: its files one after the other, of which the manifest has the sizes, so that
a reader fetches only the ranges that it needs. A writer puts new segments and then replaces the
manifest on the condition that nobody else has; otherwise it starts again from the new one.
"""

import datetime
from collections.abc import Callable, Collection, Mapping
from itertools import accumulate
from typing import Final, TypeVar

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.manifest import (
    Manifest,
    Segment,
    encode_manifest,
    manifest_from,
)
from tuppence.adapters.objects.objects import Objects
from tuppence.errors import UserError
from tuppence.facts.census import Census

T = TypeVar("T")
MANIFEST: Final = f"{layout.FACTS}/{layout.MANIFEST}"
NIGHT_FACTS: Final = "facts.json"
"""Name of the manifest of a night, in the folder of that night."""
MAX_TRIES: Final = 100
"""Number of times that a change starts again because another writer was first."""
_KEPT: Final = datetime.timedelta(days=1)
"""Time for which segments stay that no manifest names: their writer may still be at work."""


class _ReplacedError(Exception):
    """Raised when another writer has replaced the manifest."""


class AddressPlace:
    """Facts as objects. Implements the port Place.

    Args:
        objects: The objects of the store.
        manifest: Name of the manifest; a night has one of its own, which nobody replaces.
        census: Name of the census; so has a night.
    """

    in_columns = True

    def __init__(
        self, objects: Objects, manifest: str = MANIFEST, census: str = layout.CENSUS
    ) -> None:
        self._objects = objects
        self._manifest = manifest
        self._census = census
        self._tables: dict[tuple[str, str], pl.DataFrame] = {}

    def __str__(self) -> str:
        return str(self._objects)

    def make(self, manifest: Manifest) -> None:
        """Put a manifest there, unless there is one."""
        self._objects.create(self._manifest, encode_manifest(manifest))

    def read_manifest(self) -> tuple[Manifest, str]:
        """Return the manifest and its version."""
        try:
            data, version = self._objects.get(self._manifest)
        except FileNotFoundError:
            message = f"{self}: there is no store here"
            hint = f"tuppence load --store FOLDER --to {self} makes one"
            raise UserError("store.missing", message, hint) from None
        return manifest_from(data, f"{self}/{self._manifest}"), version

    def replace_manifest(self, manifest: Manifest, version: str) -> None:
        """Replace the manifest if it still is of this version.

        Raises:
            _ReplacedError: It is not; `change` starts again.
        """
        if not self._objects.replace(self._manifest, encode_manifest(manifest), version):
            raise _ReplacedError

    def change(self, step: Callable[[], T]) -> T:
        """Run a step until no other writer was faster.

        Raises:
            UserError: Another writer was faster each time.
        """
        for _ in range(MAX_TRIES):
            try:
                return step()
            except _ReplacedError:
                continue
        message = f"{self}: other writers were faster {MAX_TRIES} times"
        raise UserError("store.busy", message, "run the same command again")

    def read_files(self, segment: Segment, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of some files of a segment, of which only these are fetched."""
        sizes = [size for size, _ in segment.checksums.values()]
        starts = dict(zip(segment.checksums, accumulate(sizes, initial=0), strict=False))
        wanted = [name for name in segment.checksums if name in names]
        ranges = [(starts[name], starts[name] + segment.checksums[name][0]) for name in wanted]
        parts = self._objects.ranges(f"{layout.FACTS}/{segment.name}", ranges)
        return dict(zip(wanted, parts, strict=True))

    def remembered(self, key: tuple[str, str], read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return a table, fetched once: a writer asks for all customers again and again."""
        if key not in self._tables:
            self._tables[key] = read()
        return self._tables[key]

    def write_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Put a segment; its name says what it holds, so one that is there becomes a newer one."""
        self._objects.put(f"{layout.FACTS}/{name}", b"".join(files.values()))

    def read_census(self) -> Census | None:
        """Return the census in its object.

        Raises:
            UserError: It is damaged.
        """
        try:
            return msgspec.json.decode(self._objects.get(self._census)[0], type=Census)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            message = f"{self}/{self._census}: damaged: {error}"
            hint = "remove it: the next run takes a census again"
            raise UserError("store.corrupt", message, hint) from None

    def keep_census(self, census: Census | None) -> None:
        """Replace the object of the census, or delete it."""
        if census is None:
            self._objects.delete([self._census])
        else:
            self._objects.put(self._census, msgspec.json.encode(census, order="sorted"))

    def remove(self, kept: Collection[str]) -> None:
        """Delete segments that neither the manifest nor a night names, and no writer may need."""
        folder = f"{layout.FACTS}/"
        found = dict(self._objects.names(layout.FACTS))
        newest = max(found.values())
        unused = {
            name.removeprefix(folder)
            for name, put in found.items()
            if put < newest - _KEPT and not name.startswith(MANIFEST)
        } - {*kept}
        if unused:
            unused -= self._named_by_nights()
        self._objects.delete([folder + name for name in sorted(unused)])

    def _named_by_nights(self) -> set[str]:
        """Return the segments that the nights at the address evaluate."""
        named: set[str] = set()
        for name, _ in self._objects.names(layout.RUNS):
            if name.endswith(f"/{NIGHT_FACTS}"):
                manifest, _ = AddressPlace(self._objects, name).read_manifest()
                named |= {one.name for each in manifest.partitions for one in each.segments}
        return named
