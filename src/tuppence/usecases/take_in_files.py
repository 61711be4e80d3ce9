"""Imports the files that have arrived in an inbox, each by the mapping of its source."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.plain_text import printable

if TYPE_CHECKING:  # a function on AWS lists the files, without the packages that read them
    from tuppence.usecases.import_bank_data import ImportedTable

MAPPING: Final = "mapping.yaml"
"""Name of the mapping in the folder of a source."""
ABOUT_THE_FILE: Final = frozenset({"file", "import", "mapping"})
"""First parts of the codes of errors that are in a file or in its mapping."""


class Arrived(NamedTuple):
    """A file in an inbox.

    Attributes:
        source: Its origin, such as the name of a bank: the folder that it is in; empty for none.
        name: Its name.
    """

    source: str
    name: str


class Inbox(Protocol):
    """Keeps the files that arrive, until they are imported or refused."""

    def waiting(self) -> Sequence[Arrived]:
        """Return the files that wait, without mappings, the oldest first."""
        ...

    def fetch(self, file: Arrived, folder: Path) -> Path:
        """Copy a file into a folder, and return its path.

        Raises:
            UserError: `file.missing` if there is no such file.
        """
        ...

    def finish(self, file: Arrived, rejects: Path | None) -> None:
        """Move an imported file out of the way, with the rows that could not be taken beside it."""
        ...

    def refuse(self, file: Arrived, reason: str) -> None:
        """Move a file that cannot be imported out of the way, with the reason beside it."""
        ...


class TakenIn(NamedTuple):
    """The outcome of one file.

    Attributes:
        file: The file.
        imported: The import of the file; None if the file was refused.
        reason: The reason of a refusal; empty if it was imported.
    """

    file: Arrived
    imported: "ImportedTable | None"
    reason: str


def take_in(
    inbox: Inbox, import_file: "Callable[[Path, Path], ImportedTable]"
) -> Iterator[TakenIn]:
    """Import what has arrived, until nothing waits.

    A file leaves the inbox after it was imported. If this is interrupted between the two, the file
    is imported again, which changes nothing.

    Args:
        inbox: The files.
        import_file: Imports a file by a mapping.

    Yields:
        The outcome of each file.

    Raises:
        UserError: The store or the inbox cannot be used; files that are left stay in the inbox.
    """
    while files := inbox.waiting():
        for file in files:
            with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
                yield _take_in(file, inbox, import_file, Path(folder))


def _take_in(
    file: Arrived, inbox: Inbox, import_file: "Callable[[Path, Path], ImportedTable]", folder: Path
) -> TakenIn:
    try:
        mapping = inbox.fetch(_mapping_of(file), folder)
        imported = import_file(inbox.fetch(file, folder), mapping)
    except UserError as error:
        if error.code.partition(".")[0] not in ABOUT_THE_FILE:
            raise
        reason = printable(masked("\n".join([error.message, *error.details, error.hint]).strip()))
        inbox.refuse(file, reason)
        return TakenIn(file, None, reason)
    inbox.finish(file, imported.rejects_file)
    return TakenIn(file, imported, "")


def _mapping_of(file: Arrived) -> Arrived:
    """Return the mapping by which a file is read, which lies beside it.

    Raises:
        UserError: The file is not in the folder of a source.
    """
    if not file.source:
        message = "the file is in no folder, so its mapping is not known"
        raise UserError("file.source", message, "put it into the folder of its source")
    return Arrived(file.source, MAPPING)
