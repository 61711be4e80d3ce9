"""Replays a past night: the rules that ran then, as of that day, over the facts of today."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np

from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.results.packed import SUSPENDED, UNKNOWN
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.compare_rulesets import RulesetComparison, compare_rulesets, counts_of
from tuppence.usecases.everybody import Advance, Array, Everybody, no_advance
from tuppence.usecases.last_night import StoredRun, read_last_night
from tuppence.usecases.ledger import RuleCount, RunRecord, Tally, add
from tuppence.usecases.preview_rule import PreviewStore
from tuppence.usecases.run import name_run


class PastRuns(StoredRun, Protocol):
    """The results of the latest run, and the record of all runs."""

    def runs(self) -> Sequence[RunRecord]:
        """Return all runs, the one that was started last first."""
        ...

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """Return the items of a run that are done, by name."""
        ...


class ReplayStore(PreviewStore, Protocol):
    """A store in which rules have run."""

    def read_results(self) -> AbstractContextManager[PastRuns]:
        """Open the results.

        Raises:
            UserError: Nothing has run in this store.
        """
        ...

    def ruleset(self, digest: str) -> Ruleset:
        """Return a ruleset of earlier runs."""
        ...


class ReplayedRule(NamedTuple):
    """A rule of a replayed night.

    Attributes:
        rule_id: Identifier of the rule.
        then: Its counts in that night; None if it did not count single rules.
        now: Its counts in the replay.
        stored: Number of customers whose stored result has another state; None if the stored
            results are those of another night.
    """

    rule_id: str
    then: RuleCount | None
    now: RuleCount
    stored: int | None

    @property
    def differs(self) -> bool:
        """True if the replay did not find what the night found."""
        return (self.then is not None and self.then != self.now) or bool(self.stored)


class Replay(NamedTuple):
    """A replayed night.

    Attributes:
        run: The night.
        customers_then: Number of customers of the night.
        customers: Number of customers of the replay.
        same_facts: Whether facts and consents are those of the night. Otherwise differences are
            what later imports, erasures and consents have changed.
        rules: The rules, in the order of their identifiers.
    """

    run: RunRecord
    customers_then: int
    customers: int
    same_facts: bool
    rules: tuple[ReplayedRule, ...]

    @property
    def differs(self) -> bool:
        """True if the replay did not find what the night found."""
        return self.customers != self.customers_then or any(one.differs for one in self.rules)


def replay_night(
    store: ReplayStore,
    night: str,
    purposes: frozenset[str],
    today: Date,
    threads: int,
    advance: Advance = no_advance,
) -> Replay:
    """Evaluate a past night again, and compare it with what was counted and stored.

    Nothing is stored.

    Args:
        store: The store.
        night: The run, or its day; of several runs of a day the last one that finished.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        threads: Number of threads that evaluate.
        advance: Called with the number of customers that were evaluated, again and again.

    Raises:
        UserError: There was no such night, it did not finish, or its rules do not fit the store.
    """
    with store.read_results() as kept:
        runs = kept.runs()
        run = find_night(runs, night)
        tally = add(list(kept.done(run.run_id).values()))
        is_stored = runs[0].run_id == run.run_id
    as_of, ruleset = Date(run.as_of), store.ruleset(run.ruleset)

    def replay(facts: PermittedFacts) -> Replay:
        everybody = Everybody(facts, as_of, threads)
        states = everybody.evaluate(ruleset, advance).states
        stored = _stored(store, run, everybody, states) if is_stored else None
        then = {one.rule_id: one for one in tally.by_rule}
        names = [one.rule.id for one in ruleset.rules]
        return Replay(
            run,
            tally.customers,
            len(everybody.customers),
            name_run(facts.digest, run.ruleset, as_of) == run.run_id,
            tuple(
                ReplayedRule(
                    name,
                    then.get(name),
                    counts_of(name, row),
                    None if stored is None else stored[place],
                )
                for place, (name, row) in enumerate(zip(names, states, strict=True))
            ),
        )

    return store.read_permitted(Use(purposes, today.day, as_of.day), replay)


def compare_nights(
    store: ReplayStore,
    before: str,
    after: str,
    purposes: frozenset[str],
    today: Date,
    threads: int,
) -> RulesetComparison:
    """Compare the rules of two past nights over the facts of today, as of the later night.

    Nothing is stored.

    Args:
        store: The store.
        before: The run of the first night, or its day.
        after: The run of the later night, or its day.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        threads: Number of threads that evaluate.

    Raises:
        UserError: There was no such night, it did not finish, or its rules do not fit the store.
    """
    with store.read_results() as kept:
        runs = kept.runs()
    first, second = find_night(runs, before), find_night(runs, after)
    as_of = Date(second.as_of)
    rules = store.ruleset(first.ruleset), store.ruleset(second.ruleset)
    return store.read_permitted(
        Use(purposes, today.day, as_of.day),
        lambda facts: compare_rulesets(Everybody(facts, as_of, threads), *rules),
    )


def find_night(runs: Sequence[RunRecord], night: str) -> RunRecord:
    """Return a finished run by its name or its day.

    Args:
        runs: All runs, newest first.
        night: The name, or a day such as 2026-06-30.

    Raises:
        UserError: There is none.
    """
    is_day = re.fullmatch(r"\d{4}-\d{2}-\d{2}", night) is not None
    found = [run for run in runs if night == (str(Date(run.as_of)) if is_day else run.run_id)]
    finished = [run for run in found if run.finished]
    if finished:
        return finished[0]
    if found:
        message, hint = f"the night {night} did not finish", "the same tuppence run resumes it"
        raise UserError("replay.unfinished", message, hint)
    days = sorted({str(Date(run.as_of)) for run in runs if run.finished}, reverse=True)
    hint = f"the last ones are {', '.join(days[:5])}" if days else "tuppence run makes one"
    raise UserError("replay.unknown", f"there was no night {night[:40]!r} in this store", hint)


def _stored(
    store: ReplayStore, run: RunRecord, everybody: Everybody, states: Array
) -> list[int] | None:
    """Return for each rule how many customers have a stored result of another state."""
    night = read_last_night(store, everybody.customers)
    if night is None or night.run.run_id != run.run_id:  # another run has begun meanwhile
        return None
    stored = np.where(night.stored.states == SUSPENDED, UNKNOWN, night.stored.states)
    differ = (stored != states) & night.known
    return [int(row.sum()) for row in differ]
