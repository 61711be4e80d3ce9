"""A refused import leaves the store as it was, byte for byte, whatever it is refused for."""

import io
import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.building import ROOT
from tests.conftest import Run

from tuppence.adapters.embedded.layout import LOCK

HEADER: Final = "Date,Who,Amount,Account,Owner\n"
MAPPING: Final = (
    "table: transactions\n"
    "columns: {booking date: Date, text: Who, amount: Amount, account: Account, customer: Owner}\n"
    "constants: {currency: GBP}\n"
)
KNOWN: Final = HEADER + "2026-06-01,TEA,-1.00,a1,ann\n31/06/2026,LOST,-3.00,a1,ann\n"
GOOD: Final = HEADER + "2026-06-02,CAKE,-2.00,a1,ann\nsoon,LOST,-4.00,a1,ann\n"
ACCOUNT: Final = {"AccountId": "b1", "Currency": "GBP", "AccountSubType": "Savings"}
CONSENT: Final = {
    "ConsentId": "c1", "Status": "Authorised", "Permissions": ["ReadAccountsBasic"],
    "StatusUpdateDateTime": "2026-06-01T00:00:00Z", "CreationDateTime": "2026-06-01T00:00:00Z",
}  # fmt: skip
CARD: Final = "4111111111111111"
MORE: Final = "attributes:\n  - {name: job, type: text, doc: The job.}\n"
QIF: Final = "!Type:Bank\nD13/06/2026\nT-1.00\n^\n"


class Case(NamedTuple):
    """An import that is refused.

    Attributes:
        code: Code of the error.
        arguments: Arguments of the command, without the store.
        content: Content of the file `new`, if it is needed.
        mapping: Content of the file `new.yaml`, if it is needed.
    """

    code: str
    arguments: tuple[str, ...]
    content: str | bytes = GOOD
    mapping: str = MAPPING


def table(code: str, content: str | bytes = GOOD, mapping: str = MAPPING) -> Case:
    return Case(code, ("csv", "new", "--mapping", "new.yaml"), content, mapping)


def proposed(code: str, content: str | bytes, *options: str) -> Case:
    return Case(code, ("csv", "new", *options), content)


def documents(code: str, content: Any, *options: str, command: str = "open-banking") -> Case:
    text = content if isinstance(content, str) else json.dumps(content)
    return Case(code, (command, "new", *(options or ("--customer", "ann"))), text)


CASES: Final = (
    table("file.binary", GOOD + "\0"),
    table("file.empty", ""),
    table("file.encoding", GOOD.replace("CAKE", "CAFÉ").encode("windows-1252")),
    Case("file.folder", ("csv", ".", "--mapping", "new.yaml")),
    Case("file.missing", ("csv", "nothing", "--mapping", "new.yaml")),
    Case("file.parquet", ("csv", "new.parquet", "--mapping", "new.yaml")),
    table("file.shape", mapping=MAPPING.replace("table: transactions", "table: dreams")),
    Case("file.special", ("csv", "/dev/null", "--mapping", "new.yaml")),
    table("file.yaml", mapping="{"),
    table("import.all-left-out", mapping=MAPPING + "only: {Who: [NOBODY]}\n"),
    table("import.all-rejected", HEADER + "soon,LOST,-3.00,a1,ann\n"),
    table("import.ambiguous-column", GOOD.replace("Who,", "Date,")),
    table("import.other-customer", KNOWN, MAPPING.replace("customer: Owner", "customer: Who")),
    table("import.unknown-column", mapping=MAPPING.replace("Who", "Whom")),
    table("mapping.format", mapping=MAPPING + "decimal_point: x\n"),
    table("mapping.incomplete", mapping=MAPPING.replace("amount: Amount, ", "")),
    table("mapping.unknown-field", mapping=MAPPING.replace("text:", "words:")),
    table("mapping.unknown-word", mapping=MAPPING.replace("GBP", "GBP, type: cash point")),
    Case("store.attributes", ("csv", "new", "--mapping", "new.yaml", "--attributes", "more.yaml")),
    proposed("cli.both", GOOD, "--bank", "monzo", "--mapping", "new.yaml"),
    proposed(
        "import.bank-unclear",
        "Number,Date,Account,Amount,Subcategory,Memo\n"
        "Date,Transaction type,Description,Paid out,Paid in,Balance\n",
    ),
    proposed("import.currency", GOOD, "--currency", "XYZ"),
    proposed("import.no-proposal", "nothing\nof the kind\n"),
    proposed(
        "import.unconfirmed",
        "Date,Details,Paid out,Paid in\n2026-06-13,X,4.00,\n",
        *("--customer", "ann", "--account", "a1"),
    ),
    proposed("import.undecided", "Date,Details,Amount\n03/06/2026,X,-4.00\n"),
    proposed("import.unknown-bank", GOOD, "--bank", "nobank"),
    documents("file.json", "{"),
    documents("identifier.invalid", {}, "--customer", " ann"),
    documents("import.currency", {"Data": {"Product": [{}]}}, "--customer", "cat"),
    documents("import.nothing", {"Data": {"Account": [{}]}}, "--customer", "cat"),
    documents("import.nothing", {"Data": {"Account": [{}]}}, "--customer", CARD),
    documents("import.owner", {"Data": {**CONSENT, "Account": [ACCOUNT, {}]}}),
    documents("file.ofx", "no", command="ofx"),
    documents("file.mt940", "no", command="mt940"),
    documents("file.xml", "no", command="camt053"),
    documents("file.qif", "no", command="qif"),
    documents("import.undecided", QIF, "--customer", "ann", command="qif"),
    documents("import.undecided", QIF, "--account", "a", command="qif"),  # whose?
    documents(
        "import.owner", QIF, "--customer", "ann", "--account", "b1", "--currency", "GBP",
        command="qif",
    ),
    Case("import.unknown", ("undo", "9")),
)  # fmt: skip
OF_THE_STORE: Final = {"import.other-customer", "import.owner", "store.attributes"}
"""Codes that depend on what is in the store."""
NEVER: Final = {
    "file.large": "files of gigabytes or millions of lines",
    "file.permission": "the owner of a container may read everything",
    "file.unreadable": "a disk that fails",
    "secret.missing": "a command that needs a secret, as no import does",
}
"""Codes without a case, and what it would need."""


