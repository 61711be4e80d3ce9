"""Numbers of texts, by which registers and results hold them."""

import itertools
from collections.abc import Iterable, Sequence


class TextNumbers:
    """Assigns numbers to texts: equal texts have the same number.

    Args:
        texts: The texts of the first numbers.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = list(dict.fromkeys(texts))
        self.numbers: dict[str | None, int] = {None: 0}
        self.numbers.update(zip(self.texts, itertools.count(), strict=False))

    def number(self, text: str) -> int:
        """Return the number of a text."""
        found = self.numbers.get(text)
        if found is None:
            found = self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return found

    def of_dictionary(self, texts: Sequence[str | None]) -> list[int]:
        """Return the number of each text of a dictionary; 0 for null."""
        known = self.numbers
        new = [text for text in dict.fromkeys(texts) if text is not None and text not in known]
        known.update(zip(new, itertools.count(len(self.texts)), strict=False))
        self.texts += new
        return list(map(known.__getitem__, texts))
