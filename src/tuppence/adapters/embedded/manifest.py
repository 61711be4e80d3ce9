"""The manifest of a fact store: which partitions there are, and of which segments each consists.

The file `facts/manifest.json` is one JSON object. Replacing it is the moment a change takes place.
It verifies itself: `checksum` is the BLAKE2b digest (16 bytes, hexadecimal) of the file's bytes as
they are where `checksum` is empty, and a file that is not written exactly so is damaged.
"""

import hashlib
from typing import Final

import msgspec

from tuppence.errors import UserError
from tuppence.facts.imported import Import
from tuppence.facts.schema import Field

FORMAT: Final = 5
"""Transactions may be in several files of a segment since 5. The next write brings a manifest of an
earlier format up to date."""
_IN_ONE_FILE: Final = 4
_WITHOUT_IMPORTS: Final = 3
"""The format before the history of imports."""
_UNCHECKED: Final = 2
"""The format before that, which has no checksum."""
RESTORE: Final = (
    "restore the store from a copy that was made while nothing changed it, or import into a new one"
)
"""The hint of errors about damaged facts."""


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


class KeptImport(msgspec.Struct, frozen=True):
    """An import that can be taken back.

    Attributes:
        made: Record of the import.
        first_sequence: Number of its first transaction.
        segment: The rows that it read; None if it read none.
    """

    made: Import
    first_sequence: int
    segment: Segment | None = None


class Manifest(msgspec.Struct, frozen=True):
    """The content of a fact store.

    Attributes:
        format: Version of the file's format, as it was read.
        attributes: Customer fields beyond those that every store has.
        next_sequence: Number of the next new transaction.
        partitions: Partitions in the order in which they were added.
        imports: The history, oldest first.
        before: Rows that customers had before their first import of the history.
        next_import: Number of the next import.
    """

    format: int
    attributes: tuple[Field, ...]
    next_sequence: int = 0
    partitions: tuple[Partition, ...] = ()
    imports: tuple[KeptImport, ...] = ()
    before: tuple[Segment, ...] = ()
    next_import: int = 1


class _File(Manifest, frozen=True):
    """A manifest as it is written."""

    checksum: str = ""


class _FileWithoutImports(msgspec.Struct, frozen=True):
    """A manifest as it was written without a history."""

    format: int
    attributes: tuple[Field, ...]
    next_sequence: int
    partitions: tuple[Partition, ...]
    checksum: str = ""


def no_store(where: object) -> UserError:
    """Return the error that there is no store at a place."""
    hint = "tuppence synth or tuppence import makes one"
    return UserError("store.missing", f"{where}: there is no store here", hint)


def manifest_from(data: bytes, path: object) -> Manifest:
    """Decode a manifest.

    Args:
        data: The bytes of the file.
        path: Name of the file, for errors.

    Raises:
        UserError: It is damaged, or of another format.
    """
    try:
        stored = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("store.corrupt", f"{path}: damaged: {error}", RESTORE) from None
    names = Manifest.__struct_fields__
    manifest = Manifest(**{name: getattr(stored, name) for name in names})
    if (stored.format, stored.checksum) == (_UNCHECKED, ""):
        return manifest
    if stored.format not in {_UNCHECKED, _WITHOUT_IMPORTS, _IN_ONE_FILE, FORMAT}:
        message = f"{path}: of format {stored.format}, and this version reads {FORMAT}"
        raise UserError("store.format", message, "import again into a new store")
    is_earlier = stored.format in {_UNCHECKED, _WITHOUT_IMPORTS}
    if data != (_encode_earlier(manifest) if is_earlier else _encode(manifest, stored.format)):
        message = f"{path}: damaged: it does not have its checksum"
        raise UserError("store.corrupt", message, RESTORE)
    return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest's file in the present format."""
    return _encode(manifest)


def name_content(manifest: Manifest) -> str:
    """Return a digest of the content, whatever the format it was read from.

    It stays that of format 4, so that a later format does not make a run another one.
    """
    named = _encode(manifest, _IN_ONE_FILE)
    return hashlib.blake2b(named, digest_size=8).hexdigest()


def is_checked(manifest: Manifest) -> bool:
    """Return whether a manifest was read from a file with a checksum."""
    return manifest.format != _UNCHECKED


def _encode(manifest: Manifest, format_: int = FORMAT) -> bytes:
    """Return the bytes of the file."""
    return _with_checksum(_File(**(msgspec.structs.asdict(manifest) | {"format": format_})))


def _encode_earlier(manifest: Manifest) -> bytes:
    """Return the bytes of the file in the format without a history."""
    names = ("attributes", "next_sequence", "partitions")
    fields = {name: getattr(manifest, name) for name in names}
    return _with_checksum(_FileWithoutImports(_WITHOUT_IMPORTS, **fields))


def _with_checksum(file: _File | _FileWithoutImports) -> bytes:
    checksum = hashlib.blake2b(msgspec.json.encode(file), digest_size=16).hexdigest()
    return msgspec.json.encode(msgspec.structs.replace(file, checksum=checksum))
