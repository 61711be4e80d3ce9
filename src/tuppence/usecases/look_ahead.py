"""Looks ahead for one customer: which streams recur, and what accounts will hold."""

from typing import Any, NamedTuple

from tuppence.derived.context import customer_context
from tuppence.facts.consent import Use
from tuppence.feel.values import Date
from tuppence.usecases.customer_store import CustomerStore


class Outlook(NamedTuple):
    """The streams and forecasts of a customer, as FEEL values by field name.

    Attributes:
        customer: Name of the customer in the store.
        streams: Bills, subscriptions and incomes, in this order.
        accounts: The accounts, each with its forecast.
    """

    customer: str
    streams: list[dict[str, Any]]
    accounts: list[dict[str, Any]]


def look_ahead(store: CustomerStore, customer: str, use: Use) -> Outlook:
    """Find the streams and the forecasts of a customer as of the date of a use.

    Raises:
        UserError: There is no such customer, or no consent of theirs lets their facts be read.
    """
    customer = store.name_of(customer)
    facts = store.permitted_facts_of(customer, use)
    context = customer_context(facts, 0, Date(use.as_of), streams=True)
    names = ("bills", "subscriptions", "incomes")
    return Outlook(customer, [row for name in names for row in context[name]], context["accounts"])
