"""JSON as banks' interfaces give it: a file, a line of a file, or all the files of folders."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tuppence.bankdata.parts import Document
from tuppence.errors import UserError
from tuppence.structured import is_folder, read_bytes

MOST_BYTES: Final = 256_000_000
LINES: Final = frozenset({".ndjson", ".jsonl"})


def read_documents(paths: Sequence[Path]) -> Iterator[Document]:
    """The documents of files, in their order; those of a folder by their names.

    Raises:
        UserError: There is no such file, it is too large, or it is not JSON.
    """
    for path in paths:
        if is_folder(path):
            found = sorted(p for p in path.rglob("*") if p.suffix in {".json", *LINES})
            if not found:
                message = f"{path}: there is no JSON in this folder"
                raise UserError("file.empty", message, "files end with .json, .ndjson or .jsonl")
            for file in found:
                yield from _documents(file, file.relative_to(path).as_posix())
        else:
            yield from _documents(path, path.name)


def _documents(path: Path, source: str) -> Iterator[Document]:
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("file.encoding", f"{path}: this is not UTF-8 text") from None
    if path.suffix in LINES:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield Document(f"{source}:{number}", _decoded(line, f"{path}:{number}"))
    else:
        yield Document(source, _decoded(text, str(path)))


def _decoded(text: str, place: str) -> Any:
    """The value of a JSON text; numbers with a point are exact."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError("file.json", f"{place}: this is not JSON: {error}") from None
    except (ValueError, ArithmeticError):  # of int and of Decimal
        message = f"{place}: a number has more digits, or a larger exponent, than can be read"
        raise UserError("file.json", message, "no amount of money is that large") from None
