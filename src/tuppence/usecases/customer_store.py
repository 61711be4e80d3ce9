"""The ports of use cases that are about one customer of a store."""

from collections.abc import Sequence
from typing import Protocol

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Consent, Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import RunRecord


class CustomerStore(Protocol):
    """The facts of each customer; as text it is the name of the store."""

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def facts_of(self, customer: str) -> FactBatch:
        """Return all facts of a customer, whatever their consents say.

        Raises:
            UserError: There is no such customer.
        """
        ...

    def permitted_facts_of(self, customer: str, use: Use) -> FactBatch:
        """Return the facts of a customer that their consents let be read for a use.

        Raises:
            UserError: There is no such customer, or no consent of theirs gives transactions.
        """
        ...


class EvaluatedStore(CustomerStore, Protocol):
    """A store in which rules were run."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    def consents_of(self, customer: str) -> Sequence[Consent]:
        """Return the consents of a customer."""
        ...

    def results_of(self, customer: str) -> tuple[CustomerResults | None, RunRecord | None]:
        """Return what is kept of a customer, and the latest run, both as of one moment.

        Raises:
            UserError: Nothing has run in this store.
        """
        ...

    def ruleset(self, digest: str) -> Ruleset:
        """Return the ruleset that results were made with."""
        ...


def last_evaluation(store: EvaluatedStore, customer: str) -> tuple[CustomerResults, Date]:
    """Return what is kept of a customer, and the day of the last run that looked at it.

    Raises:
        UserError: Nothing is kept.
    """
    found, latest = store.results_of(customer)
    if found is None:
        raise no_results(str(store), customer)
    return found, day_of(found, latest)


def day_of(results: CustomerResults, latest: RunRecord | None) -> Date:
    """Return the day of the last run that looked at a customer.

    Args:
        results: What is kept of the customer.
        latest: The run that was started last.
    """
    seen = latest.as_of if latest is not None and latest.finished else results.as_of
    return Date(max(seen, results.as_of))


def no_results(store: str, customer: str) -> UserError:
    """Return the error for a customer of whom nothing is kept."""
    message = f"{store}: there are no results of customer {customer}"
    return UserError("results.none", message, "tuppence run makes them")
