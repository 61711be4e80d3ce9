"""Records of the imports of a store, which tell where its rows come from."""

from typing import NamedTuple

import msgspec

from tuppence.facts.rows import Rows


class Import(msgspec.Struct, frozen=True):
    """An import of one file, or of the documents that were given together.

    Attributes:
        command: Name of the command that read it, such as `csv`.
        source: Name of the file or of the customer of the documents, without card numbers.
        digest: Digest of the bytes that were read; equal files have equal digests.
        day: Day of the import, in days since 1970-01-01.
        table: Table that a file's rows belong to; empty for documents, which may have all.
        rows: Number of rows of the file, or of transactions of the documents, that were taken.
        removed: Identifiers of transactions that the bank has taken back.
        rejects: The file of rows that were set aside, below the folder of rejects, or empty.
        id: Number of the import in its store; 0 until it has one.
    """

    command: str
    source: str
    digest: str
    day: int
    table: str = ""
    rows: int = 0
    removed: tuple[str, ...] = ()
    rejects: str = ""
    id: int = 0


class Taken(NamedTuple):
    """An import with the rows that it read.

    Attributes:
        made: Record of the import.
        given: Its rows, before anything is inferred.
    """

    made: Import
    given: Rows
