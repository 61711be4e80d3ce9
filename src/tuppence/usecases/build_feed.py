"""Builds a feed: the insights of one customer as the customer sees them."""

from collections.abc import Sequence
from typing import NamedTuple

from tuppence.facts.consent import Consent, Use, readable
from tuppence.facts.values import feel_values
from tuppence.feed import rank, variant_index
from tuppence.feel.values import Date
from tuppence.results.result import Result
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.rules.rule import Offer
from tuppence.usecases.customer_store import EvaluatedStore, last_evaluation


class FeedEntry(NamedTuple):
    """An insight of a feed.

    Attributes:
        kind: Kind of the rule, such as `saving`.
        result: The result that is shown.
        message: The message that the customer reads.
        offer: The partner and the terms of an offer or a reward.
    """

    kind: str
    result: Result
    message: Rendered
    offer: Offer | None = None


class Feed(NamedTuple):
    """The feed of a customer.

    Attributes:
        customer: Name of the customer in the store.
        as_of: The day on which it is shown.
        frozen: The reason why it stands still on that day; empty if it does not.
        entries: The insights, the most relevant first.
        left_out: A sentence for each insight that is missing because its message cannot be written.
    """

    customer: str
    as_of: Date
    frozen: str
    entries: tuple[FeedEntry, ...]
    left_out: tuple[str, ...]


def build_feed(
    store: EvaluatedStore,
    customer: str,
    purposes: frozenset[str],
    today: Date,
    limit: int,
    locale: str,
) -> Feed:
    """Build the feed of a customer from the results of the last run.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        limit: Maximum number of insights.
        locale: Locale of money and dates, such as en_GB.

    Raises:
        UserError: There is no such customer or locale, or nothing is kept of the customer.
    """
    customer = store.name_of(customer)
    facts = store.facts_of(customer)
    row, as_of = last_evaluation(store, customer)
    frozen = ""
    consents = store.consents_of(customer)
    if consents and not readable(consents, Use(purposes, today.day, as_of.day)):
        as_of, frozen = _frozen(consents, Date(row.as_of), as_of)
    rules = {checked.rule.id: checked.rule for checked in store.ruleset(row.ruleset).rules}
    (currency,) = feel_values(facts.customers["currency"], 1, 0)
    entries, left_out = list[FeedEntry](), list[str]()
    for result in rank(row.results, rules, as_of.day, limit):
        rule = rules[result.rule_id]
        try:
            index = variant_index(rule, result.since, as_of.day)
            message = render(rule, result.values, currency, locale, index)
        except MessageError as error:  # one gap must not cost the customer the other insights
            left_out.append(error.message)
        else:
            entries.append(FeedEntry(rule.kind, result, message, rule.offer))
    return Feed(customer, as_of, frozen, tuple(entries), tuple(left_out))


def _frozen(consents: Sequence[Consent], evaluated: Date, as_of: Date) -> tuple[Date, str]:
    """Return the day on which a feed stands still without a consent, and the reason.

    Args:
        consents: The customer's consents, none of which lets facts be read.
        evaluated: The day as of which the results are.
        as_of: The day of the last run.
    """
    ends = [one.end for one in consents]
    ended = max((end for end in ends if end is not None), default=None)
    if ended is None or None in ends:
        return evaluated, f"frozen on {evaluated}: no consent of this customer allows insights"
    day = Date(max(evaluated.day, min(as_of.day, ended - 1)))
    return day, f"frozen on {day}: no consent of this customer has held since {Date(ended)}"
