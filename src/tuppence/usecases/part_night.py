"""A run over a store at an address: a part for each partition, done by threads or by a cluster.

Whoever does a part reads its facts as they were when the run began, and keeps its results at the
address. So a part that is done twice, late, or by two workers changes nothing, and after an
interruption the parts whose results are there need not be done again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.results.batch import merge_results
from tuppence.results.result import CustomerResults
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import RunRecord, RunRecords, Tally, WorkItem, add
from tuppence.usecases.run import (
    Clock,
    RunOutcome,
    begin_run,
    no_clock,
    record_of,
    resume_run,
    tally_of,
)

MAX_NAMED: Final = 20
"""Number of missing parts that an error names."""


class PartProblem(msgspec.Struct, frozen=True):
    """The reason why a part could not be done: an error as its worker described it."""

    code: str
    message: str
    hint: str = ""


_NO_REASON: Final = PartProblem(
    "run.worker-lost", "no worker has done it, or told why not", "see the logs of the workers"
)

DoPart = Callable[[WorkItem], Tally | PartProblem]
"""Does a part anywhere, keeps its results, and returns its counts; it can be pickled."""


class PartWorkers(Protocol):
    """Do the parts of a run: threads of this machine, or a cluster."""

    def each(
        self, do: DoPart, parts: Sequence[WorkItem]
    ) -> Iterator[tuple[WorkItem, Tally | PartProblem]]:
        """Yield each part with its outcome, in the order in which they are done.

        A part that a TransientError has ended is tried again before it counts as not done.
        """
        ...


class Nights(RunRecords, Protocol):
    """Records the runs over a store at an address."""

    def doing(self, run_id: str) -> DoPart:
        """Return what does a part of a run.

        Raises:
            UserError: Another run has begun since.
        """
        ...

    def problems(self, run_id: str) -> Mapping[str, PartProblem]:
        """Return why parts could not be done the last time that they were tried, by partition."""
        ...


class NightAtAddress(NamedTuple):
    """The ports of a run over a store at an address.

    Attributes:
        facts: The facts as they are now, as far as they may be read.
        nights: Records the run, with these facts.
        workers: Do the parts.
    """

    facts: PermittedFacts
    nights: Nights
    workers: PartWorkers


def run_by_parts(
    deps: NightAtAddress,
    ruleset: Ruleset,
    as_of: Date,
    advance: Callable[[Tally], None],
    clock: Clock = no_clock,
) -> RunOutcome:
    """Evaluate everything, or what is left of it after an interruption.

    Args:
        deps: The store, and who does the work.
        ruleset: The rules, which are kept at the address already.
        as_of: The date that the rules take for today.
        advance: Called with the tally of each part when it is done.
        clock: Tells when the run starts and ends.

    Raises:
        UserError: Parts are missing, each of which is named; or as from `resume_run`.
    """
    record, parts = _run_of(deps.facts, ruleset, as_of, clock)

    def work(left: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Tally]]:
        missing: dict[str, PartProblem] = {}
        do = deps.nights.doing(record.run_id)
        for part, outcome in deps.workers.each(do, left) if left else ():
            if isinstance(outcome, Tally):
                yield part, outcome
            else:
                missing[part.name] = outcome
        if missing:
            raise _incomplete(missing, len(parts))

    return resume_run(record, parts, deps.nights, work, advance, clock)


def begin_by_parts(
    facts: PermittedFacts,
    nights: Nights,
    ruleset: Ruleset,
    as_of: Date,
    clock: Clock = no_clock,
) -> tuple[str, list[WorkItem]]:
    """Enter a run, or resume it; return its name, and the parts that others have to do.

    Args:
        facts: The facts as they are now, as far as they may be read.
        nights: Records the run, with these facts.
        ruleset: The rules, which are kept at the address already.
        as_of: The date that the rules take for today.
        clock: Tells when the run starts.

    Raises:
        UserError: A run of a later date was started already.
    """
    record, parts = _run_of(facts, ruleset, as_of, clock)
    begin_run(record, nights)
    done = nights.done(record.run_id)
    return record.run_id, [part for part in parts if part.name not in done]


def finish_by_parts(nights: Nights, run_id: str, clock: Clock = no_clock) -> RunOutcome:
    """Enter that a run is finished, once others have done all its parts.

    Raises:
        UserError: Parts are missing, each of which is named; or another run has begun since.
    """
    done = nights.done(run_id)
    record = nights.latest()
    if record is None or record.run_id != run_id:
        raise UserError("run.superseded", f"another run was started after {run_id}")
    left = [name.partition(":")[0] for name in record.items if name not in done]
    if left:
        reasons = nights.problems(run_id)
        missing = {name: reasons.get(name, _NO_REASON) for name in left}
        raise _incomplete(missing, len(record.items))
    if not record.finished:
        nights.finish(run_id, clock())
    return RunOutcome(run_id, add(list(done.values())), 0, record.finished)


def evaluate_part(
    facts: PermittedFacts, engine: Engine, partition: str, before: Mapping[str, CustomerResults]
) -> tuple[list[CustomerResults], Tally]:
    """Return the results of a partition's customers, and their counts.

    Customers whose consents no longer allow an evaluation keep the results that they had.

    Args:
        facts: The facts of the run.
        engine: Evaluates them.
        partition: Name of the partition.
        before: Results of its customers after the run before.
    """
    batch = facts.read_evaluable(partition, engine.plan.transaction_fields)
    everybody = facts.read(partition, ()).customer_ids if facts.left_out else batch.customer_ids
    evaluation = engine.evaluate(batch)
    found = merge_results(before, evaluation.results)
    rows = {**before, **{row.customer_id: row for row in found.rows}}
    return [rows[one] for one in everybody if one in rows], tally_of(evaluation, found)


def _run_of(
    facts: PermittedFacts, ruleset: Ruleset, as_of: Date, clock: Clock
) -> tuple[RunRecord, list[WorkItem]]:
    """Return the record of a run over some facts, and its parts."""
    parts = [WorkItem(name, 0, customers) for name, customers in facts.partitions()]
    return record_of(facts, parts, ruleset, as_of, clock()), parts


def _incomplete(missing: Mapping[str, PartProblem], count: int) -> UserError:
    """Return the error that parts are missing."""
    named = sorted(missing)[:MAX_NAMED]
    details = [f"{name}: {missing[name].message}" for name in named]
    if len(missing) > len(named):
        details.append(f"and {len(missing) - len(named)} more")
    codes = {problem.code for problem in missing.values()}
    hint = next(iter(missing.values())).hint if len(codes) == 1 else ""
    again = "the same command does only the missing parts"
    return UserError(
        codes.pop() if len(codes) == 1 else "run.incomplete",
        f"{len(missing)} of {count} parts of the run are missing",
        f"{hint}; {again}" if hint else again,
        details,
    )
