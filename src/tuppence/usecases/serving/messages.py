"""Requests to evaluate customers, and the answers to them."""

from typing import Any

import msgspec

from tuppence.facts.submitted import SubmittedFacts
from tuppence.results.result import State


class Request(msgspec.Struct, frozen=True):
    """What is to be evaluated.

    Attributes:
        customers: Whom; their facts are fetched, and their results kept.
        given: In place of `customers`: facts of people whose results are answered only.
        rules: By which rules; by all where it is None.
        results: Whether to answer results, or counts only.
    """

    customers: tuple[str, ...] = ()
    given: tuple[SubmittedFacts, ...] = ()
    rules: frozenset[str] | None = None
    results: bool = False

    @property
    def partial_rules(self) -> frozenset[str] | None:
        """The rules that suffice to answer it; None where all are evaluated.

        All are evaluated where results are wanted, so that requests for different rules share a
        batch.
        """
        return self.rules if self.customers and not self.results else None


class RuleAnswer(msgspec.Struct, frozen=True):
    """One result for JSON; `since` is the day since which the state has been so."""

    rule_id: str
    state: State
    score: Any
    values: dict[str, Any]
    since: str


class CustomerAnswer(msgspec.Struct, frozen=True):
    """The results of one customer; of facts that were given the customer has a number."""

    customer_id: str
    results: list[RuleAnswer]


class Answer(msgspec.Struct, frozen=True):
    """What came of a request.

    Attributes:
        ruleset: Digest of the ruleset that was used.
        as_of: The date that rules took for today.
        customers: How many were evaluated.
        evaluations: customers × rules.
        qualified: Results in that state.
        unknown: Likewise.
        changed: Results that differ from what was kept before, those by other rules too where the
            store keeps a customer's results as one; None where nothing is kept.
        missing: Customers who do not exist, or have not agreed.
        results: By customer, where they were asked for.
    """

    ruleset: str
    as_of: str
    customers: int
    evaluations: int
    qualified: int
    unknown: int
    changed: int | None
    missing: tuple[str, ...] = ()
    results: list[CustomerAnswer] | None = None
