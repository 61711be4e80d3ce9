"""The levers of the order of feeds: what each would change, estimated from the log of views."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from tuppence.feed.policy import Policy
from tuppence.relevance.scorecard import Scorecard
from tuppence.usecases.judge_order import RULE_ORDER, Judged, Target, judge
from tuppence.usecases.learn_order import LogColumns, fit_order

HELD_BACK: Final = 14
"""Number of the last nights by which a model is judged, or half of them if there are fewer."""
TEMPERATURES: Final = (10, 30, 60, 120)
"""Temperatures that are tried out as levers."""
_SEEN: Final = ("never lately", "once", "twice", "three times", "five times", "more often")
_AGE: Final = ("on its first day", "1 or 2 days old", "3 to 6 days", "a week", "two weeks or more")


class Candidates(NamedTuple):
    """A model that is judged, and the one that estimates are corrected from.

    Attributes:
        own: The model of clicks, fitted to the nights before those by which is judged.
        card: The model that is judged.
    """

    own: Scorecard
    card: Scorecard


def candidates_of(log: LogColumns, chosen: Scorecard | None) -> Candidates:
    """Return what is needed to judge a model by views that it has not learned from.

    Args:
        log: The log.
        chosen: The model; None for one that is fitted to all but the last nights.
    """
    nights = np.unique(log.night)
    held_back = min(HELD_BACK, len(nights) // 2)
    until = int(nights[-1 - held_back]) if len(nights) else None
    if chosen is not None and chosen.fitted is not None:
        until = chosen.fitted.last
    own = fit_order(log, until=until)
    return Candidates(own, own if chosen is None else chosen)


def judge_levers(log: LogColumns, policy: Policy) -> list[Judged]:
    """Estimate what each lever would change in clicks.

    The model is one that is fitted to all but the last nights. The levers are its temperature, the
    values of the policy, and rule order.

    Raises:
        UserError: As from `judge`.
    """
    own, card = candidates_of(log, None)
    alone = msgspec.structs.replace(policy, values=[])
    heats = sorted({*TEMPERATURES, card.temperature})
    targets = [Target(f"temperature {heat}", card, alone, heat) for heat in heats]
    if policy.values:
        targets.append(Target("with the policy's values", card, policy, card.temperature))
    targets.append(Target(RULE_ORDER, None, alone, 0))
    return judge(log, own, targets)


def scorecard_rows(card: Scorecard, most: int) -> Iterator[tuple[str, str, int | None]]:
    """Yield the part, the level and the points of each row of a scorecard.

    Args:
        card: The scorecard.
        most: Maximum number of rules and topics of each end; a row without points tells how many
            are left out.
    """
    yield "base", "every insight", card.base
    yield "score", "each 20 above 40", card.score
    levels: Mapping[str, tuple[Sequence[str], Sequence[int]]] = {
        "seen": (_SEEN, card.seen),
        "age": (_AGE, card.age),
        "opened": (("not in this turn", "in this turn"), card.clicked),
        "place": ([f"place {k + 1}" for k in range(len(card.place))], card.place),
        "affinity": (("all", "of the kind", "of the topic", "of the rule"), card.affinity),
    }
    for name, (names, points) in levels.items():
        yield from ((name, level, point) for level, point in zip(names, points, strict=True))
    yield from (("kind", *pair) for pair in sorted(card.kind.items()))
    for section, known in (("rule", card.rule), ("topic", card.topic)):
        order = sorted(known.items(), key=lambda pair: (-pair[1], pair[0]))
        middle = len(order) - 2 * most
        shown = order if middle <= 0 else [*order[:most], *order[-most:]]
        yield from ((section, *pair) for pair in shown)
        if middle > 0:
            yield section, f"{middle} more", None
