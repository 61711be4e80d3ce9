"""Checks that a flipped bit anywhere in a store is found, or changes nothing that is read."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.building import ROOT
from tests.conftest import Run

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checking import check_store
from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.corrections import read_corrections
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.feed_file import FeedFile, FeedRecords
from tuppence.adapters.embedded.identifier_key import identifier_key
from tuppence.adapters.embedded.rejects import Rejects, read_rejects
from tuppence.bootstrap.store import open_store
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Use
from tuppence.feed.preferences import Preferences

ANN, BOB = "C0000001", "C0000002"
RULES = ROOT / "catalogue" / "bank_fees.yaml"


MANY = """
import contextlib, io, json, sys
from tuppence.cli import main
for words in json.load(sys.stdin):
    sys.argv, out, err, status = ["tuppence", *words], io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""


class Ended(NamedTuple):
    """The end of a command: its status and its output."""

    status: int
    stdout: str
    stderr: str


def run_all(lines: list[str], folder: Path, *user: str, **environment: str) -> list[Ended]:
    """Run commands one after another in another process, optionally as another user."""
    done = subprocess.run(
        [*user, sys.executable, "-c", MANY], cwd=folder, check=True, capture_output=True, text=True,
        input=json.dumps([line.split() for line in lines]), env={**os.environ, **environment},
    )  # fmt: skip
    return [Ended(*json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with every kind of file.

    Two segments, results, consents, rejects, rules, corrections, and what is kept of feeds.
    """
    folder = tmp_path_factory.mktemp("damage")
    (folder / "bank.yaml").write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a}\n"
        f"constants: {{currency: GBP, account: extra, customer: {ANN}}}\n"
    )
    (folder / "bank.csv").write_text("d,a\n2026-13-01,-1.00\n2026-06-01,-2.50\n2026-14-01,-7.00\n")
    done = run_all(
        [
            "synth --store store --customers 40 --months 2",
            "import csv bank.csv --mapping bank.yaml --store store --today 2026-07-01",
            f"run --store store --rules {RULES} --as-of 2026-06-30",
            f"consent grant {ANN} --on 2026-01-01 --store store",
            f"consent grant {BOB} --on 2026-01-01 --until 2026-05-01 --store store",
            "enrich correct TESCO --category groceries --everyone --store store",
        ],
        folder,
    )
    assert [one.status for one in done] == [0] * 6, done
    store = folder / "store"
    identifier_key(store)
    with contextlib.closing(FeedFile(store, lambda _: True)) as feeds, feeds.change(ANN) as change:
        change.prefer(Preferences(kinds_off=["tip"]))
    (store / ".feed.sqlite.opening").unlink()
    assert {"feed.sqlite", "corrections.json"} <= {path.name for path in store.iterdir()}
    return store


def kinds(store: Path) -> set[str]:
    return {path.suffix or path.name for path in store.rglob("*") if path.is_file()}


def damage(store: Path) -> str:
    """Return what a check reports as damaged; empty if nothing is."""
    try:
        parts = check_store(store, lambda steps: steps)
    except UserError as error:
        return f"{error.message} {error.hint}"
    return " ".join(" ".join((p.name, *p.problems, p.remedy)) for p in parts if p.problems)


def _facts(store: Path) -> Any:
    facts = FactStore(store)
    rows = [
        (name, frame.hash_rows().to_list())
        for part in facts.parts()
        for name, frame in part.tables().items()
    ]
    return rows, facts.partitions(), facts.schema


def _results(store: Path) -> Any:
    with Database(store / "results.sqlite", reading=True) as database:
        rows = [(r.customer_id, r.as_of, r.layout, r.packed) for r in database.scan()]
        latest = database.latest()
        return rows, latest, latest and database.done(latest.run_id)


def _consents(store: Path) -> Any:
    consents = Consents(store)
    return consents.of_all(["C0000000", "C9999999"]), [
        consents.limited(Use(PURPOSES, day, day)) for day in (1, 20_600)
    ]


def _ruleset(store: Path) -> Any:
    run = open_store(store).latest_run()
    return run and (open_store(store).ruleset(run.ruleset).content, run.as_of)


def _rejects(store: Path) -> Any:
    return [(path.name, read_rejects(path).rows()) for path in Rejects(store).paths()]


def _history(store: Path) -> Any:
    facts = FactStore(store)
    given = [facts.given(one.id) for one in facts.imports()]
    parts = [*given, facts.rows_before([ANN])]
    rows = [frame.hash_rows().to_list() for one in parts for frame in one.tables().values()]
    return facts.imports(), rows


def _feeds(store: Path) -> Any:
    return [FeedRecords(store).export(name) for name in (ANN, BOB)]


def _corrections(store: Path) -> Any:
    return read_corrections(store / layout.CORRECTIONS)


READS: tuple[Callable[[Path], Any], ...] = (
    _facts, _results, _consents, _ruleset, _rejects, _history, _feeds, _corrections,
)  # fmt: skip


def read(store: Path) -> list[str | None]:
    """Return a digest of what each kind of read returns; None for a read that reports damage."""
    found: list[str | None] = []
    for one in READS:
        try:
            found.append(hashlib.sha256(repr(one(store)).encode()).hexdigest())
        except UserError:
            found.append(None)
    return found


def commands(tuppence: Run, store: Path) -> list[str]:
    """Return what commands print, and what a run and an import after them leave."""
    day = ("--as-of", "2026-07-01", "--format", "json")
    outputs = [
        tuppence("results", "--store", store, "--format", "csv").stdout,
        *(tuppence("feed", name, "--store", store).stdout for name in (ANN, BOB)),
        tuppence("export", ANN, "--store", store).stdout,
        tuppence("consent", "list", BOB, "--store", store, "--format", "json").stdout,
        tuppence("streams", ANN, "--store", store).stdout,
        tuppence("run", "--store", store, "--rules", RULES, *day).stdout,
        tuppence("results", "--store", store, "--format", "csv").stdout,
        tuppence("consent", "withdraw", ANN, "--on", "2026-06-30", "--store", store).stdout,
        tuppence("forget", BOB, "--yes", "--store", store).stdout,
        tuppence("export", ANN, "--store", store).stdout,
    ]
    outputs[6] = json.dumps(
        {k: v for k, v in json.loads(outputs[6]).items() if "seconds" not in k and "/s" not in k}
    )
    return outputs


def flip_bits(whole: Path, folder: Path, tuppence: Run, count: int, seed: int) -> Counter[str]:
    """Flip one bit at a time in randomly chosen files, and count how each was found."""
    points = random.Random(seed)  # noqa: S311 - any positions will do
    files = [p.relative_to(whole) for p in sorted(whole.rglob("*")) if p.is_file()]
    files = [path for path in files if (whole / path).stat().st_size]
    store = folder / "store"
    expected = read(whole)
    assert None not in expected
    outputs: list[str] = []
    tally: Counter[str] = Counter()
    for number in range(count):
        path = files[number % len(files)]  # every file in turn, however small
        data = bytearray((whole / path).read_bytes())
        place, bit = points.randrange(len(data)), points.randrange(8)
        data[place] ^= 1 << bit
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(whole, store)
        (store / path).write_bytes(data)
        flipped = f"bit {bit} of byte {place} of {path}"
        report, found = damage(store), read(store)
        for one, was in zip(found, expected, strict=True):
            assert one in {was, None}, f"{flipped}: a read gives something else, and does not say"
        tally["found by check"] += bool(report)
        tally["found by a read"] += None in found
        if report:
            named = (
                path.parts[-2] if path.parts[0] == "facts" and len(path.parts) > 2 else path.name
            )
            assert named.removesuffix(".sum") in report, (
                f"{flipped}: the part is not named: {report}"
            )
            continue
        assert path == Path("lock"), f"{flipped}: not found, though only the lock has no checksum"
        assert None not in found, f"{flipped}: found by a read, and not by check"
        if not outputs:
            shutil.copytree(whole, folder / "same")
            outputs = commands(tuppence, folder / "same")
        ours = [text.replace(str(store), "S") for text in commands(tuppence, store)]
        assert ours == [t.replace(str(folder / "same"), "S") for t in outputs], flipped
        tally["changes nothing"] += 1
    return tally


def test_a_flipped_bit_is_found_or_changes_nothing(
    whole: Path, tmp_path: Path, tuppence: Run
) -> None:
    assert {".json", ".parquet", ".sqlite", ".csv", ".sum", ".key", "lock"} <= kinds(whole)
    assert damage(whole) == ""
    tally = flip_bits(whole, tmp_path, tuppence, 28, seed=3)
    assert tally["found by check"] + tally["changes nothing"] == 28
    assert tally["found by a read"] >= 20


@pytest.mark.long
def test_a_thousand_flipped_bits_are_found_or_change_nothing(
    whole: Path, tmp_path: Path, tuppence: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    tally = flip_bits(whole, tmp_path, tuppence, 1_000, seed=1)
    with capfd.disabled():
        sys.stdout.write(f"[1,000 flips: {dict(tally)}] ")
    assert tally["found by check"] + tally["changes nothing"] == 1_000


def test_check_names_each_damaged_part_and_what_to_do(
    whole: Path, tmp_path: Path, tuppence: Run
) -> None:
    store = tmp_path / "store"
    shutil.copytree(whole, store)
    victims = [
        store / "results.sqlite", store / "consents.sqlite", store / "identifiers.key",
        *(store / "rulesets").iterdir(),
        *(store / "rejects").glob("*.csv"), *(store / "facts").glob("*/transactions.parquet"),
    ]  # fmt: skip
    for path in victims:
        data = bytearray(path.read_bytes())
        data[-20] ^= 4
        path.write_bytes(data)
    done = tuppence("store", "check", "--store", store, status=1)
    for message in (
        "results.sqlite: damaged: a page does not have its checksum",
        "results.sqlite: → remove the file and run again",
        "consents.sqlite: → restore it from a copy; without one, remove it",
        "partition p00000: ", "imports: ",
        "transactions.parquet: damaged: its checksum is not the one on record",
        "→ restore the store from a copy that was made while nothing changed it",
        ".json: damaged", "→ remove the file, then run or publish the rules again",
        "bank.csv.rejects.csv: damaged or edited", "→ remove it, and import the file it came from",
        "identifiers.key: → restore this file from a copy of the store",
        "7 of 10 parts are not as they were written",
    ):  # fmt: skip
        assert message in done.stderr
    assert "whole" not in done.stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user may enter; pytest makes folders for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_store_that_may_only_be_read_can_be_read_and_not_written(
    whole: Path, open_folder: Path
) -> None:
    """Runs as another user if the tests run as root, for whom nothing is read-only."""
    user = ("setpriv", "--reuid", "65534", "--clear-groups") if os.geteuid() == 0 else ()
    if user and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, which runs a command as another user")
    probe = [*user, sys.executable, "-c", "import tuppence"]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("another user may not read this installation")
    store = open_folder / "store"
    shutil.copytree(whole, store)
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    reading = [
        "results --limit 1", f"feed {ANN}", f"explain {ANN} bank_fees", f"export {ANN}",
        "store check", f"consent list {ANN}", f"streams {ANN}", f"forecast {ANN}",
        f"rules preview {RULES}",
    ]  # fmt: skip
    writing = [
        f"consent grant {ANN}", f"forget {ANN} --yes", "store compact",
        f"run --rules {RULES} --as-of 2026-07-01",
    ]  # fmt: skip
    lines = [f"{line} --store {store}" for line in (*reading, *writing)]
    done = run_all(lines, open_folder, *user, HOME=str(open_folder), NUMBA_DISABLE_JIT="1")
    for line, one in zip(reading, done, strict=False):
        assert one.status == 0, (line, one.stderr)
        assert one.stdout
    for line, one in zip(writing, done[len(reading) :], strict=True):
        assert one.status == 1, line
        assert "error[store.permission]" in one.stderr
        assert "may not be written" in one.stderr
        assert "Traceback" not in one.stderr
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_files_with_personal_data_are_for_their_owner_alone(
    whole: Path, tmp_path: Path, tuppence: Run
) -> None:
    assert whole.stat().st_mode & 0o777 == 0o700
    for path in whole.rglob("*"):
        is_open = path.stat().st_mode & 0o077
        assert not is_open or "rulesets" in path.parts, path
    for format_ in ("csv", "json", "table", "parquet"):
        output = tmp_path / f"results.{format_}"
        tuppence("results", "--store", whole, "--format", format_, "--output", output)
        assert output.stat().st_mode & 0o777 == 0o600
    done = tuppence("results", "--store", whole, "--output", tmp_path / "no/such", status=1)
    assert "error[cli.output]" in done.stderr
