"""A directory of files that are named by the digests of their bytes, one of which is current."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tuppence.adapters.embedded.files import PUBLIC, disk_errors, read_file, write_atomically
from tuppence.errors import UserError


class Named(Protocol):
    """Bytes with the digest that names them."""

    @property
    def digest(self) -> str:
        """The name."""
        ...

    @property
    def content(self) -> bytes:
        """The bytes."""
        ...


class DigestDirectory(ABC):
    """A directory with one file each.

    Args:
        folder: The directory; created with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @abstractmethod
    def unknown(self, digest: str) -> UserError:
        """Return the error that there is nothing of this name."""

    @abstractmethod
    def damaged(self, path: Path, problem: str) -> UserError:
        """Return the error that a file is damaged."""

    def put(self, one: Named) -> None:
        """Store a thing, unless it is stored already."""
        path = self._folder / f"{one.digest}.json"
        if not path.exists():
            with disk_errors(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, one.content, PUBLIC)

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a thing.

        Raises:
            UserError: There is no such thing, or its file is damaged.
        """
        path = self._folder / f"{digest}.json"
        if not re.fullmatch("[0-9a-f]{16}", digest) or not path.is_file():
            raise self.unknown(digest)
        content = _read(path)
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            raise self.damaged(path, "damaged")
        return content

    def digests(self) -> Sequence[str]:
        """Return the digests of everything in the directory."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def current(self) -> str | None:
        """Return the digest of what was published last, or None."""
        path = self._folder / "current"
        if not path.is_file():
            return None
        digest = _read(path).decode("ascii", "replace").strip()
        if not re.fullmatch("[0-9a-f]{16}", digest):
            raise self.damaged(path, "damaged: it does not name a file beside it")
        return digest

    def publish(self, digest: str) -> None:
        """Make what is stored under a digest the current one."""
        self.get(digest)
        path = self._folder / "current"
        with disk_errors(path):
            write_atomically(path, digest.encode() + b"\n", PUBLIC)


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError("store.unreadable", message) from None
