"""SQLite files verify every page that is read, and every error is a sentence."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import apsw.sqlite_extra
import msgspec
import pytest
from tests.results import night, row

from tuppence.adapters.embedded import sqlite
from tuppence.adapters.embedded.consents import CONSENTS, Consents
from tuppence.adapters.embedded.database import RESULTS, Database
from tuppence.adapters.embedded.sqlite import FORMAT, SqliteFile
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Consent, Use

CONSENT = Consent("ann", "1", "insights", ("accounts",), "GB", 20)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A file with the results of 3,000 customers."""
    path = tmp_path / "results.sqlite"
    with Database(path) as database:
        database.put([row(f"c{n:05d}") for n in range(3_000)])
    return path


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Flip a bit of a byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def scan(path: Path) -> list[str]:
    with Database(path, reading=True) as database:
        return [found.customer_id for found in database.scan()]


def test_a_damaged_result_is_detected_by_the_read_that_meets_it(results: Path) -> None:
    flip(results, results.read_bytes().index(b"c01234") + 20)
    for customer in ("c01234", "c01235"):  # on the same page
        with (
            Database(results, reading=True) as database,
            pytest.raises(UserError, match="a page does not have its checksum") as caught,
        ):
            database.get([customer])
        assert caught.value.code == "store.corrupt"
        assert "remove the file and run again" in caught.value.hint
    with Database(results, reading=True) as database:
        assert set(database.get(["c00001", "c02999"])) == {"c00001", "c02999"}


def test_rows_that_a_damaged_page_no_longer_counts_are_missed(results: Path) -> None:
    """The number of cells stands in two bytes near the beginning of a page of a B-tree."""
    page = results.read_bytes().index(b"c01234") // 16_384
    flip(results, page * 16_384 + 4)
    with pytest.raises(UserError, match="a page does not have its checksum"):
        scan(results)
    with SqliteFile(results, RESULTS, read_only=True) as file:
        problems = file.check()
    assert "a page does not have its checksum" in problems[0]
    assert problems[1].startswith("table results: damaged after its first ")


