"""Holds both places in which people edit rules, a folder and a database, to the same contract."""

from collections.abc import Callable

import pytest

from tuppence.adapters.embedded.rule_folder import RuleFolder
from tuppence.adapters.postgres.definitions import Definitions
from tuppence.adapters.postgres.rule_table import RuleTable
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.usecases.edit_rules import RuleBook, RuleFiles, StoredRule
from tuppence.usecases.team import Person

ANN = Person("https://id.example", "ann", "Ann", frozenset({"author"}))
TEXT = "id: {}\nkind: tip\ntitle: {}\nwhen: 'true'\nscore: 1\nmessage: {{title: a, body: b}}\n"
DAY = Date(20_000)


@pytest.fixture(params=["folder", "database"])
def files(request: pytest.FixtureRequest) -> RuleFiles:
    if request.param == "folder":
        return RuleFolder(request.getfixturevalue("tmp_path"))
    login: Callable[..., str] = request.getfixturevalue("login")
    return RuleTable(Definitions(login("console", "service")))


def nothing(*_: object) -> tuple[()]:
    return ()


def saved(files: RuleFiles, name: str, title: str, base: str) -> str:
    """Save a rule through a book, as the console does; return its version."""
    book, path = RuleBook(files, Schema()), files.path_of(name)
    draft = book.check(StoredRule(name, path, TEXT.format(name, title), ""), nothing)
    return book.save(draft, base, ANN, "because").version


def test_what_was_saved_is_read_and_listed(files: RuleFiles) -> None:
    assert list(files.everything()) == []
    for name in ("two", "one"):
        saved(files, name, "First", "")
    found = RuleBook(files, Schema()).all(nothing, DAY)
    assert [one.stored.name for one in found] == ["one", "two"]
    assert [one.errors for one in found] == [(), ()]
    assert found[0].stored == files.read("one")
    assert found[0].document is not None
    assert found[0].document.value.title == "First"
    assert (files.has("one"), files.has("three")) == (True, False)


def test_only_the_version_that_was_read_is_replaced(files: RuleFiles) -> None:
    first = saved(files, "one", "First", "")
    second = saved(files, "one", "Second", first)
    assert files.read("one").version == second != first
    for base in (first, ""):
        with pytest.raises(UserError) as error:
            saved(files, "one", "Lost", base)
        assert error.value.code == "rule.conflict"
    assert "Second" in files.read("one").text


def test_a_rule_that_is_gone_is_not_replaced(files: RuleFiles) -> None:
    with pytest.raises(UserError) as error:
        saved(files, "one", "Lost", "1")
    assert error.value.code == "rule.conflict"


def test_the_same_text_again_changes_nothing(files: RuleFiles) -> None:
    first = saved(files, "one", "First", "")
    assert saved(files, "one", "First", first) == first


@pytest.mark.parametrize("name", ["../new", "More", "a b", "", "a" * 65, "more/new", "x.yaml"])
def test_a_new_rule_has_a_plain_name(files: RuleFiles, name: str) -> None:
    with pytest.raises(UserError) as error:
        files.write(name, TEXT.format("one", "A"), "", ANN, "because")
    assert error.value.code == "rule.name"
    assert list(files.everything()) == []


@pytest.mark.parametrize("name", ["nothing", "../one", "notes.txt", "", "/etc/passwd"])
def test_nothing_else_is_read(files: RuleFiles, name: str) -> None:
    saved(files, "one", "First", "")
    with pytest.raises(UserError) as error:
        files.read(name)
    assert error.value.code == "rule.missing"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TEXT.format("one", "A").replace("'true'", "paymnts"), "rule.invalid"),
        ("no rule", "rule.invalid"),
        (TEXT.format("two", "A"), "rule.duplicate"),
    ],
)
def test_what_would_stop_the_next_run_is_not_saved(files: RuleFiles, text: str, code: str) -> None:
    for name in ("one", "two"):
        saved(files, name, "First", "")
    book, stored = RuleBook(files, Schema()), files.read("one")
    with pytest.raises(UserError) as error:
        book.save(book.check(stored._replace(text=text), nothing), stored.version, ANN)
    assert error.value.code == code
    assert files.read("one") == stored
