"""A run over a whole store: every rule for every customer whose consents allow it."""

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from tuppence.engine.columnar import Engine
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.ruleset import Ruleset, RulesetStore
from tuppence.rules.value_names import value_names
from tuppence.usecases.ledger import Ledger, Tally
from tuppence.usecases.run import (
    Clock,
    Evaluator,
    RunOutcome,
    RunResults,
    no_clock,
    run,
    work_items,
)

_CUSTOMERS_IN_COLUMNS: Final = 50_000
"""Maximum number of customers of an item where columns begin every condition: a whole partition."""
_CUSTOMERS_INTERPRETED: Final = 500
"""The same where the interpreter begins a condition for everybody: about a second of its work."""


class Workers(Protocol):
    """Evaluate items over the facts of a run, several at a time."""

    def evaluator(self, engine: Engine, workers: int) -> Evaluator:
        """Return an evaluator that uses so many threads, and as many processes where needed."""
        ...


class ResultsAndLedger(RunResults, Ledger, Protocol):
    """Results, and the progress of the runs that make them, in one place."""


class NightDependencies(NamedTuple):
    """The ports of a run over a store.

    Attributes:
        facts: The facts as far as they may be read.
        workers: Workers over the same facts.
        rulesets: Keeps the ruleset of the run.
        open_results: Opens the results and the ledger.
    """

    facts: PermittedFacts
    workers: Workers
    rulesets: RulesetStore
    open_results: Callable[[], AbstractContextManager[ResultsAndLedger]]


def rules_left_out(before: bytes, now: Ruleset) -> list[str]:
    """Return the rules of which a run would remove the results.

    Args:
        before: Canonical bytes of the last run's ruleset, perhaps of an earlier version.
        now: The ruleset of the run.
    """
    kept = {checked.rule.id for checked in now.rules}
    return [rule for rule, _ in value_names(before) if rule not in kept]


def run_night(
    deps: NightDependencies,
    ruleset: Ruleset,
    as_of: Date,
    processes: int,
    advance: Callable[[Tally], None],
    clock: Clock = no_clock,
) -> RunOutcome:
    """Evaluate everything, or what is left of it after an interruption.

    Args:
        deps: The store.
        ruleset: The rules.
        as_of: The date that the rules take for today.
        processes: Number of threads that share the work in columns, and of processes that share
            what is left to the interpreter.
        advance: Called with the tally of each item when it is done.
        clock: Tells when the run starts and ends.

    Raises:
        UserError: As from `run`, or the facts were changed meanwhile.
    """
    facts = deps.facts
    deps.rulesets.put(ruleset)
    engine = Engine(make_plan(ruleset, as_of, facts.schema))
    in_columns = all(rule.planned for rule in engine.plan.columns.rules)
    evaluator = deps.workers.evaluator(engine, processes)
    gc.freeze()  # rules and plans stay to the end: the collector need not look at them again
    customers = _CUSTOMERS_IN_COLUMNS if in_columns else _CUSTOMERS_INTERPRETED
    items = work_items(facts, customers, facts.left_out)
    with deps.open_results() as kept:
        ports = (kept, kept, evaluator, advance, clock, processes)
        return run(facts, items, ruleset, as_of, *ports)
