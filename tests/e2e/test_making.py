"""A command that fails leaves nothing of the store that it would have made."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.building import bank
from tests.conftest import Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import synthetic
from tuppence.errors import UserError
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema

MAPPING = """
table: transactions
columns: {booking date: d, amount: a, account: n}
constants: {currency: GBP, customer: me}
"""
GOOD = "d,a,n\n2026-06-01,-1.00,x\n"
CARD = "4111111111111111"
IMPORT = ("import", "csv", "bank.csv", "--mapping", "bank.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a mapping, and files of each kind that cannot be imported."""
    (tmp_path / "bank.yaml").write_text(MAPPING)
    (tmp_path / "bank.csv").write_text(f"d,a,n\nsoon,-1.00,{CARD}\n2026-13-01,-1.00,{CARD}\n")
    (tmp_path / "other.csv").write_text("e,f\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bad.yaml").write_text("table: transactions\ncolumns: {booking date: d}\n")
    (tmp_path / "bank.json").write_text(json.dumps({"Data": {"Account": [{"AccountId": CARD}]}}))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        IMPORT,
        ("import", "csv", "other.csv", "--mapping", "bank.yaml"),
        ("import", "csv", "empty.csv", "--mapping", "bank.yaml"),
        ("import", "csv", "missing.csv", "--mapping", "bank.yaml"),
        ("import", "csv", "bank.csv", "--mapping", "bad.yaml"),
        ("import", "open-banking", "bank.json", "--customer", CARD),
        ("import", "plaid", "missing.json", "--customer", "me"),
        ("load", "--from", "postgresql://127.0.0.1:1/none"),
    ],
)
def test_a_command_that_fails_leaves_no_new_store(
    tuppence: Run, folder: Path, command: tuple[str, ...]
) -> None:
    before = {*folder.iterdir()}
    tuppence(*command, "--store", "new/money", status=1)
    assert {*folder.iterdir()} == before
    (folder / "money").mkdir()
    (folder / "money" / "notes.txt").write_text("mine")
    tuppence(*command, "--store", "money", status=1)
    assert [path.name for path in (folder / "money").iterdir()] == ["notes.txt"]


def test_a_file_of_which_no_row_is_taken_says_why_and_changes_nothing(
    tuppence: Run, folder: Path
) -> None:
    FactStore.create(folder / "money", Schema()).append(bank([]))
    done = tuppence(*IMPORT, "--store", "money", status=1)
    assert "all 2 rows were rejected; row 1: booking date is not a date" in done.stderr
    assert "row 2: booking date is not a date of the form %Y-%m-%d: 2026-13-01" in done.stderr
    assert "nothing was imported or set aside" in done.stderr
    assert not (folder / "money" / "rejects").exists()


def test_files_before_the_one_that_fails_stay(tuppence: Run, folder: Path) -> None:
    (folder / "good.csv").write_text(GOOD)
    files = ("good.csv", "bank.csv")
    tuppence("import", "csv", *files, "--mapping", "bank.yaml", "--store", "money", status=1)
    assert FactStore(folder / "money").transaction_count == 1


def test_synth_leaves_all_customers_or_no_store(
    tuppence: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = synthetic.population

    def interrupted(customers: int, *others: object) -> Iterator[tuple[int, Rows]]:
        yield next(iter(real(customers, *others)))  # type: ignore[arg-type]
        raise UserError("store.disk", "no room")

    monkeypatch.setattr("tuppence.cli.synth.population", interrupted)
    tuppence("synth", "--customers", 20, "--months", 1, "--store", "demo", status=1)
    assert not list(tmp_path.iterdir())
    FactStore.create(tmp_path / "demo", Schema())
    tuppence("synth", "--customers", 20, "--months", 1, "--store", "demo", status=1)
    assert FactStore(tmp_path / "demo").partitions() == []
    monkeypatch.setattr("tuppence.cli.synth.population", real)
    tuppence("synth", "--customers", 20, "--months", 1, "--store", "demo")
    assert [count for _, count in FactStore(tmp_path / "demo").partitions()] == [20]
    (segment,) = FactStore(tmp_path / "demo").segment_names()
    assert {p.name for p in (tmp_path / "demo" / "facts").iterdir()} == {segment, "manifest.json"}


def test_pages_are_added_all_or_none(store: Path) -> None:
    digest = FactStore(store).digest

    def pages() -> Iterator[Rows]:
        yield bank([], "bob")
        raise UserError("consent.none", "no consent")

    with pytest.raises(UserError, match="no consent"):
        FactStore(store).append_all(pages())
    assert FactStore(store).digest == digest
    FactStore(store).append_all([bank([], "bob"), bank([], "eve")], 1)
    assert FactStore(store).partitions() == [("p00000", 1), ("p00001", 1), ("p00002", 1)]
