"""Files that people open themselves, such as CSV, each with its checksum in a file beside it.

    statement.csv.rejects.csv        the file
    statement.csv.rejects.csv.sum    JSON: its size and CRC-32; of two files while one is replaced

A file of an older store has no checksum until `tuppence store compact` adds it.
"""

import zlib
from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded.files import (
    PRIVATE,
    make_private_folder,
    read_file,
    write_atomically,
)
from tuppence.errors import UserError

ENDING: Final = ".sum"

_Checksum = tuple[int, int]


def write_checked(path: Path, content: bytes) -> None:
    """Write a file in place of the one that is there.

    A kill at any moment leaves the old file or the new one, each with its checksum.
    """
    make_private_folder(path.parent)
    new = _checksum(content)
    old = [_checksum(read_file(path))] if path.exists() else []
    write_atomically(_beside(path), msgspec.json.encode([new, *old]))
    write_atomically(path, content)
    write_atomically(_beside(path), msgspec.json.encode([new]))


def read_checked(path: Path, remedy: str) -> bytes:
    """Return the content of a file.

    Args:
        path: The file.
        remedy: Advice for a damaged file.

    Raises:
        OSError: It cannot be read.
        UserError: It does not have its checksum.
    """
    content = read_file(path)
    while has_checksum(path):
        try:
            known = msgspec.json.decode(read_file(_beside(path)), type=list[_Checksum])
        except (msgspec.DecodeError, UnicodeDecodeError):
            known = []
        if _checksum(content) in known:
            break
        before, content = content, read_file(path)
        if content == before:  # else it was replaced meanwhile
            message = f"{path}: damaged or edited: it does not have its checksum"
            raise UserError("store.corrupt", message, remedy)
    return content


def remove_checked(path: Path) -> None:
    """Remove a file with its checksum, where it is there."""
    path.unlink(missing_ok=True)
    _beside(path).unlink(missing_ok=True)


def remove_orphans(folder: Path) -> None:
    """Remove checksums without a file; a kill or a full disk leaves the checksum of a new file."""
    for checksum in folder.rglob(f"*{ENDING}"):
        if not checksum.with_name(checksum.name.removesuffix(ENDING)).exists():
            checksum.unlink(missing_ok=True)


def has_checksum(path: Path) -> bool:
    """Return whether a file has a checksum; one of an older store has none."""
    return _beside(path).exists()


def add_checksum(path: Path) -> None:
    """Give a file a checksum where it has none, and keep it for its owner alone."""
    if not has_checksum(path):
        path.chmod(PRIVATE)
        write_atomically(_beside(path), msgspec.json.encode([_checksum(read_file(path))]))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{ENDING}")


def _checksum(content: bytes) -> _Checksum:
    return len(content), zlib.crc32(content)