@pytest.fixture
def store(tmp_path: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of two customers, with rows that were set aside."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "new").write_text(KNOWN)
    (tmp_path / "bob.csv").write_text(HEADER + "2026-06-01,TEA,-4.00,b1,bob\n")
    for name in ("new", "bob.csv"):
        tuppence("import", "csv", name, "--mapping", "m.yaml", "--store", "store")
    return tmp_path / "store"


def contents(store: Path) -> dict[str, bytes]:
    files = (path for path in store.rglob("*") if path.is_file() and path.name != LOCK)
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.arguments[0]}")
def test_a_refused_import_leaves_the_store_as_it_was(
    case: Case, store: Path, tuppence: Run, tmp_path: Path
) -> None:
    content = case.content.encode() if isinstance(case.content, str) else case.content
    for name in ("new", "new.parquet"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "new.yaml").write_text(case.mapping)
    (tmp_path / "more.yaml").write_text(MORE)
    before = contents(store)
    assert "rejects/new.rejects.csv" in before
    done = tuppence("import", *case.arguments, "--store", "store", status=1)
    assert f"error[{case.code}]" in done.stderr
    assert contents(store) == before
    if case.code not in OF_THE_STORE:
        tuppence("import", *case.arguments, "--store", "none", status=1)
        assert not (tmp_path / "none").exists()


def test_files_before_a_refused_one_stay_and_are_told(store: Path, tuppence: Run) -> None:
    (store.parent / "good.csv").write_text(GOOD)
    (store.parent / "bad.csv").write_text(HEADER + "soon,LOST,-3.00,a1,ann\n")
    done = tuppence(
        "import", "csv", "good.csv", "bad.csv", "--mapping", "m.yaml", "--store", "store", status=1
    )
    assert "error[import.all-rejected]: bad.csv" in done.stderr
    assert re.search(r"good\.csv +2 +1 +0 +0 +1 ", done.stdout)
    listed = tuppence("import", "list", "--store", "store").stdout
    assert "good.csv" in listed
    assert "bad.csv" not in listed


def test_every_error_of_the_modules_that_import_has_a_case() -> None:
    source = ROOT / "src/tuppence"
    modules = [
        *(source / "bankdata").glob("*.py"), source / "structured.py",
        *(source / "cli").glob("import*.py"), source / "cli/mapping.py",
        *(source / f"usecases/{name}.py" for name in
          ("import_bank_data", "keep_import", "propose_mapping", "undo_import")),
    ]  # fmt: skip
    found = itertools.chain.from_iterable(
        re.findall(r'UserError\(\s*"([a-z.-]+)"', path.read_text()) for path in modules
    )
    assert sorted({*found} - {case.code for case in CASES} - NEVER.keys()) == []
