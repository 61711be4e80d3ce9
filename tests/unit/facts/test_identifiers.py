"""The rule for valid identifiers."""

from collections.abc import Sequence

import pytest
from tests.identifiers import BLANKS, HIDDEN, ODD

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier, why_not_identifier

GOOD = [
    "ann",
    "C0000001",
    "GB33 BUKB 2020",
    "a/b",
    "../../x",
    "-rf",
    "*",
    "Zoë",
    "ａｎｎ",
    "x" * 200,
]
BAD = {
    "": "is empty",
    "x" * 201: "is longer than 200 characters",
    "a\x1b[31mb": "has a control character",
    "a\x00b": "has a control character",
    "a\nb": "has a control character",
    "a\x7f": "has a control character",
    "a\x85b": "has a control character",
    "\u202eevil": "has a control character",
    "a\u2066b": "has a control character",
    "a\u200bb": "has a control character",
    "\ufeffann": "has a control character",
    "a\U000e0041": "has a control character",
    "a\udcffb": "is not UTF-8 text",
    " ann": "begins or ends with a blank",
    "ann\u00a0": "begins or ends with a blank",
    " ": "begins or ends with a blank",
    "\u3000": "begins or ends with a blank",
}


@pytest.mark.parametrize("text", GOOD)
def test_a_valid_identifier_is_returned_unchanged(text: str) -> None:
    assert check_identifier(text, "customer") == text


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=map(ascii, BAD))
def test_an_invalid_identifier_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert (why_not_identifier(text) or "").startswith(reason)
    with pytest.raises(UserError, match=reason) as caught:
        check_identifier(text, "customer")
    assert caught.value.code == "identifier.invalid"
    assert caught.value.message.startswith("customer: ")
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()


def test_exactly_the_hidden_characters_are_refused() -> None:
    def is_in(ranges: Sequence[tuple[int, int]], character: str) -> bool:
        return any(first <= ord(character) <= last for first, last in ranges)

    for odd in ODD:
        hidden, blank = is_in(HIDDEN, odd), is_in(BLANKS, odd)
        assert (why_not_identifier(f"x{odd}x") is not None) is hidden
        assert (why_not_identifier(f"x{odd}") is not None) is (hidden or blank)
        assert (why_not_identifier(f"{odd}x") is not None) is (hidden or blank)
