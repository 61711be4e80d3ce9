"""SQLite files whose pages carry checksums, which every read verifies.

The checksums are those of SQLite's own checksum VFS (https://sqlite.org/cksumvfs.html): eight bytes
at the end of each page. A damaged page is therefore an error wherever it is met: in a row, in an
index, or in a page that only tells where rows are. No row can change or vanish unnoticed.

A file is written with a rollback journal, so at rest it is one file, which may be read where
nothing may be written. Where many write small transactions at once it has a write-ahead log.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import apsw.sqlite_extra
import msgspec

from tuppence.adapters.embedded.files import PRIVATE, disk_errors
from tuppence.adapters.embedded.locking import locked_file
from tuppence.errors import UserError

FORMAT: Final = 3
"""Stands as `user_version` in the files; pages have checksums since 3. A kind of file may have
later formats."""
_VFS: Final = "cksmvfs"
_CHECKSUM_BYTES: Final = 8
_WAIT: Final = 30_000
"""Milliseconds that a transaction waits for another process."""
_TRY_AGAIN: Final = "nothing was lost; fix the cause and run the same command again"


class FileKind(NamedTuple):
    """A kind of SQLite file.

    Attributes:
        tables: Statements that make what is missing of its tables.
        earlier: The format without checksums, which the next write brings up to date.
        page_size: Size of a page of new files, in bytes.
        remedy: Advice for a damaged file.
        format: The present format. Later formats have more tables, which the next write makes.
    """

    tables: str
    earlier: int
    page_size: int
    remedy: str
    format: int = FORMAT


def has_content(path: Path) -> bool:
    """Return whether an SQLite file was ever written: it is made empty, and filled at once."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError("store.permission", f"{path}: may not be read: {error.strerror}") from None


