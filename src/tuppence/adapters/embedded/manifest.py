"""The manifest of a fact store: which partitions there are, and of which segments each consists.

The file `facts/manifest.json` is one JSON object. Replacing it is the moment a change takes place.
"""

from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded.files import write_atomically
from tuppence.errors import UserError
from tuppence.facts.schema import Field

FORMAT: Final = 2
RESTORE: Final = "restore the store from a copy, or import into a new one"
"""What to do about damaged facts."""


class Segment(msgspec.Struct, frozen=True):
    """An immutable folder of files.

    Attributes:
        name: Of the folder below `facts`.
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
        format: Version of the file's format.
        attributes: Customer fields beyond those that every store has.
        next_sequence: Number of the next new transaction.
        partitions: In the order in which they were added.
    """

    format: int
    attributes: tuple[Field, ...]
    next_sequence: int = 0
    partitions: tuple[Partition, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        UserError: There is none, it is damaged, or it is of another format.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        message = f"{path.parent.parent}: there is no store here"
        hint = "tuppence synth or tuppence import makes one"
        raise UserError("store.missing", message, hint) from None
    except msgspec.DecodeError as error:
        raise UserError("store.corrupt", f"{path}: damaged: {error}", RESTORE) from None
    if manifest.format != FORMAT:
        message = f"{path}: of format {manifest.format}, and this version reads {FORMAT}"
        raise UserError("store.format", message, "import again into a new store")
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put a manifest in place of the one that is there."""
    write_atomically(path, msgspec.json.encode(manifest))
