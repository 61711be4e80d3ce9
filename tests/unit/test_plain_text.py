"""Texts for terminals and spreadsheets."""

import json
import re
import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.building import ROOT

from tuppence.plain_text import (
    editable_cell,
    from_editable_cell,
    from_spreadsheet_safe,
    printable,
    printable_json,
    spreadsheet_safe,
    whole_text,
)

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
CELLS = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\\\\\\xuU0015bc'=\t\r\n\x1b\x85\u202e"),
    )
)
TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("'\"=+-@\t\r\n ＝\u200b\x1b")))


@given(TEXTS)
def test_characters_that_change_a_terminal_are_escaped(text: str) -> None:
    shown = printable(text, keep="")
    assert not [sign for sign in shown if unicodedata.category(sign) in HARMFUL]
    harmless = "".join(sign for sign in text if unicodedata.category(sign) not in HARMFUL)
    assert printable(harmless) == harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u2028b\u200bc", r"a\u2028b\u200bc"),
        ("a\udc80b", r"a\udc80b"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("£12 at Café 东京", "£12 at Café 东京"),
    ],
)
def test_terminal_sequences_are_shown_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.dictionaries(TEXTS, TEXTS))
def test_escaped_json_keeps_its_meaning(value: dict[str, str]) -> None:
    document = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(document) == value
    assert not [sign for sign in document if unicodedata.category(sign) in HARMFUL]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r", "'\r"),
        (' "=1', "' \"=1"),
        ("'=1", "''=1"),
        ("＝1", "'＝1"),
        ("\u200b=1", "'\u200b=1"),
        ("-12.50", "-12.50"),
        ("+1,087.50", "+1,087.50"),
        ("1=1", "1=1"),
        ("O'Neill", "O'Neill"),
        ("", ""),
    ],
)
def test_formulas_get_an_apostrophe_and_numbers_do_not(cell: str, safe: str) -> None:
    assert spreadsheet_safe(cell) == safe
    assert from_spreadsheet_safe(safe) == cell


@given(TEXTS)
def test_every_safe_cell_is_restored_unchanged(cell: str) -> None:
    assert from_spreadsheet_safe(spreadsheet_safe(cell)) == cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("a\u202eb\U000e0041", r"a\u202eb\U000e0041"),
        ("two\nlines", r"two\x0alines"),
        ("\t=1", r"\x09=1"),
        ("=1\x1b", r"'=1\x1b"),
        (r"C:\x1b", r"C:\x5cx1b"),
        (r"\x5c", r"\x5cx5c"),
        (r"C:\new\users \x41 \ud800 \u001b", r"C:\new\users \x41 \ud800 \u001b"),
        ("£12 at Café 东京", "£12 at Café 东京"),
    ],
)
def test_a_cell_to_correct_shows_control_characters_as_escapes(text: str, cell: str) -> None:
    assert editable_cell(text) == cell
    assert from_editable_cell(cell) == text


@given(CELLS)
def test_a_cell_to_correct_gives_back_the_same_text_and_has_no_control_character(text: str) -> None:
    cell = editable_cell(text)
    assert from_editable_cell(cell) == text
    assert not [sign for sign in cell if unicodedata.category(sign) in HARMFUL]
    assert spreadsheet_safe(cell) == cell or cell.startswith("'")


@pytest.mark.parametrize("text", ["b\n", "ab", "c\n", "", "\nb"])
def test_a_pattern_of_a_whole_text_matches_nothing_around_it(text: str) -> None:
    pattern = re.compile(whole_text("b|cc"))
    assert pattern.search("b")
    assert pattern.search("cc")
    assert not pattern.search(text)


def test_no_pattern_of_a_request_or_a_file_ends_before_a_line_feed() -> None:
    patterns = [
        f"{path.name}: {pattern}"
        for path in (ROOT / "src").rglob("*.py")
        for pattern in re.findall(r"pattern=(?!whole_text\().*", path.read_text("utf-8"))
    ]
    assert patterns == []
