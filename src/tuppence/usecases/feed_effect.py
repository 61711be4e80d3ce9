"""The effect of a drafted rule on the feeds of customers, from the results of the last run.

The feeds are those of people who have seen nothing yet, by the standard policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop, part_of_loops
from tuppence.feed.policy import PROMOTIONS, STANDARD, URGENT
from tuppence.results.columns import StoredStates
from tuppence.results.packed import NOT_QUALIFIED, QUALIFIED, SUSPENDED
from tuppence.rules.rule import Rule

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class FeedEffect:
    """The customers whose feed a drafted rule would change.

    Attributes:
        length: Number of insights of a feed that is looked at.
        places: Number of customers who would see it in first place, in second place, and so on.
        before: Number of customers who see its live version now.
        displaced: For rules whose insight somebody would no longer see, the number of customers.
        promoted: For rules whose insight somebody would see in its place, the number of customers.
    """

    length: int
    places: tuple[int, ...]
    before: int
    displaced: tuple[tuple[str, int], ...]
    promoted: tuple[tuple[str, int], ...]


class Draft(NamedTuple):
    """A drafted rule, and its results.

    Attributes:
        rule: The rule.
        states: Its state, by customer.
        scores: Its scores in ten-thousandths, by customer.
    """

    rule: Rule
    states: Array
    scores: Array


def feed_effect(
    draft: Draft, rules: Sequence[Rule], stored: StoredStates, known: Array, day: int
) -> FeedEffect:
    """Return the effect of a drafted rule on the feeds of customers.

    Args:
        draft: The drafted rule, which takes the place of the live rule of its identifier.
        rules: The live rules, in the order of their identifiers.
        stored: Their results.
        known: Whether a customer has results, by customer.
        day: The day on which feeds are shown, in days since 1970-01-01.
    """
    ids = [rule.id for rule in rules]
    own = ids.index(draft.rule.id) if draft.rule.id in ids else -1
    everything = [*rules, draft.rule]
    topics = {rule.topic: number for number, rule in enumerate(everything) if rule.topic}
    styles = np.array(
        [
            (
                topics.get(rule.topic or "", len(everything) + number),
                2 * sum(name < rule.id for name in ids) + (number == len(rules)),
                rule.expires_after_days,
                rule.cooldown_days,
                STANDARD.tier(rule),
            )
            for number, rule in enumerate(everything)
        ],
        np.int64,
    )
    places = np.zeros(STANDARD.places + 1, np.int64)
    displaced, promoted = np.zeros((2, len(everything)), np.int64)
    room = np.zeros((2, STANDARD.places), np.int64)
    counts = (places, displaced, promoted)
    _count(*stored, known, draft.states, draft.scores, styles, own, day, room, counts)

    def named(found: Array) -> tuple[tuple[str, int], ...]:
        pairs = zip(ids, found.tolist(), strict=False)
        return tuple(sorted(((n, c) for n, c in pairs if c), key=lambda pair: (-pair[1], pair[0])))

    return FeedEffect(
        STANDARD.places,
        tuple(places[:-1].tolist()),
        int(places[-1]),
        named(displaced),
        named(promoted),
    )


@part_of_loops
def _is_due(styles: Any, rule: int, days: int) -> bool:
    expires, cooldown = styles[rule][2], styles[rule][3]
    if cooldown == 0:
        return bool(days < expires)
    return bool(days % (expires + cooldown) < expires)


@part_of_loops
def _promotes(
    customer: int, states: Any, styles: Any, left_out: int, draft_may_apply: bool
) -> bool:
    """Return whether a feed may have a promotion: not where an urgent insight applies or may."""
    if draft_may_apply and styles[len(states)][4] == URGENT:
        return False
    for rule in range(len(states)):
        if rule == left_out or styles[rule][4] != URGENT:
            continue
        if states[rule][customer] != NOT_QUALIFIED:
            return False
    return True


@part_of_loops
def _pick(
    customer: int,
    states: Any,
    since: Any,
    scores: Any,
    styles: Any,
    left_out: int,
    draft_may_apply: bool,
    draft_score: int,
    day: int,
    shown: Any,
) -> int:
    """Write the rules that a feed shows, as `choose` chooses them; return their number.

    The rule after the last one is the draft, which is a candidate if its score is not negative.
    """
    drafted, count = len(states), 0
    promotes = _promotes(customer, states, styles, left_out, draft_may_apply)
    while count < len(shown):
        best, best_score = -1, -1
        for rule in range(drafted + 1):
            score = draft_score
            if rule < drafted:
                if rule == left_out or states[rule][customer] != QUALIFIED:
                    continue
                if not _is_due(styles, rule, day - int(since[rule][customer])):
                    continue
                score = max(scores[rule][customer], 0)
            tier = styles[rule][4]
            if score < 0 or (tier == PROMOTIONS and not promotes):
                continue
            if best >= 0 and tier > styles[best][4]:
                continue
            if best >= 0 and tier == styles[best][4]:
                if score < best_score:
                    continue
                if score == best_score and styles[rule][1] > styles[best][1]:
                    continue
            taken = False
            for place in range(count):
                taken = taken or styles[shown[place]][0] == styles[rule][0]
            if not taken:
                best, best_score = rule, score
        if best < 0:
            break
        promotes = promotes and styles[best][4] != PROMOTIONS
        shown[count] = best
        count += 1
    return count


@loop
def _count(
    states: Any,
    since: Any,
    scores: Any,
    known: Any,
    draft_states: Any,
    draft_scores: Any,
    styles: Any,
    own: int,
    day: int,
    room: Any,
    counts: Any,
) -> None:
    """Compare the feed with the live version of the draft and the feed with the draft."""
    places, displaced, promoted = counts
    before, after = room[0], room[1]
    drafted = len(states)
    for i in range(len(known)):
        was = own >= 0 and (states[own][i] == QUALIFIED or states[own][i] == SUSPENDED)
        could = own >= 0 and states[own][i] != NOT_QUALIFIED
        drafts = draft_states[i] != NOT_QUALIFIED
        if not known[i] or not (drafts or could):
            continue
        days = day - int(since[own][i]) if was else 0
        score = -1
        if draft_states[i] == QUALIFIED and _is_due(styles, drafted, days):
            score = max(draft_scores[i], 0)
        many = _pick(i, states, since, scores, styles, -1, False, -1, day, before)
        more = _pick(i, states, since, scores, styles, own, drafts, score, day, after)
        for place in range(more):
            if after[place] == drafted:
                places[place] += 1
        for place in range(many):
            if before[place] == own:
                places[len(places) - 1] += 1
        for place in range(many):
            there = before[place] == own
            for other in range(more):
                there = there or after[other] == before[place]
            if not there:
                displaced[before[place]] += 1
        for place in range(more):
            there = after[place] == drafted
            for other in range(many):
                there = there or before[other] == after[place]
            if not there:
                promoted[after[place]] += 1
