"""Corrections of categories, in the file `corrections.json` of a store."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checksums import read_checked, remove_checked, write_checked
from tuppence.adapters.embedded.files import disk_errors
from tuppence.adapters.embedded.locking import locked
from tuppence.bankdata.enrichment.corrections import MAX_CORRECTIONS, Correction
from tuppence.errors import UserError

_REMEDY: Final = "restore it from a copy; without one, remove it and correct the categories again"


class Corrections:
    """The corrections of a store.

    Args:
        store: Its folder.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store / layout.CORRECTIONS

    def all(self) -> list[Correction]:
        """Return all corrections, in order.

        Raises:
            UserError: The file is damaged.
        """
        return read_corrections(self._path)

    def of(self, customer: str) -> list[Correction]:
        """Return the corrections of a customer."""
        return [one for one in self.all() if one.customer == customer]

    def put(self, corrections: Iterable[Correction]) -> None:
        """Keep corrections, in place of those about the same payees.

        Raises:
            UserError: There are too many.
        """
        given = {one.key: one for one in corrections}
        self._change(lambda kept: [*(one for one in kept if one.key not in given), *given.values()])

    def erase(self, customer: str) -> int:
        """Erase the corrections of a customer, and return how many there were."""
        count = len(self.of(customer))
        if count:
            self._change(lambda kept: [one for one in kept if one.customer != customer])
        return count

    def _change(self, change: Callable[[Collection[Correction]], Collection[Correction]]) -> None:
        with locked(self._store), disk_errors(self._path):
            kept = sorted(change(self.all()))
            if len(kept) > MAX_CORRECTIONS:
                message = f"{self._path}: more than {MAX_CORRECTIONS:,} corrections"
                raise UserError("enrich.too-many", message, "remove those that are not needed")
            if kept:
                write_checked(self._path, msgspec.json.format(msgspec.json.encode(kept)))
            else:
                remove_checked(self._path)


def read_corrections(path: Path) -> list[Correction]:
    """Return the corrections that a file of a store has; none where there is no file.

    Raises:
        UserError: It is damaged.
    """
    try:
        return msgspec.json.decode(read_checked(path, _REMEDY), type=list[Correction])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("store.corrupt", f"{path}: cannot be read: {error}", _REMEDY) from None
