"""Chooses the items of a feed: a pure function of results, states, preferences, policy and clock.

Every insight that qualifies becomes a candidate with an outcome, so that the reason why one is not
shown is always known. The next candidate takes the place of one that is held back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from tuppence.feed.caps import Caps
from tuppence.feed.items import (
    DAY,
    Answer,
    EventKind,
    ItemId,
    ItemState,
    Told,
    has_changed,
    value_of,
)
from tuppence.feed.policy import URGENT, Policy
from tuppence.feed.preferences import Preferences
from tuppence.feed.turns import is_due, turn_of
from tuppence.feel import feel_literal
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.rule import Rule


class Outcome(StrEnum):
    """The outcome of a candidate: it is shown, or the reason why it is not."""

    SHOWN = "shown"
    EXPIRED = "expired"
    RESTING = "resting"
    NOT_IN_FORCE = "not_in_force"
    WITHDRAWN = "withdrawn"
    UNWRITABLE = "unwritable"
    TURNED_OFF = "turned_off"
    MUTED = "muted"
    ACTED = "acted"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    NO_PROMOTION = "no_promotion"
    CAPPED = "capped"
    SAME_TOPIC = "same_topic"
    NO_PLACE = "no_place"


class Moment(NamedTuple):
    """The moment at which a feed is built.

    Attributes:
        day: The day that the feed stands for, which decides what has expired, in days since
            1970-01-01.
        today: The day of the clock in the person's time zone.
        now: The clock, in milliseconds since 1970-01-01.
    """

    day: int
    today: int
    now: int


class Reader(NamedTuple):
    """The person who reads a feed, as far as they are known.

    Attributes:
        states: States of items.
        preferences: Their choices.
        vulnerable: Whether they are known to be vulnerable; None if that is unknown.
    """

    states: Mapping[ItemId, ItemState] = {}
    preferences: Preferences = Preferences()
    vulnerable: bool | None = False


class Draw(NamedTuple):
    """The part of a candidate in the draw that orders a learned feed.

    Attributes:
        priority: Number by which candidates of a tier are ordered, the highest first.
        points: Points from the model, with those that the policy adds.
        chance: Chance of being shown.
        looks: Expected number of looks at it, against one for whatever is in the first place.
    """

    priority: Decimal
    points: int
    chance: float
    looks: float


class Candidate(NamedTuple):
    """An insight that qualifies, and what became of it.

    Attributes:
        item: Its identity.
        rule: Its rule.
        result: The result that it shows.
        as_of: The day of the facts that it was computed from; None for the newest ones.
        tier: Its tier.
        outcome: Its outcome in the feed.
        place: Its place in the feed, from 0; None if it is not shown.
        draw: Its part in the draw of a learned order; None in rule order, or if it had none.
    """

    item: ItemId
    rule: Rule
    result: Result
    as_of: int | None
    tier: int
    outcome: Outcome
    place: int | None = None
    draw: Draw | None = None

    @property
    def key(self) -> tuple[int, Decimal, str]:
        """The order of candidates: by tier, then by falling priority, then by the rule's name.

        The priority is the score, unless a model has ordered the feed; of what is urgent it is
        always the score.
        """
        priority = self.result.score or Decimal(0)
        if self.draw is not None and self.tier != URGENT:
            priority = self.draw.priority
        return self.tier, -priority, self.rule.id


class Ordering(Protocol):
    """The order of a feed within its tiers, where it is not that of the rules' scores."""

    def draw(self, eligible: Sequence[Candidate]) -> Sequence[Draw]:
        """Return the draws of the candidates that may be shown."""
        ...


