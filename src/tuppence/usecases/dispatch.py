"""A run over running engines: list who is eligible, hand them out, see that all are done."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from tuppence.facts.source import CustomerFacts
from tuppence.feel.values import Date
from tuppence.usecases.ledger import Ledger, RunRecord, Tally, WorkItem
from tuppence.usecases.run import Outcome, carry_out, in_order

PAGE = 5_000


class EvaluationService(Protocol):
    """Evaluates customers, keeps what is new of their results, and counts."""

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        """What became of customers; those who cannot be evaluated any more are not counted.

        Raises:
            UserError: It cannot be done, or not now, however often it was tried.
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
) -> Outcome:
    """Have every eligible customer evaluated, or those who are left after an interruption.

    Args:
        run_id: Names the run; one that is finished is not done again.
        facts: Lists who is eligible.
        service: Evaluates.
        ruleset: Digest.
        as_of: The date that rules take for today.
        ledger: Where the progress is kept.
        advance: Told of the number of customers in all, and of each item when it is done.
        customers_per_item: How finely the work is cut.
        parallel: Items under way at the same time.

    Raises:
        UserError: An item could not be done; what is done stays done, and the same run goes on
            from there.
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
            for item, tally in in_order(left, lambda item: pool.submit(evaluate, item), parallel):
                with ledger.finishing(run_id, item.name, tally):
                    pass  # the engine has kept the results before it answered
                yield item, tally

    return carry_out(record, items, ledger, work, lambda tally: advance(len(customers), tally))


def _eligible(facts: CustomerFacts, as_of: Date) -> Iterator[str]:
    after = ""
    while page := facts.page(after, as_of, PAGE):
        yield from page
        after = page[-1]
