"""The nights of a store: its runs, and the reach of each rule in them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from tuppence.feel.values import Date
from tuppence.rules.rule import Rule
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

    @property
    def seconds(self) -> float | None:
        """The seconds from its start to its end; None if they are not known."""
        if self.run.started is None or self.run.ended is None:
            return None
        return max(self.run.ended - self.run.started, 0) / 1_000


class Trend(NamedTuple):
    """The reach of a rule over several nights.

    Attributes:
        rule_id: The rule.
        counts: Its counts in each night, newest first; None where it did not run.
        qualified: The numbers who qualify, beside those of earlier nights.
        unknown: The numbers for whom it is unknown, beside those of earlier nights.
    """

    rule_id: str
    counts: tuple[RuleCount | None, ...]
    qualified: "Drift"
    unknown: "Drift"

    @property
    def is_unusual(self) -> bool:
        """True if one of the numbers has drifted."""
        return self.qualified.is_unusual or self.unknown.is_unusual


class Drift(NamedTuple):
    """A number of the newest night beside those of the nights before.

    Attributes:
        least: The least number of the nights before; None if none is known.
        most: The greatest number of the nights before.
        is_unusual: Whether it lies outside of each of a week of nights or more, by a tenth and by
            ten.
    """

    least: int | None
    most: int | None
    is_unusual: bool


class Publication(NamedTuple):
    """The rules of a night beside those of the night before.

    Attributes:
        added: Rules that the night before lacked.
        changed: Rules that the night before had otherwise.
        removed: Rules that this night lacks.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


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
        qualified, unknown = (
            _drift(
                [None if one is None else getattr(one, name) for one in counts],
                is_whole=nights[0].run.finished,
            )
            for name in ("qualified", "unknown")
        )
        found.append(Trend(rule, counts, qualified, unknown))
    return found


def publication_of(rules: Mapping[str, Rule], before: Mapping[str, Rule]) -> Publication:
    """Return how the rules of a night differ from those of the night before."""
    both = sorted(rules.keys() & before.keys())
    return Publication(
        tuple(sorted(rules.keys() - before.keys())),
        tuple(name for name in both if rules[name] != before[name]),
        tuple(sorted(before.keys() - rules.keys())),
    )


class Progress(NamedTuple):
    """The progress of a run.

    Attributes:
        done: Number of customers whose items are done.
        customers: Number of all customers.
        rate: Customers a second since the start; None if it is not known.
        seconds_left: Expected seconds until the end; None if they are not known.
        finished: Whether it has finished.
    """

    done: int
    customers: int
    rate: float | None
    seconds_left: float | None
    finished: bool


def progress_of(night: Night, now: int) -> Progress:
    """Return the progress of a run.

    Args:
        night: The run.
        now: The time, in milliseconds since 1970-01-01.
    """
    done, customers, started = night.tally.customers, night.run.customers, night.run.started
    rate = None
    if started is not None and now > started and done and not night.run.finished:
        rate = 1_000 * done / (now - started)
    left = None if rate is None else (customers - done) / rate
    return Progress(done, customers, rate, left, night.run.finished)


def _drift(counts: Sequence[int | None], *, is_whole: bool) -> Drift:
    newest, *others = counts
    earlier = [one for one in others if one is not None]
    if newest is None or not earlier:
        return Drift(None, None, is_unusual=False)
    least, most = min(earlier), max(earlier)
    is_unusual = (is_whole and len(earlier) >= _USUAL) and (
        newest <= min(0.9 * least, least - _SMALL) or newest >= max(1.1 * most, most + _SMALL)
    )
    return Drift(least, most, is_unusual)
