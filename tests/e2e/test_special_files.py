"""Checks that pipes, devices and folders are refused at once where a file is expected."""

import os
from pathlib import Path

import pytest
from tests.conftest import Run

PIPE = "this is a device, a pipe or a socket, not a file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of pipes, and of folders with the names of files."""
    for name in (
        "x.yaml",
        "x.csv",
        "x.parquet",
        "x.json",
        "x.toml",
        "rules/x.yaml",
        "pages/x.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "m.yaml").write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a, account: acc}\n"
        "constants: {currency: GBP}\n"
    )
    (tmp_path / "t.csv").write_text("d,a,acc\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rules check x.yaml", PIPE),
        ("rules check zero.yaml", PIPE),
        ("rules check rules", PIPE),
        ("rules check folder.yaml", "there are no rules here"),
        ("rules test x.yaml", PIPE),
        ("plan x.yaml", PIPE),
        ("catalogue x.yaml", PIPE),
        ("run --store {store} --rules x.yaml --as-of 2026-06-30", PIPE),
        ("rules preview x.yaml --store {store}", PIPE),
        ("import csv x.csv --mapping m.yaml --store new", PIPE),
        ("import csv x.parquet --mapping m.yaml --store new", PIPE),
        ("import csv /dev/zero --mapping m.yaml --store new", PIPE),
        ("import csv t.csv --mapping x.yaml --store new", PIPE),
        ("import csv t.csv --mapping m.yaml --attributes x.yaml --store new", PIPE),
        ("import csv folder.yaml --mapping m.yaml --store new", "this is a folder, not a file"),
        ("import open-banking x.json --customer ann --store new", PIPE),
        ("import plaid pages --customer ann --store new", PIPE),
        ("schema --attributes x.yaml", PIPE),
        ("feel 1 --context x.json", PIPE),
        ("cost --customers 1000 --rules 10 --prices x.toml", PIPE),
        ("serve token ann --callers x.yaml", PIPE),
        ("import csv t.csv --mapping m.yaml --store t.csv", "this is not a folder"),
        ("synth --customers 2 --store /dev/null", "this is not a folder"),
        ("feed ann --store t.csv", "there is no store here"),
        ("rules check " + "a" * 300, "cannot be read: File name too long"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_path_that_is_not_a_file_is_refused(
    tuppence: Run, store: Path, command: str, expected: str
) -> None:
    done = tuppence(*command.format(store=store).split(), status=1)
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_are_too_large_are_refused_before_they_are_read(
    tuppence: Run, folder: Path
) -> None:
    for name in ("large.yaml", "large.csv", "large.json"):
        with (folder / name).open("wb") as file:
            file.truncate(3_000_000_000)  # without using space on the disk
    where = ("--store", "new")
    for command in (
        ("rules", "check", "large.yaml"),
        ("import", "csv", "large.csv", "--mapping", "m.yaml", *where),
        ("import", "plaid", "large.json", "--customer", "ann", *where),
    ):
        assert "larger than" in "".join(tuppence(*command, status=1))


@pytest.mark.parametrize(
    "name", ["facts/manifest.json", "rulesets/current", "rejects/x.rejects.csv"]
)
def test_a_pipe_inside_a_store_does_not_block(tuppence: Run, store: Path, name: str) -> None:
    path = store / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    done = tuppence("export", "ann", "--store", store, status=int("rulesets" not in name))
    assert ("this is not a file" in done.stderr) == ("rulesets" not in name)
