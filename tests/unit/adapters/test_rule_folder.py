"""Checks rules in a folder: names, versions, and what is never overwritten."""

import shutil
from pathlib import Path

import pytest
from tests.building import ROOT, RULES

from tuppence.adapters.embedded.rule_folder import RuleFolder, copy_catalogue
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.usecases.edit_rules import RuleBook, StoredRule, differences, standing_of
from tuppence.usecases.team import OWNER

TEXT = "id: {}\nkind: tip\ntitle: A\nwhen: 'true'\nscore: 1\nmessage: {{title: a, body: b}}\n"
DAY = Date(20_000)


def nothing(*_: object) -> tuple[()]:
    return ()


@pytest.fixture
def folder(tmp_path: Path) -> RuleFolder:
    (tmp_path / "more").mkdir()
    (tmp_path / "one.yaml").write_text(TEXT.format("one"))
    (tmp_path / "more" / "Two-2.yaml").write_text(TEXT.format("two"))
    (tmp_path / "notes.txt").write_text("no rule")
    return RuleFolder(tmp_path)


def test_rules_are_named_by_their_paths(folder: RuleFolder) -> None:
    assert [name for name, _ in folder.everything()] == ["more/Two-2", "one"]
    assert folder.read("more/Two-2").text == TEXT.format("two")


@pytest.mark.parametrize("name", ["nothing", "../one", "notes.txt", "", "/etc/passwd"])
def test_nothing_else_is_read(folder: RuleFolder, name: str) -> None:
    with pytest.raises(UserError) as error:
        folder.read(name)
    assert error.value.code == "rule.missing"


@pytest.mark.parametrize("name", ["../new", "More", "a b", "", "a" * 65, "more/new", "x.yaml"])
def test_a_new_rule_has_a_plain_name(folder: RuleFolder, name: str) -> None:
    with pytest.raises(UserError) as error:
        folder.write(name, "text", "", OWNER, "")
    assert error.value.code == "rule.name"


def test_a_file_that_was_removed_is_not_made_again(folder: RuleFolder) -> None:
    first = folder.read("one")
    folder.path_of("one").unlink()
    with pytest.raises(UserError) as error:
        folder.write("one", "lost", first.version, OWNER, "")
    assert "was removed" in error.value.message


def test_the_catalogue_is_copied_once(tmp_path: Path) -> None:
    assert copy_catalogue(tmp_path / "rules")
    assert len(list((tmp_path / "rules").iterdir())) == RULES
    (tmp_path / "rules" / "bank_fees.yaml").unlink()
    assert not copy_catalogue(tmp_path / "rules")
    assert len(list((tmp_path / "rules").iterdir())) == RULES - 1


def test_a_book_lists_unreadable_and_doubled_rules_with_their_errors(folder: RuleFolder) -> None:
    path = folder.path_of("one").parent
    shutil.copy(path / "one.yaml", path / "third.yaml")
    (path / "bytes.yaml").write_bytes(b"\xff")
    (path / "text.yaml").write_text("no rule")
    found = RuleBook(folder, Schema()).all(nothing, DAY)
    codes = {one.stored.name: [problem.code for problem in one.problems] for one in found}
    assert codes == {
        "bytes": ["file.encoding"], "more/Two-2": [], "one": [], "text": ["file.shape"],
        "third": ["rules.duplicate-id"],
    }  # fmt: skip


def test_only_what_has_changed_is_checked_again(folder: RuleFolder) -> None:
    book, seen = RuleBook(folder, Schema()), list[str]()

    def examine(definition: object, _: object) -> tuple[()]:
        seen.append(getattr(definition, "id"))  # noqa: B009 - any definition has one
        return ()

    for _ in range(2):
        book.all(examine, DAY)
    assert seen == ["two", "one"]
    folder.write("one", TEXT.format("one") + "# more\n", folder.read("one").version, OWNER, "")
    book.all(examine, DAY)
    assert seen == ["two", "one", "one"]
    book.all(examine, Date(20_001))
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TEXT.format("one").replace("'true'", "paymnts"), "rule.invalid"),
        ("no rule", "rule.invalid"),
        (TEXT.format("one") + "x" * 200_000, "rule.invalid"),
        (TEXT.format("two"), "rule.duplicate"),
    ],
)
def test_what_would_stop_the_next_run_is_not_saved(
    folder: RuleFolder, text: str, code: str
) -> None:
    book, stored = RuleBook(folder, Schema()), folder.read("one")
    edited = book.check(stored._replace(text=text), nothing)
    with pytest.raises(UserError) as error:
        book.save(edited, stored.version, OWNER)
    assert error.value.code == code
    assert folder.read("one") == stored


def test_rules_stand_beside_those_of_the_last_run(folder: RuleFolder) -> None:
    book = RuleBook(folder, Schema())
    rules = book.all(nothing, DAY)
    live = {one.checked.rule.id: one.checked.rule for one in rules if one.checked}
    assert standing_of(rules, live).of == {"one": "same", "two": "same"}
    text = TEXT.format("one").replace("score: 1", "score: 2")
    other = book.check(StoredRule("one", Path("one.yaml"), text, ""), nothing)
    new = book.check(StoredRule("n", Path("n.yaml"), TEXT.format("three"), ""), nothing)
    found = standing_of([other, new], live)
    assert (found.of, found.removed) == ({"one": "changed", "three": "new"}, ("two",))


def test_differences_are_lines_with_their_marks() -> None:
    assert differences("a\nb\nc", "a\nx\nc", 0) == [("@", "@ -2 +2 @@"), ("-", "b"), ("+", "x")]
    assert differences("a", "a") == []


def test_the_whole_catalogue_is_a_book_without_errors() -> None:
    found = RuleBook(RuleFolder(ROOT / "catalogue"), Schema()).all(nothing, DAY)
    assert len(found) == RULES
    assert [one.stored.name for one in found if one.errors] == []
