"""Caps: how often insights may be seen."""

from collections import Counter
from collections.abc import Iterator, Mapping
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
            for day in state.seen:
                self._count(rules.get(item.rule_id), day)

    def hold_back(self, one: "Candidate") -> bool:
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

    def add(self, one: "Candidate") -> None:
        """Count a candidate as seen today."""
        if self._today not in self._states.get(one.item, ItemState()).seen:
            self._count(one.rule, self._today)

    def expect(self, one: "Candidate") -> None:
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
