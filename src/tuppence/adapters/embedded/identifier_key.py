"""The secret of a store from which tokens of identifiers are made: `identifiers.key`.

It is made when it is first needed and never changes: with another one, the rows of a later import
would be taken for those of other accounts. It belongs to the store and to its copies.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Final

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.files import disk_errors, read_file, write_atomically
from tuppence.adapters.embedded.locking import locked
from tuppence.errors import UserError

_BYTES: Final = 32
_RESTORE: Final = (
    "restore this file from a copy of the store; without one, import into a new store: a new "
    "secret would give accounts other tokens"
)


def identifier_key(store: Path) -> bytes:
    """Return the secret of a store, which is made where there is none.

    Args:
        store: The folder of the store.

    Raises:
        UserError: The file is damaged, or cannot be written.
    """
    path = store / layout.IDENTIFIER_KEY
    if not path.exists():
        with locked(store), disk_errors(path):
            if not path.exists():
                text = secrets.token_hex(_BYTES)
                write_atomically(path, f"{text} {_check(text)}\n".encode())
    return read_identifier_key(path)


def has_identifier_key(store: Path) -> bool:
    """Return whether a store ever needed its secret."""
    return (store / layout.IDENTIFIER_KEY).exists()


def read_identifier_key(path: Path) -> bytes:
    """Return the secret that a file holds.

    Raises:
        UserError: The file is damaged, or cannot be read.
    """
    try:
        content = read_file(path).decode("ascii", "replace")
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError("store.unreadable", message) from None
    text, _, check = content.partition(" ")
    if check != f"{_check(text)}\n":
        message = f"{path}: damaged: its checksum is not the one on record"
        raise UserError("store.corrupt", message, _RESTORE)
    return bytes.fromhex(text)


def _check(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
