"""Ranks the cards of feeds: tiers first, then points and noise, and one of a group.

The noise is a Gumbel number that a hash of seed, night, customer and rule gives, so any ranking can
be replayed, and cards are drawn in proportion to their weights (Plackett and Luce).
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop

Array = npt.NDArray[Any]

HELD_OUT: Final = 5
"""Percentage of customers whose feeds stay in rule order for good: the proof of what is gained."""
_MICRO: Final = 1_000_000
_BLOCK: Final = 1 << 14
"""Number of cards that are hashed at once: their columns stay in the processor's cache."""


class Deck(NamedTuple):
    """The cards that may be shown in feeds; those of a feed are adjacent.

    Attributes:
        starts: Number of the first card of each feed, and after them the number of cards.
        tier: Tier of each card; those of a lower tier come first.
        group: Group of each card, such as its topic: a feed shows one of a group.
        fixed: Whether the order of the card's tier is not drawn: then its points decide alone.
        points: Points of each card, or what orders it where it is fixed.
        rule: Number of the rule of each card, which decides between equals.
    """

    starts: Array
    tier: Array
    group: Array
    fixed: Array
    points: Array
    rule: Array


def code_of(text: str) -> int:
    """Return the number of 64 bits that stands for an identifier in hashes."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def codes_of(texts: Iterable[str]) -> Array:
    """Return the numbers that stand for identifiers in hashes."""
    return np.array([code_of(text) for text in texts], np.uint64)


def is_held_out(customer: str) -> bool:
    """Return whether a customer's feed stays in rule order for good, to compare others with."""
    return code_of(f"held out {customer}") % 100 < HELD_OUT


def noise(seed: int, night: Array | int, customer: Array, rule: Array) -> Array:
    """Return the Gumbel noise of cards in millionths.

    Args:
        seed: The seed of the model.
        night: The night of each card, or of all.
        customer: Number that stands for the customer of each card.
        rule: Number that stands for the rule of each card.
    """
    nights = np.broadcast_to(night, len(rule))
    found = np.empty(len(rule), np.int64)
    for first in range(0, len(rule), _BLOCK):
        part = slice(first, first + _BLOCK)
        uniform = uniforms(seed, nights[part], customer[part], rule[part])
        found[part] = np.rint(-np.log(-np.log(uniform)) * _MICRO)
    return found


def uniforms(seed: int, *columns: Array) -> Array:
    """Return numbers between 0 and 1 that hash a seed and a row of whole numbers each.

    A column of one number stands for as many as the others have.
    """
    mixed = _mixed(np.full(1, seed, np.uint64))
    for column in columns:
        mixed = _mixed(mixed ^ column.astype(np.uint64))
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def keys(deck: Deck, temperature: int, noises: Array) -> Array:
    """Return the numbers by which the cards of a tier are ordered, the highest first."""
    found: Array = deck.points * _MICRO + np.where(deck.fixed, 0, temperature * noises)
    return found


def ranked(deck: Deck, sort_keys: Array, places: int) -> Array:
    """Return the place of each card in its feed, from 0; -1 if it is not shown.

    Args:
        deck: The cards.
        sort_keys: Their keys.
        places: Maximum number of cards of a feed.
    """
    found = np.full(len(deck.tier), -1, np.int64)
    shown = np.zeros(places, np.int64)
    _rank(deck.starts, deck.tier, deck.group, deck.rule, sort_keys, shown, found)
    return found


def _mixed(values: Array) -> Array:
    """Return numbers that look random, by splitmix64 (Steele, Lea and Flood, 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = values ^ (values >> np.uint64(31))
    return mixed


@loop
def _rank(
    starts: Any, tier: Any, group: Any, rule: Any, sort_keys: Any, shown: Any, found: Any
) -> None:
    for feed in range(len(starts) - 1):
        first, last = starts[feed], starts[feed + 1]
        for place in range(len(shown)):
            best = -1
            for i in range(first, last):
                if found[i] >= 0:
                    continue
                if best >= 0:
                    if tier[i] > tier[best]:
                        continue
                    if tier[i] == tier[best]:
                        if sort_keys[i] < sort_keys[best]:
                            continue
                        if sort_keys[i] == sort_keys[best] and rule[i] > rule[best]:
                            continue
                taken = False
                for k in range(place):
                    taken = taken or group[shown[k]] == group[i]
                if not taken:
                    best = i
            if best < 0:
                break
            found[best] = place
            shown[place] = best
