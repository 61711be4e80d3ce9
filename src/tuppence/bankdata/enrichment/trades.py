"""Words and phrases for trades, which say what a payee sells."""

import bisect
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tuppence.bankdata.enrichment.descriptors import split, table

TRADES: Final = "trades.csv"
NO_CATEGORY: Final = ""
"""The category of trades that have none of ours, such as banks and printers."""
_MAX_WORDS: Final = 3
_SCHOOLS: Final = "education"
_MIN_TRUNCATED: Final = 5


def phrases() -> Iterator[tuple[str, str]]:
    """Yield phrases with their categories; those of other trades have NO_CATEGORY."""
    for row in table(TRADES):
        yield from ((phrase, row["category"]) for phrase in row["phrases"].split(";"))


def trades_of(words: Sequence[str]) -> frozenset[str]:
    """Return the categories of the trades that some words name; the last may be cut short."""
    known, ordered = _known()
    found = {one for one in _named(words) if one is not None}
    if words and words[-1] not in known and len(words[-1]) >= _MIN_TRUNCATED:
        place = bisect.bisect_left(ordered, words[-1])
        if place < len(ordered) and ordered[place].startswith(words[-1]):
            found.add(known[ordered[place]])
    return frozenset(found)


def only_trade(words: Sequence[str]) -> str | None:
    """Return the category of the trade of which all words are phrases; None if there is none."""
    found = {*_named(words)}
    return found.pop() if len(found) == 1 else None


def _named(words: Sequence[str]) -> Iterator[str | None]:
    """Yield the category of each phrase in order, and None for a word that is in no phrase."""
    known, _ = _known()
    at = 0
    while at < len(words):
        longest = min(_MAX_WORDS, len(words) - at)
        parts = (" ".join(words[at : at + n]) for n in range(longest, 0, -1))
        phrase = next((part for part in parts if part in known), None)
        yield None if phrase is None else known[phrase]
        at += 1 if phrase is None else phrase.count(" ") + 1


def trade_at_end(words: Sequence[str]) -> str | None:
    """Return the category of the trade that the last words name, if they name no other one.

    Two words or more are needed: one may be a part of a name. A school may teach anything.
    """
    known, _ = _known()
    for length in range(min(_MAX_WORDS, len(words)), 1, -1):
        category = known.get(" ".join(words[-length:]))
        if category is not None:
            return category if category != _SCHOOLS and trades_of(words) <= {category} else None
    return None


@functools.cache
def _known() -> tuple[Mapping[str, str], Sequence[str]]:
    """Read the categories by phrase, and the single words in order."""
    known = {" ".join(split(phrase)): category for phrase, category in phrases()}
    return known, sorted(phrase for phrase in known if " " not in phrase)
