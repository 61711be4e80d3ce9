"""The secret of a store from which tokens of identifiers are made: `identifiers.key`.

It is made when it is first needed and never changes: with another one, the rows of a later import
would be taken for those of other accounts, and nobody would be found by a number that is hidden. So
none is made for a store that has tokens already. It belongs to the store and to its copies.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.fact_store import FactStore, is_store
from tuppence.adapters.embedded.files import disk_errors, read_file, write_atomically
from tuppence.adapters.embedded.locking import consistent, locked
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.bankdata.masking import TOKEN
from tuppence.errors import UserError

_BYTES: Final = 32
_RESTORE: Final = (
    "restore this file from a copy of the store, or from the store that its facts were loaded "
    "from; without one, import into a new store: a new secret would give accounts other tokens"
)


def identifier_key(store: Path) -> bytes:
    """Return the secret of a store, which is made where none was ever needed.

    Args:
        store: The folder of the store.

    Raises:
        UserError: The file is lost or damaged, or cannot be written.
    """
    path = store / layout.IDENTIFIER_KEY
    if not path.exists():
        with locked(store):
            if not has_identifier_key(store):
                text = secrets.token_hex(_BYTES)
                with disk_errors(path):
                    write_atomically(path, f"{text} {_check(text)}\n".encode())
    return read_identifier_key(path)


@contextlib.contextmanager
def removed_if_unused(store: Path) -> Iterator[None]:
    """Remove the secret on an error, if it was made in the block and hides nothing.

    Args:
        store: The folder of the store, whose lock is held.
    """
    path = store / layout.IDENTIFIER_KEY
    was_there = path.exists()
    try:
        yield
    except BaseException:
        if path.exists() and not was_there and not _has_tokens(store):
            path.unlink()
        raise


def has_identifier_key(store: Path) -> bool:
    """Return whether a store has its secret; one that never needed any has none.

    Args:
        store: The folder of the store.

    Raises:
        UserError: `store.key-missing`: there is no secret, and the store has tokens that were made
            with one.
    """
    path = store / layout.IDENTIFIER_KEY
    if not path.exists() and consistent(lambda: _has_tokens(store)) and not path.exists():
        message = f"{path}: missing, and identifiers in this store were hidden with it"
        raise UserError("store.key-missing", message, _RESTORE)
    return path.exists()


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


def _has_tokens(store: Path) -> bool:
    """Return whether tokens stand for identifiers in the facts, consents or rejects of a store."""
    return any(texts.str.contains(TOKEN).any() for texts in _texts(store))


def _texts(store: Path) -> Iterator[pl.Series]:
    """Yield the texts in which tokens may stand, the fewest first."""
    consents = Consents(store).all()
    names = [name for one in consents for name in (one.customer, one.id, *one.scope)]
    yield pl.Series(names, dtype=pl.String)
    for frame in Rejects(store).frames():
        yield from frame.iter_columns()
    if is_store(store):
        yield from FactStore(store).identifiers()


def _check(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
