"""Numbers of texts, by which registers and results hold them."""

from collections.abc import Iterable, Sequence


class TextNumbers:
    """Assigns numbers to texts: equal texts have the same number.

    Args:
        texts: The texts of the first numbers.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = list(dict.fromkeys(texts))
        self.numbers: dict[str, int] = {text: number for number, text in enumerate(self.texts)}

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
        for text in texts:
            if text not in known and text is not None:
                self.number(text)
        return [known.get(text, 0) if text is not None else 0 for text in texts]
