"""The census of a store, in the file `census.json`."""

from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checksums import read_checked, remove_checked, write_checked
from tuppence.adapters.embedded.files import disk_errors
from tuppence.errors import UserError
from tuppence.facts.census import Census

_REMEDY: Final = "remove it with its checksum: the next run takes a census again"


def read_census(store: Path) -> Census | None:
    """Return the census of a store; None if it has none.

    Raises:
        UserError: The file is damaged.
    """
    path = store / layout.CENSUS
    try:
        return msgspec.json.decode(read_checked(path, _REMEDY), type=Census)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise UserError("store.corrupt", f"{path}: damaged: {error}", _REMEDY) from None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError("store.unreadable", message) from None


def write_census(store: Path, census: Census) -> None:
    """Keep a census in place of the one that is there."""
    path = store / layout.CENSUS
    with disk_errors(path):
        write_checked(path, msgspec.json.encode(census, order="sorted"))


def remove_census(store: Path) -> None:
    """Remove the census, if there is one."""
    remove_checked(store / layout.CENSUS)
