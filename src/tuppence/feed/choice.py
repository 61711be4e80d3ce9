"""Chooses the items of a feed: a pure function of results, states, preferences, policy and clock.

Every insight that qualifies becomes a candidate with an outcome, so that the reason is known of
each that is not shown. What is held back gives way to the next.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

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
from tuppence.feed.policy import URGENT, Policy, PolicyCap
from tuppence.feed.preferences import Preferences
from tuppence.feed.turns import is_due, turn_of
from tuppence.feel import feel_literal
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.rule import Cap, Rule


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
        points: What the model gives it, with what the policy adds.
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
        result: What it says.
        as_of: The day of the facts that it was computed from; None for the newest ones.
        tier: Its tier.
        outcome: What became of it.
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

        The priority is the score, unless a model has ordered the feed.
        """
        priority = (self.result.score or Decimal(0)) if self.draw is None else self.draw.priority
        return self.tier, -priority, self.rule.id


class Ordering(Protocol):
    """The order of a feed within its tiers, where it is not that of the rules' scores."""

    def draw(self, eligible: Sequence[Candidate]) -> Sequence[Draw]:
        """Return what each candidate that may be shown draws."""
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
        reader: What is known about the person.
        policy: The policy of the feed.
        moment: When the feed is built.
        withdrawn: Rules that were withdrawn.
        unwritable: Rules whose message cannot be written for this person.
        ordering: Orders the insights of a tier; by their scores if omitted.
    """
    results = [one for one in results if one.state is not State.NOT_QUALIFIED]
    unsorted = [_candidate(one, rules, reader, policy, moment) for one in results]
    candidates = sorted((one for one in unsorted if one is not None), key=lambda one: one.key)
    away = items_away(reader.states, policy, moment.now)
    muted = {item.rule_id for item in away if reader.states[item].answered is EventKind.NOT_HELPFUL}
    promotes = reader.vulnerable is False and not any(
        one.rule_id in rules and policy.tier(rules[one.rule_id]) == URGENT for one in results
    )
    judged = list[Candidate]()
    for one in candidates:
        outcome = _own_outcome(one, reader, policy, moment, away, muted)
        if one.rule.id in withdrawn:
            outcome = Outcome.WITHDRAWN
        elif outcome is Outcome.SHOWN and one.rule.id in unwritable:
            outcome = Outcome.UNWRITABLE
        elif outcome is Outcome.SHOWN and one.rule.promotes and not promotes:
            outcome = Outcome.NO_PROMOTION
        judged.append(one._replace(outcome=outcome))
    if ordering is not None:
        judged = _drawn(judged, ordering, _Caps(policy, reader.states, rules, moment.today))
    return _placed(judged, policy, _Caps(policy, reader.states, rules, moment.today))


def _placed(judged: Sequence[Candidate], policy: Policy, caps: "_Caps") -> tuple[Candidate, ...]:
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
        if outcome is Outcome.SHOWN:
            place, places = places, places + 1
            promoted |= one.rule.promotes
            caps.add(one)
            if one.rule.topic is not None:
                topics.add(one.rule.topic)
        chosen.append(one._replace(outcome=outcome, place=place))
    return tuple(chosen)


def _drawn(judged: Sequence[Candidate], ordering: Ordering, caps: "_Caps") -> list[Candidate]:
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
    """Return what a candidate says.

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
    """Return what a person was last told in a turn that has not ended; None if nothing.

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
    away: Collection[ItemId],
    muted: Collection[str],
) -> Outcome:
    """Return what becomes of a candidate, as far as other candidates do not matter."""
    rule, state = one.rule, reader.states.get(one.item, ItemState())
    if not is_due(rule, moment.day - one.result.since):
        return Outcome.RESTING if rule.cooldown_days else Outcome.EXPIRED
    if not rule.in_force(Date(moment.today)):
        return Outcome.NOT_IN_FORCE
    preferences = reader.preferences
    if rule.kind in preferences.kinds_off or rule.topic in preferences.topics_off:
        return Outcome.TURNED_OFF
    if rule.id in muted:
        return Outcome.MUTED
    answer = state.answer
    if answer is None:
        return Outcome.SHOWN
    match state.answered:
        case EventKind.SNOOZED if one.item in away:
            return Outcome.SNOOZED
        case EventKind.ACKNOWLEDGED | EventKind.ACTED as kind:
            now = told_by(one, moment.day)
            if not has_changed(answer.told, now, policy.changes(rule, now.values)):
                return Outcome(kind.value)
    return Outcome.SHOWN


class _Caps:
    """Counts what a person has seen, and what this feed adds to it.

    An item that was seen today is counted already, so it is not held back: otherwise it would
    vanish as soon as it is seen.
    """

    def __init__(
        self,
        policy: Policy,
        states: Mapping[ItemId, ItemState],
        rules: Mapping[str, Rule],
        today: int,
    ) -> None:
        self._policy = policy
        self._states = states
        self._today = today
        self._seen = Counter[tuple[int, str]]()
        self._own = Counter[str]()
        for item, state in states.items():
            for day in state.seen:
                self._count(rules.get(item.rule_id), day)

    def hold_back(self, one: Candidate) -> bool:
        """Return whether a cap would be exceeded if a candidate were seen today."""
        if self._today in self._states.get(one.item, ItemState()).seen:
            return False
        cap = one.rule.feed_settings.cap
        if cap is not None and self._own[one.rule.id] >= cap.at_most:
            return True
        return one.tier != URGENT and any(
            self._seen[number, group] >= cap.at_most
            for number, cap, group in self._groups(one.rule)
        )

    def add(self, one: Candidate) -> None:
        """Count a candidate as seen today."""
        if self._today not in self._states.get(one.item, ItemState()).seen:
            self._count(one.rule, self._today)

    def expect(self, one: Candidate) -> None:
        """Count a candidate as seen today wherever several of its group may be shown."""
        if self._today in self._states.get(one.item, ItemState()).seen:
            return
        for number, cap, group in self._groups(one.rule):
            if cap.of in {"kind", "everything"}:
                self._seen[number, group] += 1

    def _count(self, rule: Rule | None, day: int) -> None:
        own = None if rule is None else rule.feed_settings.cap
        if rule is not None and own is not None and self._is_in(own, day):
            self._own[rule.id] += 1
        for number, cap, group in self._groups(rule):
            if self._is_in(cap, day):
                self._seen[number, group] += 1

    def _groups(self, rule: Rule | None) -> Iterator[tuple[int, PolicyCap, str]]:
        for number, cap in enumerate(self._policy.caps):
            group = cap.group(rule)
            if group is not None:
                yield number, cap, group

    def _is_in(self, cap: Cap, day: int) -> bool:
        return self._today - cap.days < day <= self._today
