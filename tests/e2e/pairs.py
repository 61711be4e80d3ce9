"""Runs pairs of commands on one store at once, kills some, and checks what must hold afterwards."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import polars as pl
import pytest
from tests.building import ROOT, bank, day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.feed_file import FeedFile
from tuppence.adapters.embedded.locking import locked
from tuppence.cli import main
from tuppence.cli.app import COMMANDS as APP_MODULES
from tuppence.facts.schema import Schema
from tuppence.feed.preferences import Preferences

ERASED: Final = "zqann"
ACCOUNT: Final = "zqann-1"
MARKER: Final = "ZQ KIOSK"
"""Occurs in texts of the erased customer's transactions and rejected rows, and nowhere else."""
OTHERS: Final = ("mary-zqann", "zqann2", "bob", "eve")
"""The first two contain the identifier of the erased customer."""
DOCUMENTED: Final = frozenset({
    "facts.unknown-customer", "consent.unknown", "results.missing", "results.none", "store.busy",
    "synth.not-empty", "results.older", "run.empty", "import.unknown",
})  # fmt: skip

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "import": ("import", "csv", "new.csv", "--mapping", "bank.yaml", "--today", "2026-06-30"),
    "import theirs": ("import", "open-banking", "theirs.json", "--customer", ERASED,
                      "--today", "2026-06-30"),
    "undo": ("import", "undo", "1"),
    "correct": ("enrich", "correct", "CORNER SHOP", "--category", "groceries", "--everyone"),
    "run": ("run", "--rules", "b", "--as-of", "2026-06-30", "--processes", "1"),
    "run other rules": ("run", "--rules", "c", "--as-of", "2026-06-30", "--processes", "1"),
    "forget": ("forget", ERASED, "--yes"),
    "consent": ("consent", "grant", "bob", "--on", "2026-01-01"),
    "consent theirs": ("consent", "grant", ERASED, "--on", "2026-01-01"),
    "withdraw theirs": ("consent", "withdraw", ERASED, "--on", "2026-05-01"),
    "compact": ("store", "compact"),
    "synth": ("synth", "--customers", "2"),
    "export": ("export", "bob"),
    "export theirs": ("export", ERASED),
    "check": ("store", "check"),
    "feed": ("feed", "bob"),
    "results": ("results", "--format", "csv"),
    "streams": ("streams", "bob", "--as-of", "2026-06-30"),
    "explain": ("explain", "bob", "bank_fees"),
    "imports": ("import", "list"),
}  # fmt: skip
WRITERS: Final = tuple(COMMANDS)[:12]
READERS: Final = tuple(COMMANDS)[12:]
BRINGS_BACK: Final = frozenset({"import theirs"})
"""Commands that may bring new data of the erased customer after the erasure."""

_PRELOADED: Final = [
    "tuppence.adapters.embedded.privacy",
    "tuppence.adapters.embedded.workers",
    "tuppence.engine.columnar",
    *(f"tuppence.cli.{name}" for name in dict.fromkeys(one.module for one in APP_MODULES.values())),
    *("numpy.ma", "numpy.testing", "scipy.linalg", "typer._adapters"),
]
"""Modules that commands import, including late imports: loaded once, for all processes."""


class Ended(NamedTuple):
    """The end of a command: its status, -9 if it was killed, and what it printed."""

    status: int
    printed: str


class Pair(NamedTuple):
    """Two commands on one store at once.

    Attributes:
        first: Name of the command that starts first.
        second: Name of the command that starts once `first` has made `changes` changes.
        changes: Number of changed files after which `second` starts.
        kills: For each command, the number of changes after which it is killed; None for never.
    """

    first: str
    second: str
    changes: int
    kills: tuple[int | None, int | None]


def make_pair(first: str, second: str, rng: random.Random) -> Pair:
    """Choose when the second of two commands starts, and when either is killed."""
    kills = [rng.randrange(1, 16) if rng.random() < 0.3 else None for _ in range(2)]
    return Pair(first, second, rng.choice([0, 0, 1, 2, 4, 8]), (kills[0], kills[1]))


