"""The manifest of a fact store: which partitions there are, and of which segments each consists.

The file `facts/manifest.json` is one JSON object. Replacing it is the moment a change takes place.
It verifies itself: `checksum` is the BLAKE2b digest (16 bytes, hexadecimal) of the file's bytes as
they are where `checksum` is empty, and a file that is not written exactly so is damaged.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded.files import read_file, write_atomically
from tuppence.errors import UserError
from tuppence.facts.schema import Field

FORMAT: Final = 3
_UNCHECKED: Final = 2
"""The format before, which has no checksum; the next write brings it up to date."""
RESTORE: Final = (
    "restore the store from a copy that was made while nothing changed it, or import into a new one"
)
"""What to do about damaged facts."""


class Segment(msgspec.Struct, frozen=True):
    """An immutable folder of files.

    Attributes:
        name: Name of the folder below `facts`.
        checksums: The size in bytes and the CRC-32 of each file, by name.
    """

    name: str
    checksums: dict[str, tuple[int, int]]


class Partition(msgspec.Struct, frozen=True):
    """Some customers with all their rows: the number of customers, of transactions, and segments.

    Where segments disagree about a row the later one holds.
    """

    name: str
    customers: int
    transactions: int
    segments: tuple[Segment, ...]


class Manifest(msgspec.Struct, frozen=True):
    """The content of a fact store.

    Attributes:
        format: Version of the file's format, as it was read.
        attributes: Customer fields beyond those that every store has.
        next_sequence: Number of the next new transaction.
        partitions: In the order in which they were added.
    """

    format: int
    attributes: tuple[Field, ...]
    next_sequence: int = 0
    partitions: tuple[Partition, ...] = ()


class _File(Manifest, frozen=True):
    """A manifest as it is written."""

    checksum: str = ""


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        UserError: There is none, it is damaged, or it is of another format.
    """
    try:
        data = read_file(path)
        stored = msgspec.json.decode(data, type=_File)
    except (FileNotFoundError, NotADirectoryError):
        message = f"{path.parent.parent}: there is no store here"
        hint = "tuppence synth or tuppence import makes one"
        raise UserError("store.missing", message, hint) from None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError("store.unreadable", message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("store.corrupt", f"{path}: damaged: {error}", RESTORE) from None
    names = Manifest.__struct_fields__
    manifest = Manifest(**{name: getattr(stored, name) for name in names})
    if (stored.format, stored.checksum) == (_UNCHECKED, ""):
        return manifest
    if stored.format not in {_UNCHECKED, FORMAT}:
        message = f"{path}: of format {stored.format}, and this version reads {FORMAT}"
        raise UserError("store.format", message, "import again into a new store")
    if data != _encode(manifest):
        message = f"{path}: damaged: it does not have its checksum"
        raise UserError("store.corrupt", message, RESTORE)
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put a manifest in place of the one that is there, in the present format."""
    write_atomically(path, _encode(manifest))


def name_content(manifest: Manifest) -> str:
    """Return a digest of the content, whatever the format it was read from."""
    return hashlib.blake2b(_encode(manifest), digest_size=8).hexdigest()


def is_checked(manifest: Manifest) -> bool:
    """Return whether a manifest was read from a file with a checksum."""
    return manifest.format != _UNCHECKED


def _encode(manifest: Manifest) -> bytes:
    """Return the bytes of the file."""
    fields = msgspec.structs.asdict(manifest) | {"format": FORMAT}
    bare = msgspec.json.encode(_File(**fields))
    checksum = hashlib.blake2b(bare, digest_size=16).hexdigest()
    return msgspec.json.encode(_File(**fields, checksum=checksum))
