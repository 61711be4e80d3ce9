"""JSON documents as banks' interfaces deliver them: files, lines of files, or folders of files."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tuppence.bankdata.records import Document
from tuppence.errors import UserError
from tuppence.structured import is_folder, read_bytes

MAX_BYTES: Final = 256_000_000
LINES: Final = frozenset({".ndjson", ".jsonl"})


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    """Read the documents of files in the given order; files of a folder are sorted by path.

    Raises:
        UserError: A file does not exist, is too large, or is not JSON.
    """
    for path in paths:
        if is_folder(path):
            found = sorted(p for p in path.rglob("*") if p.suffix in {".json", *LINES})
            if not found:
                message = f"{path}: there are no JSON files in this folder"
                raise UserError("file.empty", message, "files end with .json, .ndjson or .jsonl")
            for file in found:
                yield from _documents(file, file.relative_to(path).as_posix())
        else:
            yield from _documents(path, path.name)


def _documents(path: Path, source: str) -> Iterator[Document]:
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("file.encoding", f"{path}: this is not UTF-8 text") from None
    if path.suffix in LINES:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield Document(f"{source}:{number}", _decoded(line, f"{path}:{number}"))
    else:
        yield Document(source, _decoded(text, str(path)))


def _decoded(text: str, place: str) -> Any:
    """Decode a JSON text; numbers with a decimal point become Decimal."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError("file.json", f"{place}: this is not JSON: {error}") from None
    except (ValueError, ArithmeticError):  # of int and of Decimal
        message = f"{place}: a number has more digits, or a larger exponent, than can be read"
        raise UserError("file.json", message, "no amount of money is that large") from None
