"""Checks runs that are killed, repeated, or come too late, and what they leave behind."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local.servers import PATIENCE
from tests.building import ONE_BY_ONE, ROOT, day
from tests.commands import command
from tests.conftest import Run
from tests.waiting import wait_until

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bootstrap.store import open_store
from tuppence.results.result import State
from tuppence.rules.message import render

RULES = ROOT / "catalogue"
AS_OF = "2026-06-30"
CUSTOMERS = 2_000
"""Enough for several items of a run."""


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of customers without any results."""
    store = tmp_path_factory.mktemp("population") / "store"
    command("synth", "--customers", CUSTOMERS, "--months", 2, "--store", store)
    return store


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of 100 customers after a run of the catalogue, beside what that printed."""
    store = tmp_path_factory.mktemp("evening") / "store"
    command("synth", "--customers", 100, "--months", 2, "--store", store)
    (store.parent / "printed").write_text(command(*arguments(store)[:-2]))
    return store


def copy(population: Path, to: Path) -> Path:
    """Return a store with the same facts and results of its own."""
    to.mkdir()
    (to / "facts").symlink_to(population / "facts")
    return to


def results(tuppence: Run, store: Path) -> str:
    return tuppence("results", "--store", store, "--format", "json").stdout


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return rules, one of which does not fit columns, so that processes evaluate the customers."""
    folder = tmp_path_factory.mktemp("rules")
    shutil.copy(RULES / "bank_fees.yaml", folder)
    (folder / "kinds.yaml").write_text(ONE_BY_ONE)
    return folder


def arguments(store: Path, rules: Path = RULES) -> list[str]:
    return [
        "run",
        "--store",
        str(store),
        "--rules",
        str(rules),
        "--as-of",
        AS_OF,
        "--format",
        "json",
    ]


@pytest.mark.parametrize(
    ("kills", "processes"), [(3, 1), pytest.param(20, 2, marks=pytest.mark.long)]
)
def test_a_run_killed_at_random_points_leaves_what_an_undisturbed_one_leaves(
    population: Path, tmp_path: Path, tuppence: Run, one_by_one: Path, kills: int, processes: int
) -> None:
    """Each kill comes some items later, at any point of the next item."""
    undisturbed = copy(population, tmp_path / "undisturbed")
    options = ("--processes", str(processes))
    expected = json.loads(tuppence(*arguments(undisturbed, one_by_one), *options).stdout)
    store = copy(population, tmp_path / "killed")
    command = [sys.executable, "-m", "tuppence", *arguments(store, one_by_one), *options]
    points = random.Random(11)  # noqa: S311 - any moments will do
    killed = 0
    while killed < kills:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        further = customers_done(store) + points.choice([0, 500, 1_000])
        while process.poll() is None and customers_done(store) < further:
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(points.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if killed % 2 else signal.SIGINT)
            process.wait(PATIENCE)
            killed += 1
        if process.returncode == 0:  # it finished: start over, and go on killing
            for path in store.glob("results.sqlite*"):
                path.unlink()
    summary = json.loads(tuppence(*arguments(store, one_by_one), *options).stdout)
    assert summary["evaluations"] == 2 * CUSTOMERS
    for changing in ("resumed_items", "already_finished"):
        del summary[changing], expected[changing]
    assert summary == expected
    assert results(tuppence, store) == results(tuppence, undisturbed)


