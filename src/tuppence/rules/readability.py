"""Estimates the age from which people can read a message."""

import re
from typing import Final

_SENTENCE: Final = re.compile(r"[.!?]+(?=\s|$)")
_YOUNGEST: Final = 5
"""Age of the grade 0 of the index."""
_GROWN_UP: Final = 18
"""Age above which texts are not told apart."""


def reading_age(text: str) -> int | None:
    """Return the age from which a text can be read, by the Automated Readability Index.

    The index counts characters of words and words of sentences (E. A. Smith and R. J. Senter,
    AMRL-TR-66-220, 1967); its grade and five years are an age. Words with digits, such as amounts,
    are left out. Text that is harder than the last grade is for the age of 18. None if there are no
    other words.
    """
    words = [word for word in text.split() if not any(sign.isdigit() for sign in word)]
    letters = sum(sign.isalpha() for word in words for sign in word)
    words = [word for word in words if any(map(str.isalpha, word))]
    if not words:
        return None
    sentences = max(1, len(_SENTENCE.findall(text)))
    grade = 4.71 * letters / len(words) + 0.5 * len(words) / sentences - 21.43
    return min(_YOUNGEST + max(0, round(grade)), _GROWN_UP)