class SqliteFile:
    """One connection to a file.

    Args:
        path: The file. A writer makes it where it is missing, and brings it up to date.
        kind: Kind of the file.
        read_only: Change nothing of what the file says; it need not be writable.
        write_ahead: Use a write-ahead log: for many small transactions, in several processes.

    Raises:
        UserError: The file is damaged, of another format, or must not be opened so.
    """

    def __init__(
        self, path: Path, kind: FileKind, *, read_only: bool = False, write_ahead: bool = False
    ) -> None:
        self.path = path
        self._kind = kind
        self._write_ahead = write_ahead
        # Services open one file in several processes: one makes it while the others wait.
        lock = path.with_name(f".{path.name}.opening")
        alone = locked_file(lock, path, "serve") if write_ahead else contextlib.nullcontext()
        with alone, self.errors(), disk_errors(path):
            _register_checksums()
            if not read_only:
                _make_private(path)
            self.connection = self._connect(read_only=read_only)
            try:
                self._check_format(read_only=read_only)
                if not read_only:
                    self._prepare(write_ahead=write_ahead)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection.

        The last one ends a write-ahead log, so that the file at rest can be read where nothing may
        be written.
        """
        if self._write_ahead:
            with contextlib.suppress(apsw.Error):  # others have it open, or it is damaged
                self.connection.set_busy_timeout(0)
                self.connection.pragma("journal_mode", "delete")
        self.connection.close()

    def __enter__(self) -> "SqliteFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self, query: str, parameters: Any = ()) -> list[Any]:
        """Return all rows of a query, which then locks nothing any more."""
        with self.errors():
            return self.connection.execute(query, parameters).fetchall()

    def begin_reading(self) -> None:
        """Begin a transaction that sees the file as it is now, until `moment` ends it."""
        with self.errors():
            self.connection.execute("BEGIN")
            self.connection.pragma("data_version")  # the moment is that of the first read

    @contextlib.contextmanager
    def moment(self) -> Iterator[tuple[int, int]]:
        """See the file as of one moment in the block, and lock nothing after it.

        Yields:
            The version of the file, which differs after every change: by other connections (the
                first number), or by this one (the second).
        """
        with self.errors():
            if self.connection.get_autocommit():
                self.connection.execute("BEGIN")
            try:
                yield self.connection.pragma("data_version"), self.connection.total_changes()
            finally:
                if not self.connection.get_autocommit():  # an error may have ended it
                    self.connection.execute("COMMIT")

    def changed(self) -> UserError:
        """Return the error of a reader that needed the file to stay as it was."""
        message = f"{self.path}: was changed while it was read"
        return UserError("store.changed", message, "run the same command again")

    def empty_log(self) -> None:
        """Remove what is left of earlier content in a write-ahead log, if there is one.

        Raises:
            UserError: Somebody reads it still.
        """
        (busy, *_) = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            message = f"{self.path}: another program is still reading this file"
            raise UserError("store.busy", message, "end it, and run the same command again")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Write all that is written in the block, or nothing; inside another it is a part of it.

        Raises:
            UserError: The file is damaged or could not be written.
        """
        connection = self.connection
        with self.errors():
            if not connection.get_autocommit():
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if not connection.get_autocommit():  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of SQLite, and of what is decoded, into ones that a person can act on."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError, apsw.FormatError, apsw.SQLError) as error:
            raise self.damaged(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.damaged(str(error)) from error
        except apsw.IOError as error:
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
                raise self.damaged("a page does not have its checksum") from error
            raise self._unusable(error) from error
        except apsw.ReadOnlyError as error:
            raise self._not_writable() from error
        except (apsw.BusyError, apsw.LockedError) as error:
            message = f"{self.path}: another process is using it"
            raise UserError("store.busy", message, "wait until it has finished") from error
        except (apsw.FullError, apsw.CantOpenError, apsw.PermissionsError) as error:
            raise self._unusable(error) from error

    @property
    def is_checked(self) -> bool:
        """True if the pages have checksums; those of an older file have none."""
        return bool(self.connection.pragma("checksum_verification") == "1")

    def count_rows(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        return {
            table: self.rows(f'SELECT count(*) FROM "{table}"')[0][0]  # noqa: S608 - a table
            for table in self._tables()
        }

    def check(self) -> list[str]:
        """Read the whole file, and return what is damaged in it: a line for each part."""
        try:
            found = [str(line) for (line,) in self.rows("PRAGMA integrity_check")]
        except UserError as error:
            found = [error.message]
        if found == ["ok"]:
            return []
        with contextlib.suppress(UserError):
            found += [line for table in self._tables() if (line := self._check_table(table))]
        return found

    def _tables(self) -> list[str]:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        return [name for (name,) in self.rows(query)]

    def _check_table(self, table: str) -> str:
        """Say how many rows of a table can be read, if not all of them."""
        count = 0
        try:
            with self.errors():
                for _ in self.connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a table
                    count += 1
        except UserError:
            return f"table {table}: damaged after its first {count:,} rows"
        return ""

    # -- opening ---------------------------------------------------------------------------------

    def _connect(self, *, read_only: bool) -> apsw.Connection:
        # A reader opens the file for writing, too, where it may: if a writer was killed in the
        # middle of a commit, the next connection rolls it back with the journal.
        make = 0 if read_only else apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(str(self.path), apsw.SQLITE_OPEN_READWRITE | make, _VFS)
        connection.pragma("query_only", read_only)
        connection.set_busy_timeout(_WAIT)
        return connection

    def _check_format(self, *, read_only: bool) -> None:
        connection = self.connection
        has_pages = bool(connection.pragma("page_count"))
        version = connection.pragma("user_version")
        if not has_pages:
            # SQLite takes less than 512 bytes for nothing; or another process has just made it.
            if read_only or (self.path.stat().st_size and not connection.pragma("page_count")):
                raise self.damaged("it is cut short")
        elif FORMAT <= version <= self._kind.format:
            if not self.is_checked:
                raise self.damaged("its header says that it has no checksums")
        elif version != self._kind.earlier:
            message = (
                f"{self.path}: of format {version}, and this version reads {self._kind.format}"
            )
            raise UserError("store.format", message, self._kind.remedy)
        if not read_only and connection.readonly("main"):
            raise self._not_writable()

    def _prepare(self, *, write_ahead: bool) -> None:
        """Make the file and its tables, or bring it up to date, and choose the journal."""
        if self.connection.pragma("page_count") and (
            self.connection.pragma("user_version") < FORMAT
        ):
            self._upgrade()
        connection = self.connection
        if not connection.pragma("page_count"):
            connection.pragma("page_size", self._kind.page_size)
            connection.reserve_bytes(reserve=_CHECKSUM_BYTES)
        if connection.pragma("user_version") != self._kind.format:
            with self.transaction():
                connection.execute(self._kind.tables)
                connection.pragma("user_version", self._kind.format)
        journal = "wal" if write_ahead else "delete"
        if connection.pragma("journal_mode") != journal:
            connection.pragma("journal_mode", journal)
        # The log of many small transactions is not flushed with each: the last ones may be lost
        # with the power, and are then done again.
        connection.pragma("synchronous", "normal" if write_ahead else "full")
        connection.pragma("foreign_keys", "on")

    def _upgrade(self) -> None:
        """Give the pages of an older file checksums: one transaction, which is done or not."""
        for (line,) in self.connection.execute("PRAGMA quick_check").fetchall():
            if line != "ok":
                raise self.damaged(str(line))
        self.connection.pragma("journal_mode", "delete")
        self.close()  # the checksums begin with a connection that finds no write-ahead log
        self.connection = self._connect(read_only=False)
        self.connection.reserve_bytes(reserve=_CHECKSUM_BYTES)
        self.connection.execute("VACUUM")
        self.connection.pragma("user_version", FORMAT)
        self.path.chmod(PRIVATE)

    # -- errors ----------------------------------------------------------------------------------

    def damaged(self, problem: str) -> UserError:
        """Return the error that says what is damaged, and what to do."""
        return UserError("store.corrupt", f"{self.path}: damaged: {problem}", self._kind.remedy)

    def _not_writable(self) -> UserError:
        return UserError("store.permission", f"{self.path}: may not be written")

    def _unusable(self, error: apsw.Error) -> UserError:
        return UserError("store.disk", f"{self.path}: could not be used: {error}", _TRY_AGAIN)


def _register_checksums() -> None:
    """Register SQLite's checksum VFS, once in a process.

    Raises:
        UserError: The installed build of apsw does not contain it.
    """
    if _VFS in apsw.vfs_names():
        return
    try:
        with contextlib.closing(apsw.Connection(":memory:")) as connection:
            apsw.sqlite_extra.load(connection, "cksumvfs")
    except (apsw.sqlite_extra.NotAvailable, LookupError) as error:
        message = "the installed package apsw lacks SQLite's checksum VFS"
        raise UserError("install.apsw", message, "install its wheel: pip install apsw") from error


def _make_private(path: Path) -> None:
    """Create an empty file that only its owner may read, unless it exists.

    Must not open a file that is there: closing it again would end the locks that another connection
    of this process holds.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
