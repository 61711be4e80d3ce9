"""Files that arrive in an inbox, broken off, refused, and arriving while others are imported."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tuppence.errors import UserError
from tuppence.facts.rows import Counts
from tuppence.usecases.import_bank_data import ImportedTable
from tuppence.usecases.keep_import import Known
from tuppence.usecases.take_in_files import Arrived, take_in

JUNE, JULY = Arrived("bank", "june.csv"), Arrived("bank", "july.csv")


class MemoryInbox:
    """Implements the port Inbox."""

    def __init__(self, *names: Arrived) -> None:
        self.names = list(names)
        self.finished: dict[Arrived, Path | None] = {}
        self.refused: dict[Arrived, str] = {}

    def waiting(self) -> Sequence[Arrived]:
        return list(self.names)

    def fetch(self, file: Arrived, folder: Path) -> Path:
        if file.source == "stranger":
            raise UserError("file.missing", f"{file.name}: there is no such file")
        path = folder / file.name
        path.write_text(file.source)
        return path

    def finish(self, file: Arrived, rejects: Path | None) -> None:
        self.names.remove(file)
        self.finished[file] = rejects

    def refuse(self, file: Arrived, reason: str) -> None:
        self.names.remove(file)
        self.refused[file] = reason


def imported(file: Path, mapping: Path, rejects: Path | None = None) -> ImportedTable:
    assert mapping.read_text() == file.read_text()
    return ImportedTable(
        name=file.name,
        rows=1,
        counts=Counts(1, 0, 0),
        rejects=0,
        rejects_file=rejects,
        known=Known(),
        left_out=(),
        doubts=(),
        replaced=0,
        forgotten=0,
    )


def test_files_are_imported_in_order_and_leave_with_their_rejects(tmp_path: Path) -> None:
    inbox = MemoryInbox(JUNE, JULY)
    rejects = tmp_path / "rejects.csv"
    order: list[str] = []

    def import_file(file: Path, mapping: Path) -> ImportedTable:
        order.append(file.name)
        return imported(file, mapping, rejects if file.name == "june.csv" else None)

    outcomes = list(take_in(inbox, import_file))
    assert order == ["june.csv", "july.csv"]
    assert [one.file for one in outcomes] == [JUNE, JULY]
    assert inbox.finished == {JUNE: rejects, JULY: None}


def test_files_that_arrive_meanwhile_are_imported_too() -> None:
    inbox = MemoryInbox(JUNE)

    def import_file(file: Path, mapping: Path) -> ImportedTable:
        if file.name == "june.csv":
            inbox.names.append(JULY)
        return imported(file, mapping)

    assert [one.file for one in take_in(inbox, import_file)] == [JUNE, JULY]


def test_a_file_that_is_wrong_is_refused_with_the_reason_and_the_others_are_imported() -> None:
    inbox = MemoryInbox(JUNE, Arrived("stranger", "x.csv"), JULY)

    def import_file(file: Path, mapping: Path) -> ImportedTable:
        if file.name == "june.csv":
            raise UserError("import.all-rejected", "all rows", "look at them", ["row 1: no date"])
        return imported(file, mapping)

    outcomes = list(take_in(inbox, import_file))
    assert [one.imported is None for one in outcomes] == [True, True, False]
    assert inbox.refused[JUNE] == "all rows\nrow 1: no date\nlook at them"
    assert inbox.refused[Arrived("stranger", "x.csv")] == "mapping.yaml: there is no such file"
    assert inbox.names == []


def test_a_reason_has_no_card_number_and_nothing_that_changes_a_display() -> None:
    inbox = MemoryInbox(JUNE)

    def import_file(file: Path, _: Path) -> ImportedTable:
        raise UserError("import.table", f"{file.name}: 4111111111111111 \x1b[2J")

    list(take_in(inbox, import_file))
    assert inbox.refused[JUNE] == r"june.csv: *************111 \x1b[2J"


def test_a_store_that_cannot_be_used_refuses_no_file() -> None:
    inbox = MemoryInbox(JUNE)

    def import_file(file: Path, mapping: Path) -> ImportedTable:
        raise UserError("store.disk", f"{file} {mapping}: could not be written")

    with pytest.raises(UserError, match="could not be written"):
        list(take_in(inbox, import_file))
    assert inbox.names == [JUNE]
    assert not inbox.refused