def choose(
    results: Iterable[Result],
    rules: Mapping[str, Rule],
    reader: Reader,
    policy: Policy,
    moment: Moment,
    withdrawn: frozenset[str] = frozenset(),
    unwritable: frozenset[str] = frozenset(),
    ordering: Ordering | None = None,
) -> tuple[Candidate, ...]:
    """Return all insights that qualify for a person, in order, with what becomes of each.

    Args:
        results: Results of the person.
        rules: Rules by identifier; results of other rules are left out.
        reader: Facts about the person that a policy needs.
        policy: The policy of the feed.
        moment: Time at which the feed is built.
        withdrawn: Rules that were withdrawn.
        unwritable: Rules whose message cannot be written for this person.
        ordering: Orders the insights of a tier; by their scores if omitted.
    """
    results = [one for one in results if one.state is not State.NOT_QUALIFIED]
    unsorted = [_candidate(one, rules, reader, policy, moment) for one in results]
    candidates = sorted((one for one in unsorted if one is not None), key=lambda one: one.key)
    away = items_away(reader.states, policy, moment.now)
    muted = {item.rule_id for item in away if reader.states[item].answered is EventKind.NOT_HELPFUL}
    today = Date(moment.today)
    may_promote = any(one.rule.promotes for one in candidates) and (
        reader.vulnerable is False and not _in_trouble(results, rules, policy)
    )
    judged = list[Candidate]()
    for one in candidates:
        outcome = _own_outcome(one, reader, policy, moment, today, away, muted)
        if one.rule.id in withdrawn:
            outcome = Outcome.WITHDRAWN
        elif outcome is Outcome.SHOWN and one.rule.id in unwritable:
            outcome = Outcome.UNWRITABLE
        elif outcome is Outcome.SHOWN and one.rule.promotes and not may_promote:
            outcome = Outcome.NO_PROMOTION
        judged.append(one if outcome is Outcome.SHOWN else one._replace(outcome=outcome))
    if ordering is not None:
        judged = _drawn(judged, ordering, Caps(policy, reader.states, rules, moment.today))
    return _placed(judged, policy, Caps(policy, reader.states, rules, moment.today))


def _in_trouble(results: Iterable[Result], rules: Mapping[str, Rule], policy: Policy) -> bool:
    """Return whether anything urgent applies, or may apply."""
    return any(
        one.rule_id in rules and policy.tier(rules[one.rule_id]) == URGENT for one in results
    )


def _placed(judged: Sequence[Candidate], policy: Policy, caps: Caps) -> tuple[Candidate, ...]:
    """Give places to candidates in order, as far as others that are shown leave them any."""
    topics = set[str]()
    chosen, places, promoted = [], 0, False
    for one in judged:
        outcome, place = one.outcome, None
        if outcome is Outcome.SHOWN:
            if one.rule.promotes and promoted:
                outcome = Outcome.NO_PROMOTION
            elif one.draw is None and caps.hold_back(one):  # what is drawn has passed them
                outcome = Outcome.CAPPED
            elif one.rule.topic in topics:
                outcome = Outcome.SAME_TOPIC
            elif places == policy.places:
                outcome = Outcome.NO_PLACE
            else:
                place, places = places, places + 1
                promoted |= one.rule.promotes
                caps.add(one)
                if one.rule.topic is not None:
                    topics.add(one.rule.topic)
        is_same = place is None and outcome is one.outcome
        chosen.append(one if is_same else one._replace(outcome=outcome, place=place))
    return tuple(chosen)


def _drawn(judged: Sequence[Candidate], ordering: Ordering, caps: Caps) -> list[Candidate]:
    """Return candidates in a learned order.

    A draw must not decide whom a cap holds back, or the chance of each card would depend on all
    others. So caps come first, in rule order, as if everything that they let pass were shown.
    """
    eligible, rest = list[Candidate](), list[Candidate]()
    for one in judged:
        if one.outcome is not Outcome.SHOWN:
            rest.append(one)
        elif caps.hold_back(one):
            rest.append(one._replace(outcome=Outcome.CAPPED))
        else:
            caps.expect(one)
            eligible.append(one)
    draws = ordering.draw(eligible)
    drawn = [one._replace(draw=draw) for one, draw in zip(eligible, draws, strict=True)]
    return sorted([*drawn, *rest], key=lambda one: one.key)


def items_away(states: Mapping[ItemId, ItemState], policy: Policy, now: int) -> frozenset[ItemId]:
    """Return the items whose answer keeps them, or their insight, away until a later moment.

    Beside the day, this is all that the clock decides about a feed.

    Args:
        states: States of items.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
    """
    return frozenset(
        item
        for item, state in states.items()
        if state.answer is not None and now < _away_until(state.answer, policy)
    )


