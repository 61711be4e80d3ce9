"""Card numbers are taken out of columns, identifiers and JSON before anything is kept."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

import polars as pl

from tuppence.cards import MIN_DIGITS, holds_card, masked

_CANDIDATE: Final = (
    rf"[\p{{Nd}}\p{{No}}](?:[^\p{{L}}\p{{Nl}}\p{{Nd}}\p{{No}}]*[\p{{Nd}}\p{{No}}])"
    rf"{{{MIN_DIGITS - 1}}}"
)
"""What `masked` may change: so many digits with no letters between them."""
_TOKEN_BYTES: Final = 12
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
TOKEN: Final = rf"hidden-[a-p]{{{2 * _TOKEN_BYTES}}}"
"""Regular expression of a token."""
_LEAF: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
"""A text or a number of a JSON document."""


class Tokens:
    """Names for identifiers that hold a card number: the same for the same identifier, always.

    A name is a keyed hash (BLAKE2b, RFC 7693): without the key nobody can find the number by trying
    all of them, as with a plain hash, and rows keep their identity, as with a masked number they
    would not. It has no digits, so that it is never taken for a card number itself.

    Args:
        key: Returns the secret of the store; called when the first such identifier comes.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def of(self, identifier: str) -> str:
        """Return the identifier, or its token where it holds what may be a card number."""
        if not holds_card(identifier):
            return identifier
        digest = hashlib.blake2b(identifier.encode(), digest_size=_TOKEN_BYTES, key=self._key())
        return "hidden-" + digest.hexdigest().translate(_LETTERS)

    def name_of(self, identifier: str, is_name: Callable[[str], bool]) -> str:
        """Return the name that facts have for an identifier: itself, or its token as of `of`.

        Args:
            identifier: As a person writes it.
            is_name: Returns whether facts of an older version have the identifier itself; called
                only where it holds what may be a card number.
        """
        is_itself = holds_card(identifier) and is_name(identifier)
        return identifier if is_itself else self.of(identifier)

    def of_scope(self, word: str) -> str:
        """Return a word of a consent's scope; the account after its colon gets its token."""
        key, colon, account = word.partition(":")
        return f"{masked(key)}{colon}{self.of(account)}"

    def of_all(self, identifiers: pl.Series) -> pl.Series:
        """Return a column of identifiers, with tokens for those that hold a card number."""
        return _replaced(identifiers, self.of)


def masked_texts(texts: pl.Series) -> pl.Series:
    """Return a column of texts without card numbers; other texts are not looked into."""
    return _replaced(texts, masked)


def masked_json(content: Any) -> str:
    """Return JSON in which each text and number is masked; a masked number becomes a text."""
    document = json.dumps(content, ensure_ascii=False, default=str)
    return _LEAF.sub(lambda leaf: _masked_leaf(leaf[0]), document)


def _masked_leaf(leaf: str) -> str:
    text = str(json.loads(leaf)) if leaf.startswith('"') else leaf
    hidden = masked(text)
    return leaf if hidden == text else json.dumps(hidden, ensure_ascii=False)


def _replaced(texts: pl.Series, replace: Callable[[str], str]) -> pl.Series:
    """Return a column in which each distinct text that may hold a card number is replaced."""
    is_long = texts.str.len_bytes() >= MIN_DIGITS
    suspects = texts.filter(is_long).unique()
    suspects = suspects.filter(suspects.str.contains(_CANDIDATE))
    news = {text: new for text in suspects if (new := replace(text)) != text}
    return texts.replace(news) if news else texts
