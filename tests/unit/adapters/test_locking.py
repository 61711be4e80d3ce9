"""The lock of a store, and readers beside somebody who changes it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from tests.building import bank

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import MAX_READS, StoreChangedError, consistent, locked
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.bootstrap.engines import dispatching
from tuppence.bootstrap.service_stores import result_store
from tuppence.bootstrap.store import open_store
from tuppence.errors import UserError

HOLD = """
import sys
from pathlib import Path
from tuppence.adapters.embedded.locking import locked
with locked(Path(sys.argv[1]), "import csv"):
    print("held", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys
from pathlib import Path
from tuppence.adapters.embedded.locking import locked
from tuppence.errors import UserError
try:
    with locked(Path(sys.argv[1]), wait_seconds=0):
        pass
except UserError as error:
    print(error.code)
"""
HOLD_FILE = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1], preserve_lock_file=True):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(store: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock of a store until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_second_writer_is_refused_after_its_time_and_told_who_holds_the_lock(
    store: Path,
) -> None:
    other = holder(store)
    said: list[str] = []
    with pytest.raises(UserError) as caught, locked(store, "run", said.append, wait_seconds=0):
        pass
    who = f"tuppence import csv (process {other.pid})"
    assert said == [f"waiting for {who}, which is changing {store}"]
    assert caught.value.code == "store.busy"
    assert caught.value.message == f"{store}: {who} is still changing it"
    end(other)


def test_a_waiting_writer_goes_on_when_the_holder_is_killed(store: Path) -> None:
    other = holder(store)
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        end(other)

    with locked(store, "run", say):
        assert len(said) == 1


def is_kept_from(store: Path) -> bool:
    """Return whether another process is refused the lock."""
    done = subprocess.run([sys.executable, "-c", TRY, str(store)], check=False, capture_output=True)
    return b"store.busy" in done.stdout


def test_a_waiting_writer_goes_on_when_the_holder_removes_the_store(tmp_path: Path) -> None:
    """As a command does that fails to make one."""
    store = tmp_path / "new"
    other = holder(store)
    with locked(store, "run", lambda _: shutil.rmtree(store)):
        assert is_kept_from(store)
    end(other)


def test_a_lock_that_was_removed_when_it_is_taken_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real, calls = tmp_path / "new", FileLock.acquire, 0

    def acquire(lock: FileLock, timeout: float) -> object:
        nonlocal calls
        calls += 1
        taken = real(lock, timeout)
        if calls < 3:
            shutil.rmtree(store)
        return taken

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with locked(store):
        assert is_kept_from(store)
    assert calls > 3


def test_a_holder_may_take_the_lock_again_and_an_error_releases_it(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(store), locked(store):
        raise KeyboardInterrupt
    end(holder(store))


def test_a_waiting_command_says_so_and_can_be_interrupted(store: Path) -> None:
    with locked(store, "run"):
        command = ["consent", "grant", "ann", "--store", str(store)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tuppence", *command], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        waiting = f"waiting for tuppence run (process {os.getpid()}), which is changing {store}\n"
        assert process.stderr.readline() == waiting
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert not (store / "consents.sqlite").exists()


def test_the_next_writer_removes_temporary_files_and_only_these(store: Path) -> None:
    left = [store / ".lost.123.tmp", store / "facts/.p00000-12.tmp/x", store / "rejects/.a.csv.tmp"]
    kept = [store / "notes.tmp", store / ".hidden"]
    for path in (*left, *kept):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with locked(store):
        assert [path for path in (*left, *kept) if path.exists()] == kept


def test_a_file_or_a_pipe_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.touch()
    with pytest.raises(UserError, match="this is not a folder"), locked(path):
        pass
    with pytest.raises(UserError, match="there is no store here"):
        FactStore(path)
    (tmp_path / "odd/facts").mkdir(parents=True)
    os.mkfifo(tmp_path / "odd/facts/manifest.json")
    with pytest.raises(UserError, match="this is not a file"):
        FactStore(tmp_path / "odd")


def test_a_reader_beside_an_erasure_reads_again_and_reports_no_damage(store: Path) -> None:
    FactStore(store).append(bank([{"booking date": 1, "amount": -1}], "bob"))
    before = FactStore(store)
    FactStore(store).erase("ann")
    with pytest.raises(StoreChangedError):
        before.find("bob")
    reads = 0

    def read(facts: FactStore) -> list[str]:
        nonlocal reads
        reads += 1
        if reads == 1:
            FactStore(store).append(bank([{"booking date": 2, "amount": -1}], "eve"))
            FactStore(store).erase("bob")
        return [*facts.customers()["id"]]

    assert open_store(store).read_facts(read) == ["eve"]
    assert reads == 2


def test_a_reader_gives_up_when_the_store_changes_each_time(store: Path) -> None:
    reads = 0

    def read() -> None:
        nonlocal reads
        reads += 1
        raise StoreChangedError(store)

    with pytest.raises(UserError, match="changed again and again"):
        consistent(read)
    assert reads == MAX_READS


def test_a_missing_file_that_the_manifest_still_names_is_damage(store: Path) -> None:
    next((store / "facts").rglob("accounts.parquet")).unlink()
    with pytest.raises(UserError, match=r"accounts.parquet: cannot be read") as caught:
        open_store(store).read_facts(lambda facts: facts.owners())
    assert caught.value.code == "store.corrupt"


def test_results_of_a_store_are_written_by_no_service(store: Path) -> None:
    for write in (
        lambda: result_store(str(store / "results.sqlite"), RulesetDirectory(store / "rulesets")),
        lambda: dispatching(
            "", "", "", "", store / "results.sqlite", lambda _: None, None
        ).__enter__(),
    ):
        with pytest.raises(UserError, match="this file belongs to the store"):
            write()


def test_one_run_through_engines_at_a_time_has_a_ledger(tmp_path: Path) -> None:
    """As of a store: what the other process holds is the lock beside the ledger."""
    ledger = tmp_path / "ledger.sqlite"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_FILE, f"{ledger}.lock"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"

    def say(sentence: str) -> None:
        said.append(sentence)
        end(other)

    said: list[str] = []
    nowhere = "http://127.0.0.1:1"
    with dispatching(nowhere, "t", nowhere, "t", ledger, say, None) as (_, _, database):
        assert database.latest() is None
    assert said == [f"waiting for another command, which is changing {ledger}"]