def test_a_header_that_denies_the_checksums_is_refused(results: Path) -> None:
    flip(results, 20, 3)
    assert results.read_bytes()[20] == 0
    with pytest.raises(UserError, match="its header says that it has no checksums"):
        scan(results)


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("content", [b"garbage " * 99, b"g", bytes(8192)])
def test_a_file_that_is_no_database_is_refused(
    tmp_path: Path, content: bytes, reading: bool
) -> None:
    for name in ("results.sqlite", "consents.sqlite"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"results\.sqlite: damaged: ") as caught:
        Database(tmp_path / "results.sqlite", reading=reading)
    assert caught.value.code == "store.corrupt"
    consents = Consents(tmp_path)
    for use in (
        lambda: consents.of("ann"), lambda: consents.limited(Use(PURPOSES, 1, 1)),
        lambda: consents.record([CONSENT]), lambda: consents.erase("ann"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=r"consents\.sqlite: damaged: ") as caught:
            use()
        assert "remove it and record every consent again" in caught.value.hint


def test_a_damaged_consent_is_detected(tmp_path: Path) -> None:
    consents = Consents(tmp_path)
    consents.record([CONSENT])
    path = tmp_path / "consents.sqlite"
    flip(path, path.read_bytes().index(b"insights"))
    for use in (lambda: consents.of("ann"), lambda: consents.limited(Use(PURPOSES, 1, 1))):
        with pytest.raises(UserError, match="a page does not have its checksum"):
            use()


def old_consents(path: Path) -> None:
    """Make a file as versions without checksums did."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(CONSENTS.tables)
        connection.execute("PRAGMA user_version = 0")
        values = ("ann", "1", 20, None, None, msgspec.json.encode(CONSENT))
        connection.execute("INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?)", values)


def old_results(path: Path) -> None:
    """Make a file as versions without checksums did, with a write-ahead log that is left over."""
    with Database(path) as database:
        database.put([row("ann"), row("bob")])
    copy = path.with_name("copy.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        content = "\n".join(connection.iterdump())
    path.unlink()
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.executescript("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;" + content)
        connection.execute("PRAGMA user_version = 2")
        for name in ("", "-wal"):
            path.with_name(path.name + name).write_bytes(
                copy.with_name(copy.name + name).read_bytes()
            )
    copy.unlink()
    assert path.with_name("results.sqlite-wal").stat().st_size


@pytest.mark.parametrize("write", ["results", "consents"])
def test_an_older_file_is_read_as_it_is_and_gets_checksums_with_the_next_write(
    tmp_path: Path, write: str
) -> None:
    if write == "results":
        path, kind = tmp_path / "results.sqlite", RESULTS
        old_results(path)
        assert scan(path) == ["ann", "bob"]
    else:
        path, kind = tmp_path / "consents.sqlite", CONSENTS
        old_consents(path)
        assert Consents(tmp_path).of("ann") == [CONSENT]
    path.chmod(0o644)
    with SqliteFile(path, kind, read_only=True) as file:
        assert not file.is_checked
    if write == "results":
        with Database(path) as database:
            database.put([row("cat")])
        assert scan(path) == ["ann", "bob", "cat"]
    else:
        Consents(tmp_path).record([CONSENT])
        assert Consents(tmp_path).of("ann") == [CONSENT]
    with SqliteFile(path, kind, read_only=True) as file:
        assert file.is_checked
        assert file.check() == []
        assert file.connection.pragma("user_version") == kind.format
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_file_without_replaced_results_is_read_and_gets_them_with_the_next_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.sqlite"
    with Database(path) as database:
        night(database, "r1", row("ann", 5))
    with SqliteFile(path, RESULTS) as file:
        file.connection.execute("DROP TABLE replaced")
        file.connection.pragma("user_version", FORMAT)
    with Database(path, reading=True) as database:
        found = database.of("ann")
        assert (found.results, found.before) == (row("ann", 5), None)
    with Database(path) as database:
        night(database, "r2", row("ann", 6), as_of=6)
        assert database.of("ann").before == row("ann", 5)
    with SqliteFile(path, RESULTS, read_only=True) as file:
        assert file.connection.pragma("user_version") == RESULTS.format > FORMAT
        assert file.check() == []
        assert file.count_rows()["replaced"] == 1


def test_a_damaged_older_file_gets_no_checksums(tmp_path: Path) -> None:
    path = tmp_path / "consents.sqlite"
    old_consents(path)
    flip(path, 4096 + 4)  # the number of rows of the page
    before = path.read_bytes()
    with pytest.raises(UserError, match="damaged"):
        Consents(tmp_path).record([CONSENT])
    assert path.read_bytes() == before


def test_an_interrupted_upgrade_is_completed_by_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "consents.sqlite"
    old_consents(path)

    def broken_off(_: Path, mode: int) -> None:
        raise KeyboardInterrupt(mode)

    monkeypatch.setattr(sqlite, "FORMAT", 0)  # the pages are done, and the format is not
    monkeypatch.setattr(Path, "chmod", broken_off)
    with pytest.raises((KeyboardInterrupt, UserError)):
        SqliteFile(path, CONSENTS._replace(earlier=-1))
    monkeypatch.undo()
    Consents(tmp_path).record([CONSENT])
    assert Consents(tmp_path).of("ann") == [CONSENT]


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("write_ahead", [True, False])
def test_files_are_for_their_owner_alone_whatever_the_umask(
    tmp_path: Path, write_ahead: bool
) -> None:
    with Database(tmp_path / "results.sqlite", write_ahead=write_ahead) as database:
        database.put([row("ann")])
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert ("results.sqlite-wal" in modes) == write_ahead
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {".results.sqlite.opening"} == {"results.sqlite"}


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_long_scan_does_not_block_writers_and_reports_their_change(results: Path) -> None:
    with Database(results, reading=True) as reader, Database(results) as writer:
        rows = reader.scan()
        assert next(rows).customer_id == "c00000"
        writer.put([row("c02999", as_of=2)])
        with pytest.raises(UserError, match="was changed while it was read") as caught:
            list(rows)
    assert caught.value.code == "store.changed"
    assert len(scan(results)) == 3_000


def test_a_locked_file_is_reported(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_WAIT", 1)
    with (
        Database(results) as one,
        Database(results) as two,
        one._file.transaction(),
        pytest.raises(UserError, match="another process is using it") as caught,
    ):
        two.put([row("ann")])
    assert caught.value.code == "store.busy"


def test_a_failed_transaction_leaves_no_change(results: Path) -> None:
    def fail(file: SqliteFile) -> None:
        with file.transaction() as connection:
            connection.execute("DELETE FROM results")
            raise ZeroDivisionError

    with SqliteFile(results, RESULTS) as file, pytest.raises(ZeroDivisionError):
        fail(file)
    assert len(scan(results)) == 3_000


@pytest.mark.parametrize("reading", [True, False])
def test_a_killed_commit_is_rolled_back_by_the_next_connection(
    results: Path, tmp_path: Path, reading: bool
) -> None:
    killed = tmp_path / "killed" / "results.sqlite"
    killed.parent.mkdir()
    with SqliteFile(results, RESULTS) as file:
        file.connection.pragma("cache_size", 10)  # so that pages are written before the commit
        file.connection.execute("BEGIN")
        file.connection.execute("UPDATE results SET as_of = 9")
        for name in ("results.sqlite", "results.sqlite-journal"):
            shutil.copyfile(tmp_path / name, killed.with_name(name))
        file.connection.execute("ROLLBACK")
    with Database(killed, reading=reading) as database:
        assert {found.as_of for found in database.scan()} == {1}
    assert [path.name for path in killed.parent.iterdir()] == ["results.sqlite"]


def test_a_reader_writes_nothing(results: Path) -> None:
    with (
        Database(results, reading=True) as database,
        pytest.raises(UserError, match="may not be written"),
    ):
        database.put([row("ann")])


def test_a_build_without_checksums_is_reported(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise apsw.sqlite_extra.NotAvailable

    names: Callable[[], list[str]] = list
    monkeypatch.setattr(apsw, "vfs_names", names)
    monkeypatch.setattr(apsw.sqlite_extra, "load", missing)
    with pytest.raises(UserError, match="lacks SQLite's checksum VFS"):
        Database(results)


OPEN = """
import os, sys
from pathlib import Path
from tuppence.adapters.embedded.database import Database

go, gone = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.close(gone)
        os.read(go, 1)  # returns when the parent closes the other end
        Database(Path(sys.argv[1]), write_ahead=True).close()
        sys.exit()
os.close(gone)
sys.exit(any([os.wait()[1] for _ in range(4)]))
"""


def test_processes_that_make_one_file_at_the_same_moment_all_succeed(tmp_path: Path) -> None:
    """As engines do that start together; without the lock one in some thirty found damage."""
    path = tmp_path / "results.sqlite"
    subprocess.run([sys.executable, "-c", OPEN, str(path)], check=True)
    assert path.exists()
