"""Requests to evaluate customers, and the answers to them."""

from typing import Any

import msgspec

from tuppence.facts.submitted import SubmittedFacts
from tuppence.results.result import State


class Request(msgspec.Struct, frozen=True):
    """A request for evaluations.

    Attributes:
        customers: Customers whose facts are fetched, and whose results are kept.
        submitted: Facts of people, instead of `customers`; their results are only returned.
        rules: Identifiers of the rules to evaluate; None for all.
        results: Whether to return results, not only counts.
    """

    customers: tuple[str, ...] = ()
    submitted: tuple[SubmittedFacts, ...] = ()
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
    """The result of one rule for one customer.

    Attributes:
        rule_id: Identifier of the rule.
        state: The outcome of the rule's condition.
        score: Number from 0 to 100 if the rule qualified.
        values: Values for the rule's message, by name.
        since: First day of the current state.
    """

    rule_id: str
    state: State
    score: Any
    values: dict[str, Any]
    since: str


class CustomerAnswer(msgspec.Struct, frozen=True):
    """The results of one customer.

    Attributes:
        customer_id: Identifier of the customer; the number of submitted facts, from 0.
        results: Results by rule.
    """

    customer_id: str
    results: list[RuleAnswer]


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request.

    Attributes:
        ruleset: Digest of the ruleset that was used.
        as_of: The date that rules took for today.
        customers: Number of customers evaluated.
        evaluations: customers × rules.
        qualified: Results in that state.
        unknown: Results in that state, because facts are missing.
        changed: Results that differ from what was kept before, those by other rules too where the
            store keeps a customer's results as one; None where nothing is kept.
        missing: Customers who do not exist, or have not agreed.
        results: Results by customer, if they were requested.
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
