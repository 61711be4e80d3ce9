"""The secret of a store from which tokens of identifiers are made: `identifiers.key`.

It is made when it is first needed and never changes: with another one, the rows of a later import
would be taken for those of other accounts. It belongs to the store and to its copies.
"""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from tuppence.adapters.embedded.files import disk_errors, sync
from tuppence.errors import UserError

NAME: Final = "identifiers.key"
_BYTES: Final = 32


def identifier_key(store: Path) -> bytes:
    """Return the secret of a store, which is made where there is none.

    Args:
        store: The folder of the store.

    Raises:
        UserError: The file is damaged, or cannot be written.
    """
    path = store / NAME
    with disk_errors(path):
        if not path.exists():
            _make(path)
        content = path.read_text(errors="replace")
    text, _, check = content.rstrip("\n").partition(" ")
    if check != _check(text):
        message = f"{path}: damaged: its checksum is not the one on record"
        raise UserError("store.corrupt", message, "restore this file from a copy of the store")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Write a new secret, unless another process does so first."""
    text = secrets.token_hex(_BYTES)
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}.", dir=path.parent)  # only its owner reads
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text} {_check(text)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
    sync(path.parent)


def _check(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
