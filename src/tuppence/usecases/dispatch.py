"""Runs rules over all customers through running engines: list, distribute, check completeness."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol

from tuppence.facts.source import CustomerFacts
from tuppence.feel.values import Date
from tuppence.usecases.ledger import Ledger, RunRecord, Tally, WorkItem
from tuppence.usecases.run import RunOutcome, in_order, resume_run

PAGE = 5_000


class EvaluationService(Protocol):
    """Evaluates customers, stores changes of their results, and counts them."""

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        """Return the counts of customers without those who can no longer be evaluated.

        Raises:
            UserError: The engines refuse, or no engine answers after all tries.
        """
        ...


def dispatch_run(
    run_id: str,
    facts: CustomerFacts,
    service: EvaluationService,
    ruleset: str,
    as_of: Date,
    ledger: Ledger,
    advance: Callable[[int, Tally], None] = lambda *_: None,
    customers_per_item: int = 500,
    parallel: int = 8,
) -> RunOutcome:
    """Have every eligible customer evaluated, or after an interruption the rest of them.

    Args:
        run_id: Name of the run; a finished run is not repeated.
        facts: Lists the eligible customers.
        service: Evaluates them.
        ruleset: Digest.
        as_of: The date that rules take for today.
        ledger: Records the progress.
        advance: Called with the number of all customers and the counts of each item that is done.
        customers_per_item: Number of customers in a work item.
        parallel: Number of items in progress at the same time.

    Raises:
        UserError: An item could not be done. Finished items stay done, and the same run resumes
            after them.
    """
    customers = list(_eligible(facts, as_of))
    items = [
        WorkItem(customers[start], start, min(start + customers_per_item, len(customers)))
        for start in range(0, len(customers), customers_per_item)
    ]
    record = RunRecord(run_id, as_of.day, ruleset, tuple(item.name for item in items))

    def evaluate(item: WorkItem) -> Tally:
        return service.evaluate(run_id, as_of, ruleset, customers[item.start : item.stop])

    def work(left: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Tally]]:
        with ThreadPoolExecutor(parallel) as pool:

            def submit(item: WorkItem) -> Future[Tally]:  # with the id of this request
                return pool.submit(copy_context().run, evaluate, item)

            for item, tally in in_order(left, submit, parallel):
                with ledger.completing(run_id, item.name, tally):
                    pass  # the engine stored the results before it answered
                yield item, tally

    return resume_run(record, items, ledger, work, lambda tally: advance(len(customers), tally))


def _eligible(facts: CustomerFacts, as_of: Date) -> Iterator[str]:
    after = ""
    while page := facts.page(after, as_of, PAGE):
        yield from page
        after = page[-1]
