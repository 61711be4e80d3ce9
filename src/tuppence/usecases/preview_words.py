"""The sentences of a preview that the terminal and the console share."""

from collections.abc import Iterator, Sequence
from typing import Final

from tuppence.usecases.feed_effect import FeedEffect
from tuppence.usecases.previewer import Difference, LiveResults

MAX_NAMED: Final = 8
"""Maximum number of rules that a sentence names."""


def live_sentences(live: LiveResults) -> Iterator[str]:
    """Yield notes on the results of live rules."""
    of = f"The results of live rules are of {live.as_of}"
    if Difference.DAY in live.differences:
        yield f"{of}, another day: --as-of {live.as_of} previews the rule on that day."
    if Difference.FACTS in live.differences:
        yield f"{of}, over other facts or consents than those of now: tuppence run makes new ones."
    if Difference.UNFINISHED in live.differences:
        yield f"{of}, by a run that has not finished: some are older. tuppence run continues it."
    if live.without:
        who = "1 customer has" if live.without == 1 else f"{live.without:,} customers have"
        yield f"{who} no such results, and {'is' if live.without == 1 else 'are'} not compared."


def effect_sentences(effect: FeedEffect, qualified: int) -> Iterator[str]:
    """Yield the changes of the first insights of feeds."""
    shown = sum(effect.places)
    first = f", {effect.places[0]:,} of them in first place" if shown else ""
    yield (
        f"Of the {qualified:,} who qualify, {shown:,} would see it among the first "
        f"{effect.length} insights of their feed{first}."
    )
    if effect.before:
        yield f"The live version is there now for {effect.before:,}."
    if effect.displaced:
        yield f"It takes the place of {_named(effect.displaced)}."
    if effect.promoted:
        yield f"Its live version makes room for {_named(effect.promoted)}."


def _named(counts: Sequence[tuple[str, int]]) -> str:
    shown = [f"{name} ({count:,})" for name, count in counts[:MAX_NAMED]]
    more = len(counts) - MAX_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