def customers_done(store: Path) -> int:
    """Return how many customers have results, while a run may be writing them."""
    if not (store / "results.sqlite").exists():
        return 0
    url = f"file:{store}/results.sqlite?mode=ro"
    with contextlib.closing(sqlite3.connect(url, uri=True, timeout=PATIENCE)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
        except sqlite3.OperationalError:  # it has no tables yet
            return 0


def test_workers_end_with_their_parent(population: Path, tmp_path: Path, one_by_one: Path) -> None:
    store = copy(population, tmp_path / "orphans")
    options = (*arguments(store, one_by_one), "--processes", "2")
    command = [sys.executable, "-m", "tuppence", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_until(lambda: len(members(process.pid)) > 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: members(process.pid) == [])


def members(group: int) -> list[int]:
    """Return the live processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def test_one_process_gives_the_same_results_as_two(
    population: Path, tmp_path: Path, tuppence: Run, one_by_one: Path
) -> None:
    found = []
    for processes in (1, 2):
        store = copy(population, tmp_path / str(processes))
        tuppence(*arguments(store, one_by_one), "--processes", processes)
        found.append(results(tuppence, store))
    assert found[0] == found[1]
    assert found[0]


def test_running_again_changes_nothing_and_says_so(
    evening: Path, tmp_path: Path, tuppence: Run
) -> None:
    assert "evaluations/s" in (evening.parent / "printed").read_text()
    store = shutil.copytree(evening, tmp_path / "again")
    before = (store / "results.sqlite").read_bytes()
    again = tuppence(*arguments(store)[:-2]).stdout
    assert "This run was already finished, so nothing was changed." in again
    assert (store / "results.sqlite").read_bytes() == before


def test_a_later_run_replaces_and_an_earlier_one_is_refused(
    evening: Path, tmp_path: Path, tuppence: Run
) -> None:
    store = shutil.copytree(evening, tmp_path / "later")
    later = arguments(store)
    later[later.index(AS_OF)] = "2026-07-01"
    summary = json.loads(tuppence(*later).stdout)
    assert 0 < summary["changed"] < summary["evaluations"]
    with Database(store / "results.sqlite") as database:
        rows = list(database.scan())
    days = {day("2026-06-30"), day("2026-07-01")}
    assert {row.as_of for row in rows} == days, "some customers have no news"
    text = tuppence("feed", rows[0].customer_id, "--store", store).stdout
    assert "on 2026-07-01" in text, "the day of the run, also where nothing was written"
    refused = tuppence(*arguments(store), status=1).stderr
    assert "the last run was as of 2026-07-01, and this one is as of 2026-06-30" in refused


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_an_import_killed_while_it_writes_leaves_all_rows_or_none(
    tmp_path: Path, tuppence: Run, step: int
) -> None:
    count = 5_000
    lines = "".join(f"{n},2026-06-{1 + n % 28:02},-{n % 900}.50\n" for n in range(count))
    (tmp_path / "bank.csv").write_text("Id,Date,Amount\n" + lines)
    (tmp_path / "bank.yaml").write_text(
        "table: transactions\ncolumns: {id: Id, booking date: Date, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    files = ["import", "csv", "bank.csv", "--mapping", "bank.yaml", "--store", "money"]
    command = [*files, "--today", "2026-07-01"]
    killed = 0
    for entries in range(1, 9, step):  # killed once this number of files and folders exists
        shutil.rmtree(tmp_path / "money", ignore_errors=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "tuppence", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):  # it is renamed at the same time
                if len(list((tmp_path / "money").rglob("*"))) >= entries:
                    process.kill()
                    killed += 1
                    break
            time.sleep(0.002)  # the import needs the processor
        process.wait()
        if (tmp_path / "money/facts/manifest.json").exists():
            store = FactStore(tmp_path / "money")
            assert store.transaction_count in {0, count}
            assert all(len(store.read(name)) for name, _ in store.partitions())
        tuppence(*command)
        assert FactStore(tmp_path / "money").transaction_count == count
    assert killed


@pytest.mark.long
def test_many_processes_may_compile_at_once(population: Path, tmp_path: Path) -> None:
    """Each starts with nothing compiled, in the same folder, and all get the same results."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    stores = [copy(population, tmp_path / f"s{n}") for n in range(3)]
    rules = ROOT / "catalogue" / "bank_fees.yaml"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tuppence", "run", "--store", str(store), "--rules", str(rules),
             "--as-of", AS_OF],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for store in stores
    ]  # fmt: skip
    for process in running:
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors.decode()
    found = set()
    for store in stores:
        with Database(store / "results.sqlite") as database:
            found.add(tuple(row.packed for row in database.scan()))
    assert len(found) == 1
    assert list((tmp_path / "compiled").rglob("*.nbc")), "what was compiled is kept"


@pytest.mark.parametrize("customers", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_every_message_to_a_population_can_be_read(
    tuppence: Run, tmp_path: Path, customers: int
) -> None:
    store, qualified = tmp_path / "store", set()
    tuppence("synth", "--customers", customers, "--months", 30, "--seed", 5, "--store", store)
    for date in ("2026-01-05", "2026-03-01", "2026-06-30"):
        tuppence("run", "--store", store, "--rules", RULES, "--as-of", date, "--processes", 1)
        with Database(store / "results.sqlite") as database:
            everybody = tuple(database.scan())
        rules = {
            one.rule.id: one.rule for one in open_store(store).ruleset(everybody[0].ruleset).rules
        }
        for results in everybody:
            for result in results.results:
                rule = rules[result.rule_id]
                for variant in range(len(rule.message.wordings)):
                    if result.state is State.QUALIFIED:
                        message = render(rule, result.values, "GBP", "en_GB", variant)
                        assert message.title
                        assert message.body
                        qualified.add(rule.id)
    assert len(qualified) >= 45
