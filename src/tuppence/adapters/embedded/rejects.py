"""Rows that an import could not take: a CSV file for each source, with its checksum beside it.

    rejects/<source>.rejects.csv      the rows, each with the reason
    rejects/<source>.rejects.csv.sum  JSON: size and CRC-32; of two files while one is replaced

The checksum does not stand in the file itself, because people open that in a spreadsheet. A file
of an older store has none until `tuppence store compact` adds it.
"""

import io
import zlib
from pathlib import Path

import msgspec
import polars as pl

from tuppence.adapters.embedded.files import make_private_folder, read_file, write_atomically
from tuppence.errors import UserError

_Checksum = tuple[int, int]


def list_rejects(store: Path) -> list[Path]:
    """Return the files of a store, in the order of their names."""
    return sorted((store / "rejects").glob("*.csv"))


def write_rejects(path: Path, rows: pl.DataFrame) -> None:
    """Write a file in place of the one that is there; without rows there is none.

    A kill at any moment leaves the old file or the new one, each with its checksum.
    """
    sums = _sums(path)
    if not rows.height:
        path.unlink(missing_ok=True)
        sums.unlink(missing_ok=True)
        return
    make_private_folder(path.parent)
    content = rows.write_csv().encode()
    new = _checksum(content)
    old = [_checksum(read_file(path))] if path.exists() else []
    write_atomically(sums, msgspec.json.encode([new, *old]))
    write_atomically(path, content)
    write_atomically(sums, msgspec.json.encode([new]))


def read_rejects(path: Path) -> pl.DataFrame:
    """Return the rows of a file, all columns as text.

    Raises:
        UserError: It does not have its checksum, or cannot be read.
    """
    content = read_file(path)
    sums = _sums(path)
    if sums.exists() and _checksum(content) not in _decode(sums):
        raise _damaged(path)
    return pl.read_csv(io.BytesIO(content), infer_schema=False)


def has_checksum(path: Path) -> bool:
    """Return whether a file has a checksum; that of an older store has none."""
    return _sums(path).exists()


def add_checksum(path: Path) -> None:
    """Give a file its checksum where it has none."""
    if not has_checksum(path):
        write_atomically(_sums(path), msgspec.json.encode([_checksum(read_file(path))]))


def _decode(sums: Path) -> list[_Checksum]:
    try:
        return msgspec.json.decode(read_file(sums), type=list[_Checksum])
    except msgspec.DecodeError:
        raise _damaged(sums) from None


def _damaged(path: Path) -> UserError:
    message = f"{path}: damaged or edited: it does not have its checksum"
    return UserError("store.corrupt", message, "import the same file again, which writes it again")


def _sums(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _checksum(content: bytes) -> _Checksum:
    return len(content), zlib.crc32(content)
