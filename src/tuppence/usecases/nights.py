"""The nights of a store: its runs, and the reach of each rule in them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from tuppence.feel.values import Date
from tuppence.usecases.ledger import RuleCount, RunRecord, Tally, add

NIGHTS: Final = 15
"""Maximum number of runs: the last one, and 14 to compare it with."""
_USUAL: Final = 7
"""Number of earlier nights from which on it is said that a count is unusual."""
_SMALL: Final = 10
"""A difference of fewer customers is not unusual."""


class RunHistory(Protocol):
    """The runs of a store."""

    def newest(self, count: int) -> Sequence[tuple[RunRecord, Mapping[str, Tally]]]:
        """Return the runs that were started last, newest first, each with its items done."""
        ...


class HistoryStore(Protocol):
    """A store in which rules may have run."""

    @property
    def has_results(self) -> bool:
        """True if anything has run in the store."""
        ...

    def read_results(self) -> AbstractContextManager[RunHistory]:
        """Open the results."""
        ...


class Night(NamedTuple):
    """A run.

    Attributes:
        run: The run.
        done: Number of its items that are done.
        tally: Counts of these.
        rules: Counts of each rule by its identifier; empty for a run of an earlier version.
    """

    run: RunRecord
    done: int
    tally: Tally
    rules: Mapping[str, RuleCount]

    @property
    def as_of(self) -> Date:
        """The day that its rules took for today."""
        return Date(self.run.as_of)


class Trend(NamedTuple):
    """The reach of a rule over several nights.

    Attributes:
        rule_id: The rule.
        counts: Its counts in each night, newest first; None where it did not run.
        is_unusual: Whether more or fewer customers qualify than in each of a week of nights or
            more, by a tenth and by ten.
    """

    rule_id: str
    counts: tuple[RuleCount | None, ...]
    is_unusual: bool


def nights_of(store: HistoryStore, count: int = NIGHTS) -> list[Night]:
    """Return the last runs of a store, newest first; none if nothing has run in it.

    Args:
        store: The store.
        count: Maximum number of runs.
    """
    if not store.has_results:
        return []
    found = []
    with store.read_results() as kept:
        for run, items in kept.newest(count):
            tally = add(list(items.values()))
            by_rule = {one.rule_id: one for one in tally.by_rule}
            found.append(Night(run, len(items), tally, by_rule))
    return found


def by_day(nights: Sequence[Night]) -> list[Night]:
    """Return the last finished run of each day, newest first: several runs of a day are one night.

    Args:
        nights: Runs, newest first.
    """
    found = {night.run.as_of: night for night in reversed(nights) if night.run.finished}
    return [found[day] for day in sorted(found, reverse=True)]


def trends_of(nights: Sequence[Night]) -> list[Trend]:
    """Return the reach of each rule of the newest night, beside the nights before.

    Args:
        nights: The nights, newest first.
    """
    if not nights:
        return []
    found = []
    for rule in sorted(nights[0].rules):
        counts = tuple(night.rules.get(rule) for night in nights)
        found.append(Trend(rule, counts, nights[0].run.finished and _is_unusual(counts)))
    return found


def _is_unusual(counts: Sequence[RuleCount | None]) -> bool:
    newest, *others = (None if one is None else one.qualified for one in counts)
    earlier = [one for one in others if one is not None]
    if newest is None or len(earlier) < _USUAL:
        return False
    least, most = min(earlier), max(earlier)
    return newest <= min(0.9 * least, least - _SMALL) or newest >= max(1.1 * most, most + _SMALL)
