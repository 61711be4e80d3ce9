"""The place where the facts of a store are kept: a folder of this machine, or one at an address."""

import functools
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.census_file import read_census, remove_census, write_census
from tuppence.adapters.embedded.files import (
    disk_errors,
    make_private_folder,
    read_file,
    write_atomically,
    write_folder,
)
from tuppence.adapters.embedded.locking import locked
from tuppence.adapters.embedded.manifest import (
    Manifest,
    Segment,
    encode_manifest,
    manifest_from,
    no_store,
)
from tuppence.errors import UserError
from tuppence.facts.census import Census

P = ParamSpec("P")
T = TypeVar("T")


class Place(Protocol):
    """Keeps a manifest and the segments that it names; as text it is the name of the store.

    Attributes:
        in_columns: Whether each column of transactions is a file of its own, so that it can be read
            without the others.
    """

    in_columns: bool

    def make(self, manifest: Manifest) -> None:
        """Put a manifest there, unless there is one."""
        ...

    def read_manifest(self) -> tuple[Manifest, str]:
        """Return the manifest, and the name of this version of it.

        Raises:
            UserError: There is none, or it is damaged.
        """
        ...

    def replace_manifest(self, manifest: Manifest, version: str) -> None:
        """Put a manifest in place of a version of it; only within `change`."""
        ...

    def change(self, step: Callable[[], T]) -> T:
        """Run a step that reads the manifest and replaces it, and return what it returns.

        Where another writer replaces the manifest meanwhile, the step runs again.
        """
        ...

    def read_files(self, segment: Segment, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of some files of a segment.

        Raises:
            OSError: They cannot be read.
        """
        ...

    def remembered(self, key: tuple[str, str], read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return a table of a segment, by the names of both, which may have been read before."""
        ...

    def write_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a segment; one of that name holds the same already."""
        ...

    def read_census(self) -> Census | None:
        """Return the census that is kept beside the facts; None if there is none."""
        ...

    def keep_census(self, census: Census | None) -> None:
        """Keep a census in place of the one that is there, or none; only within `change`."""
        ...

    def remove(self, kept: Collection[str]) -> None:
        """Remove all segments but those named, as far as no other writer can need them."""
        ...


class Placed(Protocol):
    """Facts in a place, read from one version of its manifest."""

    place: Place

    def reload(self) -> None:
        """Read the newest manifest."""
        ...


S = TypeVar("S", bound=Placed)


def changing(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Return a method that starts from the newest manifest, as one change; see `Place.change`."""

    @functools.wraps(method)
    def change(self: S, /, *arguments: P.args, **options: P.kwargs) -> T:
        def step() -> T:
            self.reload()
            return method(self, *arguments, **options)

        return self.place.change(step)

    return change


class FolderPlace:
    """A folder of this machine, which one command changes at a time. Implements the port Place.

    Args:
        root: The store's directory; the facts are in `facts` below it.
        for_writing: Keep what was read of customers and accounts: a writer asks for all of them
            several times for each file that it imports, and segments never change.
    """

    in_columns = False

    def __init__(self, root: Path, *, for_writing: bool = False) -> None:
        self._root = root
        self._tables: dict[tuple[str, str], pl.DataFrame] | None = {} if for_writing else None
        self._folder = root / layout.FACTS
        self._path = self._folder / layout.MANIFEST

    def __str__(self) -> str:
        return str(self._root)

    def make(self, manifest: Manifest) -> None:
        """Put a manifest there, unless there is one."""
        with locked(self._root), disk_errors(self._folder):
            if not self._path.exists():
                make_private_folder(self._folder)
                write_atomically(self._path, encode_manifest(manifest))

    def read_manifest(self) -> tuple[Manifest, str]:
        """Return the manifest; under the lock its version need not be known."""
        try:
            data = read_file(self._path)
        except (FileNotFoundError, NotADirectoryError):
            raise no_store(self._root) from None
        except OSError as error:
            message = f"{self._path}: cannot be read: {error.strerror}"
            raise UserError("store.unreadable", message) from None
        return manifest_from(data, self._path), ""

    def replace_manifest(self, manifest: Manifest, version: str) -> None:  # noqa: ARG002
        """Replace the manifest by a rename."""
        write_atomically(self._path, encode_manifest(manifest))

    def change(self, step: Callable[[], T]) -> T:
        """Run a step while holding the store's lock."""
        with locked(self._root), disk_errors(self._folder):
            return step()

    def read_files(self, segment: Segment, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of some files of a segment."""
        return {name: read_file(self._folder / segment.name / name) for name in names}

    def remembered(self, key: tuple[str, str], read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return a table: for readers as it is on the disk now."""
        if self._tables is None:
            return read()
        if key not in self._tables:
            self._tables[key] = read()
        return self._tables[key]

    def write_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a folder, unless it is there."""
        write_folder(self._folder / name, files)

    def read_census(self) -> Census | None:
        """Return the census in its file."""
        return read_census(self._root)

    def keep_census(self, census: Census | None) -> None:
        """Replace the file of the census, or remove it."""
        if census is None:
            remove_census(self._root)
        else:
            write_census(self._root, census)

    def remove(self, kept: Collection[str]) -> None:
        """Remove all folders but those of some segments."""
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in kept:
                shutil.rmtree(folder)
