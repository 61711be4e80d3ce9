"""Removes card numbers from columns, identifiers and JSON before anything is stored."""

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
"""Matches every text that `masked` may change: enough digits without letters between them."""
MAX_IN_PYTHON: Final = 100
"""Number of texts up to which looking through them in Python is faster than a query."""
_TOKEN_BYTES: Final = 12
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
TOKEN: Final = rf"hidden-[a-p]{{{2 * _TOKEN_BYTES}}}"
"""Regular expression of a token."""
_LEAF: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
"""Matches a text or a number in a JSON document."""


class Tokens:
    """Replaces identifiers that hold a card number by tokens, always the same for an identifier.

    A token is a keyed hash (BLAKE2b, RFC 7693). Unlike a plain hash, nobody without the key can
    find the number by trying all of them; unlike a masked number, it still distinguishes rows. It
    has no digits, so that it is never taken for a card number itself.

    Args:
        key: Returns the secret of the store; called only when such an identifier is found.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def of(self, identifier: str) -> str:
        """Return the identifier, or its token if it may hold a card number."""
        if not holds_card(identifier):
            return identifier
        digest = hashlib.blake2b(identifier.encode(), digest_size=_TOKEN_BYTES, key=self._key())
        return "hidden-" + digest.hexdigest().translate(_LETTERS)

    def name_of(self, identifier: str, is_name: Callable[[str], bool]) -> str:
        """Return the name that facts have for an identifier: itself, or its token as of `of`.

        Args:
            identifier: Identifier as a person writes it.
            is_name: Returns whether facts of an older version have the identifier itself; called
                only where it holds what may be a card number.
        """
        is_itself = holds_card(identifier) and is_name(identifier)
        return identifier if is_itself else self.of(identifier)

    def of_scope(self, word: str) -> str:
        """Return a word of a consent's scope with its account, after the colon, replaced."""
        key, colon, account = word.partition(":")
        return f"{masked(key)}{colon}{self.of(account)}"

    def of_all(self, identifiers: pl.Series) -> pl.Series:
        """Return a column of identifiers with those replaced that may hold a card number."""
        return _replaced(identifiers, self.of)


def masked_texts(texts: pl.Series) -> pl.Series:
    """Return a column of texts with card numbers masked."""
    return _replaced(texts, masked)


def masked_json(content: Any) -> str:
    """Return JSON with card numbers masked in texts and numbers; a masked number becomes a text."""
    document = json.dumps(content, ensure_ascii=False, default=str)
    return _LEAF.sub(lambda leaf: _masked_leaf(leaf[0]), document)


def _masked_leaf(leaf: str) -> str:
    text = str(json.loads(leaf)) if leaf.startswith('"') else leaf
    hidden = masked(text)
    return leaf if hidden == text else json.dumps(hidden, ensure_ascii=False)


def _replaced(texts: pl.Series, replace: Callable[[str], str]) -> pl.Series:
    """Apply a replacement to each distinct text of a column that may hold a card number."""
    if len(texts) <= MAX_IN_PYTHON:
        suspects = {text for text in texts if text is not None and len(text) >= MIN_DIGITS}
    else:
        is_long = texts.str.len_bytes() >= MIN_DIGITS
        distinct = texts.filter(is_long).unique()
        suspects = {*distinct.filter(distinct.str.contains(_CANDIDATE))}
    replacements = {text: new for text in suspects if (new := replace(text)) != text}
    return texts.replace(replacements) if replacements else texts