def _away_until(answer: Answer, policy: Policy) -> int:
    match answer.kind:
        case EventKind.SNOOZED:
            return answer.until or 0
        case EventKind.NOT_HELPFUL:
            return answer.order.at + policy.mute_days * DAY
    return 0


def answered_item(candidate: Candidate, states: Mapping[ItemId, ItemState]) -> ItemId | None:
    """Return the item whose answer hides a candidate; None if no answer does.

    Args:
        candidate: The candidate.
        states: States of items.
    """
    match candidate.outcome:
        case Outcome.ACKNOWLEDGED | Outcome.ACTED | Outcome.SNOOZED:
            return candidate.item
        case Outcome.MUTED:
            return max(
                item
                for item, state in states.items()
                if item.rule_id == candidate.rule.id and state.answered is EventKind.NOT_HELPFUL
            )
    return None


def snoozed_until(candidate: Candidate, states: Mapping[ItemId, ItemState]) -> int | None:
    """Return the end of the snooze that hides a candidate; None if no snooze does.

    Args:
        candidate: The candidate.
        states: States of items.

    Returns:
        Milliseconds since 1970-01-01.
    """
    answer = states.get(candidate.item, ItemState()).answer
    return answer.until if answer and candidate.outcome is Outcome.SNOOZED else None


def told_by(candidate: Candidate, day: int) -> Told:
    """Return the content of a candidate.

    Args:
        candidate: The candidate.
        day: The day of the newest facts.
    """
    as_of = day if candidate.as_of is None else candidate.as_of
    values = {name: feel_literal(value) for name, value in candidate.result.values.items()}
    return Told(as_of, candidate.result.score, values)


def _candidate(
    result: Result,
    rules: Mapping[str, Rule],
    reader: Reader,
    policy: Policy,
    moment: Moment,
) -> Candidate | None:
    rule = rules.get(result.rule_id)
    if rule is None:
        return None
    as_of = None
    if result.state is State.UNKNOWN:
        found = None if rule.promotes else _last_told(rule, result.since, reader.states, moment)
        if found is None:
            return None
        result, as_of = found
    item = ItemId(rule.id, turn_of(rule, result.since, moment.day))
    return Candidate(item, rule, result, as_of, policy.tier(rule), Outcome.SHOWN)


def _last_told(
    rule: Rule, since: int, states: Mapping[ItemId, ItemState], moment: Moment
) -> tuple[Result, int] | None:
    """Return the content last shown to a person in a turn that has not ended; None if nothing was.

    A rule that cannot tell tonight, because it failed or because data is missing, takes nothing
    back: the item stays until it expires, and says of which day its numbers are. An unknown result
    has the day of the qualified one before it, so what had cleared before does not come back.
    """
    state = states.get(ItemId(rule.id, turn_of(rule, since, moment.day)))
    if state is None or state.told is None or not is_due(rule, moment.day - since):
        return None
    told = state.told
    values: dict[str, Any] = {name: value_of(text) for name, text in told.values.items()}
    return Result(rule.id, State.QUALIFIED, told.score, values, since), told.as_of


def _own_outcome(
    one: Candidate,
    reader: Reader,
    policy: Policy,
    moment: Moment,
    today: Date,
    away: Collection[ItemId],
    muted: Collection[str],
) -> Outcome:
    """Return the outcome of a candidate as far as it does not depend on other candidates."""
    rule, state = one.rule, reader.states.get(one.item)
    if not is_due(rule, moment.day - one.result.since):
        return Outcome.RESTING if rule.cooldown_days else Outcome.EXPIRED
    if not rule.in_force(today):
        return Outcome.NOT_IN_FORCE
    preferences = reader.preferences
    if rule.kind in preferences.kinds_off or rule.topic in preferences.topics_off:
        return Outcome.TURNED_OFF
    if rule.id in muted:
        return Outcome.MUTED
    answer = None if state is None else state.answer
    if state is None or answer is None:
        return Outcome.SHOWN
    match state.answered:
        case EventKind.SNOOZED if one.item in away:
            return Outcome.SNOOZED
        case EventKind.ACKNOWLEDGED | EventKind.ACTED as kind:
            now = told_by(one, moment.day)
            if not has_changed(answer.told, now, policy.changes(rule, now.values)):
                return Outcome(kind.value)
    return Outcome.SHOWN
