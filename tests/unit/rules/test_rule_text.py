"""Checks that a changed rule keeps the text of all that has not changed."""

from pathlib import Path
from typing import Any

import pytest
from tests.building import ROOT

from tuppence.rules.definition import Definition, document_of
from tuppence.rules.rule_text import changed_text
from tuppence.structured import parse_yaml

TEXT = """# A rule about fees.
id: fees   # never changes
kind: saving
title: Fees
# When it applies:
when: |
  # not a comment of YAML
  count(payments) > 1
score: 40
values: # measured
  fees: total(payments.amount)   # all of them

  yearly: 12 * fees
message: {title: Fees, body: "{{ fees }}"}

# The end.
"""


def parts(text: str) -> dict[str, Any]:
    return document_of(parse_yaml(text, Path("rule.yaml"), Definition).value)


def test_an_unchanged_rule_keeps_its_text() -> None:
    assert changed_text(TEXT, parts(TEXT), parts(TEXT)) == TEXT


def test_only_the_part_that_changed_is_written_and_no_comment_is_lost() -> None:
    after = {**parts(TEXT), "values": {"fees": "1"}, "score": "50"}
    found = changed_text(TEXT, parts(TEXT), after)
    assert parts(found) == after
    changed = "# measured\n# all of them\nvalues:\n  fees: '1'\n"
    before = TEXT[TEXT.index("values:") : TEXT.index("message:")]
    assert found == TEXT.replace(before, changed).replace("score: 40", "score: '50'")


def test_parts_are_added_in_their_usual_place_and_removed_without_their_comments_below() -> None:
    after = {**parts(TEXT), "topic": "fees"}
    assert "topic: fees\n" in changed_text(TEXT, parts(TEXT), after)
    without = {name: part for name, part in parts(TEXT).items() if name != "values"}
    found = changed_text(TEXT, parts(TEXT), without)
    assert parts(found) == without
    assert "# The end.\n" in found
    assert "# measured\n" in found


def test_a_file_with_windows_ends_of_lines_keeps_them() -> None:
    text = TEXT.replace("\n", "\r\n")
    found = changed_text(text, parts(text), {**parts(text), "title": "Other"})
    assert found == text.replace("title: Fees\r", "title: Other\r")


def test_a_file_in_braces_and_one_without_a_last_end_of_line_are_changed() -> None:
    braces = "{id: a, kind: tip, title: A, when: 'true', score: '1', message: {title: a, body: b}}"
    for text in (braces, TEXT.rstrip()):
        after = {**parts(text), "title": "Other", "cooldown_days": 7}
        assert parts(changed_text(text, parts(text), after)) == after


def test_a_default_that_is_written_out_stays() -> None:
    text = TEXT.replace("score: 40\n", "score: 40\nexpires_after_days: 14 # by law\n")
    found = changed_text(text, parts(text), {**parts(text), "title": "Other"})
    assert found == text.replace("title: Fees\n", "title: Other\n")


def test_a_text_with_empty_last_lines_and_the_end_of_a_document_leave_a_whole_file() -> None:
    for text in (TEXT, f"{TEXT}...\n"):
        after = {**parts(text), "description": "About fees.\n\n", "cooldown_days": 7}
        assert parts(changed_text(text, parts(text), after)) == after


def test_an_indented_file_and_one_with_anchors_can_be_changed() -> None:
    indented = "".join(f"  {line}" for line in TEXT.splitlines(keepends=True))
    anchors = TEXT.replace("title: Fees\n# When", "title: &t Fees\ndescription: *t\n# When")
    for text in (indented, anchors):
        after = {**parts(text), "title": "Other", "cooldown_days": 7}
        assert parts(changed_text(text, parts(text), after)) == after


def test_a_comment_beside_a_block_text_is_kept() -> None:
    text = TEXT.replace("when: |\n", "when: | # agreed with legal\n")
    found = changed_text(text, parts(text), {**parts(text), "when": "true"})
    assert "# agreed with legal\n" in found
    assert parts(found)["when"] == "true"


@pytest.mark.parametrize("path", sorted((ROOT / "catalogue").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_rule_of_the_catalogue_survives_a_change_of_each_part(path: Path) -> None:
    text = path.read_text()
    before = parts(text)
    for name, value in before.items():
        if isinstance(value, str) and name not in {"id", "kind", "communication"}:
            after = {**before, name: "true"} if "valid" not in name else before
            assert parts(changed_text(text, before, after)) == after
