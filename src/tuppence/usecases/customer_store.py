"""The ports of use cases that are about one customer of a store."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Consent, Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults
from tuppence.rules.rule import Rule
from tuppence.usecases.ledger import RunRecord


class CustomerStore(Protocol):
    """The facts of each customer; as text it is the name of the store."""

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def currency_of(self, customer: str) -> str:
        """Return the currency of a customer.

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


class StoredResults(NamedTuple):
    """The stored results of a customer, as of one moment.

    Attributes:
        results: Their results; None if there are none.
        before: Their results after the run before the latest one; None if there were none, or if
            nothing is known of that run (`latest.before` is None).
        latest: The run that was started last.
    """

    results: CustomerResults | None
    before: CustomerResults | None
    latest: RunRecord | None


class EvaluatedStore(CustomerStore, Protocol):
    """A store in which rules were run."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    def consents_of(self, customer: str) -> Sequence[Consent]:
        """Return the consents of a customer."""
        ...

    def results_of(self, customer: str) -> StoredResults:
        """Return what is kept of a customer.

        Raises:
            UserError: Nothing has run in this store.
        """
        ...

    def rules(self, digest: str) -> Mapping[str, Rule]:
        """Return the rules that results were made with by identifier, without checking them."""
        ...


class LastEvaluation(NamedTuple):
    """The results of a customer, and those that they had after the run before.

    Attributes:
        results: Their results.
        day: The day of the last run that looked at them.
        before: Their results after the run before; None if they had none.
        day_before: The day of the run before; None if nothing is known of it.
    """

    results: CustomerResults
    day: Date
    before: CustomerResults | None
    day_before: Date | None


def last_evaluation(store: EvaluatedStore, customer: str) -> LastEvaluation:
    """Return the stored results of a customer, and the day of the last run that looked at them.

    Raises:
        UserError: Nothing is kept.
    """
    found, before, latest = store.results_of(customer)
    if found is None:
        raise no_results(str(store), customer)
    known = None if latest is None else latest.before
    day_before = None if known is None else Date(known)
    return LastEvaluation(found, day_of(found, latest), before, day_before)


def day_of(results: CustomerResults, latest: RunRecord | None) -> Date:
    """Return the day of the last run that looked at a customer.

    Args:
        results: Stored results of the customer.
        latest: The run that was started last.
    """
    seen = latest.as_of if latest is not None and latest.finished else results.as_of
    return Date(max(seen, results.as_of))


def no_results(store: str, customer: str) -> UserError:
    """Return the error for a customer without stored results."""
    message = f"{store}: there are no results of customer {customer}"
    return UserError("results.none", message, "tuppence run makes them")