class Bench:
    """A store that is copied for each pair, and a way to start commands quickly.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base = folder / "base"
        self._store = folder / "store"
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NUMBA_DISABLE_JIT", "1")  # quicker for five customers
            nothing = self._context.Process(target=_nothing)
            nothing.start()  # which starts the server that keeps this environment
            nothing.join()
        self._count = 0
        self._make()

    def _make(self) -> None:
        """Make the store: five customers, results, a consent and rejected rows of two customers."""
        facts = FactStore.create(self._base, Schema())
        for name in (ERASED, *OTHERS):
            text = f"{MARKER} 7" if name == ERASED else "CORNER SHOP"
            rows = [
                {"booking date": day(f"2026-0{month}-1{n}"), "amount": -100 * n - 1,
                 "category": "bank fee", "text": text, "id": f"{name}-{month}-{n}"}
                for month in range(1, 7) for n in range(8)
            ]  # fmt: skip
            facts.append(bank(rows, name))
        for name, title in (("b", "Bank fees were charged"), ("c", "Fees")):
            (self._folder / name).mkdir()
            rule = (ROOT / "catalogue/bank_fees.yaml").read_text()
            rule = rule.replace("Bank fees were charged", title)
            (self._folder / name / "bank_fees.yaml").write_text(rule)
        (self._folder / "bank.yaml").write_text(
            "table: transactions\nconstants: {currency: GBP}\n"
            "columns: {id: id, account: acc, booking date: date, amount: amount, text: text}\n"
        )
        lines = [f"n{n},{name}-1,2026-06-0{n + 1},-{n}.50,NEW" for name in OTHERS for n in range(9)]
        bad = ["bad,bob-1,2026-13-01,-1,NEW"]
        header = "id,acc,date,amount,text\n"
        (self._folder / "new.csv").write_text(header + "\n".join([*lines, *bad]))
        bad = [f"bad,{name}-1,2026-13-01,-1,{MARKER if name == ERASED else 'SHOP'}"
               for name in (ERASED, OTHERS[0])]  # fmt: skip
        (self._folder / "old.csv").write_text(header + "\n".join(bad + lines[:1]))
        booked = {
            "AccountId": ACCOUNT,
            "TransactionId": "t",
            "Status": "Booked",
            "CreditDebitIndicator": "Debit",
            "Amount": {"Amount": "2.50", "Currency": "GBP"},
            "BookingDateTime": "2026-06-24T10:00:00Z",
            "TransactionInformation": MARKER,
        }
        odd = booked | {"Status": "Odd"}
        page = {"Data": {"Transaction": [booked, odd]}}
        (self._folder / "theirs.json").write_text(json.dumps(page))
        for arguments in (
            ("import", "csv", "old.csv", *COMMANDS["import"][3:]),
            COMMANDS["import theirs"],
            ("consent", "grant", ERASED, "--on", "2026-01-01", "--until", "2027-01-01"),
            ("run", "--rules", "b", "--as-of", "2026-06-28", "--processes", "1"),
        ):
            ended = self._here(*arguments, "--store", "base")
            assert ended.status == 0, ended.printed
        feeds = FeedFile(self._base, lambda _: True)
        for name in (ERASED, "bob"):
            with feeds.change(name) as change:
                change.prefer(Preferences(kinds_off=["tip"]))
        feeds.close()

    def try_pair(self, pair: Pair) -> str:
        """Run a pair of commands; raise AssertionError if something does not hold afterwards.

        Returns:
            The course of events: "killed", "waited" or "free".
        """
        self._copy()
        processes = [self._start(pair.first)]
        watch = _Watch(self._store)
        kills = [(self._count, pair.kills[0], processes[0])]
        for _ in watch.until(pair.changes, processes[0]):
            self._kill_due(kills, watch)
        processes.append(self._start(pair.second))
        kills.append((self._count, pair.kills[1], processes[1]))
        for _ in watch.until(None, *processes):
            self._kill_due(kills, watch)
        ended = [self._end(process) for process in processes]
        names = (pair.first, pair.second)
        for name, one in zip(names, ended, strict=True):
            _assert_documented(name, one)
        self._assert_whole()
        for name, one in zip(names, ended, strict=True):
            if one.status == -signal.SIGKILL:
                again = self._here(*COMMANDS[name], "--store", "store")
                _assert_documented(name, again)
        self._assert_whole()
        if "forget" in names:
            if BRINGS_BACK & {*names}:
                again = self._here(*COMMANDS["forget"], "--store", "store")
                _assert_documented("forget", again)
            assert traces(self._store) == [], pair
            assert len(traces(self._store, OTHERS[0])) > 0
        assert not list(self._store.rglob(".*.tmp")) or -signal.SIGKILL in {
            one.status for one in ended
        }
        if any(one.status == -signal.SIGKILL for one in ended):
            return "killed"
        return "waited" if any("waiting for" in one.printed for one in ended) else "free"

    def try_beside_a_writer(self, name: str) -> str:
        """Start a command while the store is locked, and release the lock once it waits.

        Returns:
            The command's output. A command that waited had changed nothing until then.
        """
        self._copy()
        watch = _Watch(self._store)
        with locked(self._store, "test"):
            watch.look()
            before = watch.changes
            process = self._start(name)
            output = Path(process.name)
            while process.is_alive() and not (
                output.exists() and "waiting for tuppence test" in output.read_text()
            ):
                time.sleep(0.002)
            watch.look()
            assert watch.changes == before, name
        ended = self._end(process)
        _assert_documented(name, ended)
        self._assert_whole()
        return ended.printed

    def _copy(self) -> None:
        shutil.rmtree(self._store, ignore_errors=True)
        shutil.copytree(self._base, self._store)

    def _start(self, name: str) -> ForkServerProcess:
        self._count += 1
        arguments = (*COMMANDS[name], "--store", "store")
        output = self._folder / f"output-{self._count}"
        process = self._context.Process(
            target=_command, args=(self._folder, output, arguments), name=str(output)
        )
        process.start()
        return process

    def _kill_due(
        self, kills: list[tuple[int, int | None, ForkServerProcess]], watch: "_Watch"
    ) -> None:
        for number, after, process in kills:
            if after is not None and watch.changes >= after + (number - kills[0][0]):
                process.kill()

    def _end(self, process: ForkServerProcess) -> Ended:
        process.join()
        output = Path(process.name)
        printed = output.read_text() if output.exists() else ""
        output.unlink(missing_ok=True)
        assert process.exitcode is not None
        return Ended(process.exitcode, printed)

    def _here(self, *arguments: str) -> Ended:
        """Run a command in this process, which is quicker."""
        output = self._folder / "output-here"
        with (
            output.open("w") as file,
            contextlib.chdir(self._folder),
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            status = _main(arguments)
        return Ended(status, output.read_text())

    def _assert_whole(self) -> None:
        """Check that the facts can be read and that the ledger agrees with the results.

        Results of customers who withdrew their consent stay as they were.
        """
        ended = self._here("store", "check", "--store", "store")
        assert ended.status == 0, ended.printed
        with closing(sqlite3.connect(self._store / "consents.sqlite")) as database:
            withdrawn = "SELECT DISTINCT customer_id FROM consents WHERE withdrawn IS NOT NULL"
            frozen = {customer for (customer,) in database.execute(withdrawn)}
        with closing(sqlite3.connect(self._store / "results.sqlite")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            query = "SELECT number, record FROM runs ORDER BY number DESC LIMIT 1"
            number, record = database.execute(query).fetchone()
            run = json.loads(record)
            done = database.execute("SELECT name FROM items WHERE number = ?", [number]).fetchall()
            rows = database.execute("SELECT customer_id, ruleset FROM results").fetchall()
        if run["finished"]:
            assert {name for (name,) in done} == {*run["items"]}
            assert {ruleset for customer, ruleset in rows if customer not in frozen} == {
                run["ruleset"]
            }


class _Watch:
    """Counts changes of the files of a store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._seen = self._files()
        self.changes = 0

    def until(self, changes: int | None, *processes: ForkServerProcess) -> Iterator[None]:
        """Yield again and again, until the changes were made or all processes have ended."""
        while any(process.is_alive() for process in processes):
            self.look()
            yield
            if changes is not None and self.changes >= changes:
                return
            time.sleep(0.002)  # leave the processor to the commands

    def look(self) -> None:
        """Count the changes since the last look."""
        found = self._files()
        self.changes += len(found ^ self._seen)
        self._seen = found

    def _files(self) -> frozenset[tuple[str, int, int]]:
        found = set()
        stack = [str(self._store)]
        while stack:
            with contextlib.suppress(FileNotFoundError), os.scandir(stack.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat()
                        found.add((entry.path, status.st_size, status.st_mtime_ns))
                        if entry.is_dir():
                            stack.append(entry.path)
        return frozenset(found)


def _nothing() -> None:
    """Do nothing, in another process."""


def _command(folder: Path, output: Path, arguments: tuple[str, ...]) -> None:
    """Run a command in another process."""
    os.chdir(folder)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(_main(arguments))


def _main(arguments: tuple[str, ...]) -> int:
    sys.argv = ["tuppence", *arguments]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _assert_documented(name: str, ended: Ended) -> None:
    """Check that a command succeeded, failed with a documented error, or was killed."""
    if ended.status in {0, -signal.SIGKILL}:
        return
    codes = {code for code in DOCUMENTED if f"error[{code}]" in ended.printed}
    assert codes, (name, ended)
    assert "Traceback" not in ended.printed, (name, ended)


def traces(store: Path, customer: str = ERASED) -> list[str]:
    """Return the files of a store that hold traces of a customer, without using the program itself.

    All bytes count, and what Parquet files have compressed. Longer identifiers of other people in
    which this one occurs are taken away first.
    """
    names = [customer, f"{customer}-1", *([MARKER] if customer == ERASED else [])]
    longer = [other for other in (ERASED, *OTHERS) if customer in other and other != customer]
    found = []
    for path in store.rglob("*"):
        contents = [unquote(path.name).encode()]
        if path.is_file():
            contents.append(path.read_bytes())
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            contents += [repr(column.to_list()).encode() for column in frame.iter_columns()]
        for content in contents:
            rest = content
            for other in longer:
                rest = rest.replace(other.encode(), b"")
            if any(name.encode() in rest for name in names):
                found.append(path.relative_to(store).as_posix())
                break
    return found
