"""Caps: how often insights may be seen."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tuppence.feed.items import ItemId, ItemState
from tuppence.feed.policy import URGENT, Policy, PolicyCap
from tuppence.rules.rule import Cap, Rule

if TYPE_CHECKING:
    from tuppence.feed.choice import Candidate


class Caps:
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
            if state.seen:
                self._count(rules.get(item.rule_id), state.seen)

    def hold_back(self, one: "Candidate") -> bool:
        """Return whether a cap would be exceeded if a candidate were seen today."""
        if self._is_counted(one):
            return False
        cap = one.rule.feed_settings.cap
        if cap is not None and self._own[one.rule.id] >= cap.at_most:
            return True
        return one.tier != URGENT and any(
            self._seen[number, group] >= cap.at_most
            for number, cap, group in self._groups(one.rule)
        )

    def add(self, one: "Candidate") -> None:
        """Count a candidate as seen today."""
        if not self._is_counted(one):
            self._count(one.rule, (self._today,))

    def expect(self, one: "Candidate") -> None:
        """Count a candidate as seen today wherever several of its group may be shown."""
        if self._is_counted(one):
            return
        for number, cap, group in self._groups(one.rule):
            if cap.of in {"kind", "everything"}:
                self._seen[number, group] += 1

    def _is_counted(self, one: "Candidate") -> bool:
        state = self._states.get(one.item)
        return state is not None and self._today in state.seen

    def _count(self, rule: Rule | None, days: Sequence[int]) -> None:
        own = None if rule is None else rule.feed_settings.cap
        if rule is not None and own is not None:
            self._own[rule.id] += self._number_in(own, days)
        for number, cap, group in self._groups(rule):
            self._seen[number, group] += self._number_in(cap, days)

    def _groups(self, rule: Rule | None) -> Iterator[tuple[int, PolicyCap, str]]:
        for number, cap in enumerate(self._policy.caps):
            group = cap.group(rule)
            if group is not None:
                yield number, cap, group

    def _number_in(self, cap: Cap, days: Sequence[int]) -> int:
        """Return how many of some days, in ascending order, are within the period of a cap."""
        return bisect_right(days, self._today) - bisect_right(days, self._today - cap.days)
