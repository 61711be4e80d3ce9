"""Numbers of texts, by which registers and results hold them."""

from collections.abc import Iterable


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
