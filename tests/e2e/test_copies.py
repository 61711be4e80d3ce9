"""Checks copies of a store taken while it changes, and clocks that go backwards."""

import contextlib
import datetime
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.building import ROOT, bank, day
from tests.conftest import Run

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import locked
from tuppence.errors import UserError
from tuppence.facts.consent import NOTHING, PURPOSES, Use


def erase(store: Path) -> None:
    FactStore(store).erase("bob")


def compact(store: Path) -> None:
    FactStore(store).compact()
    FactStore(store).remove_unnamed()


def append(store: Path) -> None:
    FactStore(store).append(bank([{"id": "new", "booking date": 9, "amount": -5}], "eve"))


@pytest.mark.parametrize("change", [erase, compact, append])
@pytest.mark.parametrize("manifest_first", [True, False])
def test_a_copy_that_a_change_tore_says_so_and_any_other_is_whole(
    store: Path, change: Callable[[Path], None], manifest_first: bool
) -> None:
    """A copy has some files from before the change and some from after, in either order."""
    for name in ("bob", "ann"):
        rows = [{"id": f"{name}-x", "booking date": 1, "amount": -1}]
        FactStore(store).append(bank(rows, name))
    before = {*FactStore(store).owners()["id"]}
    copy = store.parent / "copy"
    shutil.copytree(store, copy)
    change(store)
    after = {*FactStore(store).owners()["id"]}
    if manifest_first:  # the old manifest with the new segments
        for folder in copy.glob("facts/p*"):
            shutil.rmtree(folder)
        for folder in store.glob("facts/p*"):
            shutil.copytree(folder, copy / "facts" / folder.name)
    else:
        shutil.copy(store / "facts/manifest.json", copy / "facts/manifest.json")
    problem = None
    try:
        facts = FactStore(copy)
        for partition, _ in facts.partitions():
            facts.read(partition)
        found = {*facts.owners()["id"]}
    except UserError as error:
        problem = error
    if problem is None:
        assert found in (before, after)
    else:
        assert problem.code == "store.corrupt"
        assert "a copy that was made while nothing changed it" in problem.hint


def test_a_copy_under_the_lock_waits_for_whoever_changes_the_store(store: Path) -> None:
    """Copies as the how-to says: `flock STORE/lock cp -r STORE COPY`."""
    if shutil.which("flock") is None:
        pytest.skip("flock of util-linux is not installed")
    copying = ("cp", "-r", str(store), str(store.parent / "copy"))
    command = ["flock", "--nonblock", str(store / "lock"), *copying]
    with locked(store):
        assert subprocess.run(command, check=False).returncode == 1
        assert not (store.parent / "copy").exists()
    subprocess.run(command, check=True)
    assert FactStore(store.parent / "copy").digest == FactStore(store).digest


def test_the_modification_times_of_files_do_not_matter(store: Path, tuppence: Run) -> None:
    rng = random.Random(5)  # noqa: S311 - reproducible
    rule = ROOT / "catalogue/bank_fees.yaml"
    command = ("run", "--store", store, "--rules", rule, "--as-of", "2026-06-30", "--processes", 1)
    tuppence(*command)
    before = tuppence("results", "--store", store, "--format", "csv").stdout
    for path in store.rglob("*"):
        moment = rng.uniform(0, 4e9)  # from 1970 to 2096
        with contextlib.suppress(OSError):
            os.utime(path, (moment, moment))
    assert "already finished" in tuppence(*command).stdout
    assert tuppence("results", "--store", store, "--format", "csv").stdout == before
    tuppence("store", "compact", "--store", store)
    tuppence("forget", "ann", "--yes", "--store", store)


def test_a_clock_that_goes_backwards_loses_no_withdrawal_and_no_row(
    store: Path, tuppence: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock(text: str) -> None:
        now = datetime.date.fromisoformat(text)
        for command in ("consent", "imported"):
            monkeypatch.setattr(f"tuppence.cli.{command}.today", lambda: now)

    clock("2026-06-10")
    tuppence("consent", "grant", "ann", "--store", store)
    clock("2026-06-01")
    tuppence("consent", "withdraw", "ann", "--store", store)
    for date in ("2026-05-01", "2026-06-05", "2026-06-30"):
        limited = Consents(store).limited(Use(PURPOSES, day(date), day(date)))
        assert limited == {"ann": NOTHING}
    (tmp_path / "m.yaml").write_text(
        "table: transactions\ncolumns: {id: id, booking date: d, amount: a}\n"
        "constants: {account: ann-1, currency: GBP}\n"
    )
    (tmp_path / "t.csv").write_text("id,d,a\nx,2026-05-05,-1\ny,2026-06-08,-1\n")
    command = ("import", "csv", "t.csv", "--mapping", "m.yaml", "--store", store)
    assert "1 → " in tuppence(*command).stdout
    clock("2026-06-10")
    tuppence(*command)
    rows = FactStore(store).rows_of("ann").transactions
    assert rows is not None
    assert {"x", "y"} <= {*rows["id"]}
    assert not list((store / "rejects").glob("*.csv"))
