"""Builds a feed: the insights of one customer as the customer sees them."""

from collections.abc import Sequence
from typing import NamedTuple

from tuppence.facts.consent import Consent, Use, readable
from tuppence.feed import rank, variant_index
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults
from tuppence.rules.message import MessageError, render
from tuppence.usecases.compare_feeds import FeedChanges, FeedEntry, Shown, compare_feeds
from tuppence.usecases.customer_store import EvaluatedStore, last_evaluation


class Feed(NamedTuple):
    """The feed of a customer.

    Attributes:
        customer: Name of the customer in the store.
        as_of: The day on which it is shown.
        frozen: The reason why it stands still on that day; empty if it does not.
        entries: The insights, the most relevant first.
        left_out: A sentence for each insight that is missing because its message cannot be written.
        changes: The differences to the feed after the run before; None if there is no such run, or
            if they were not asked for.
    """

    customer: str
    as_of: Date
    frozen: str
    entries: tuple[FeedEntry, ...]
    left_out: tuple[str, ...]
    changes: FeedChanges | None = None


def build_feed(
    store: EvaluatedStore,
    customer: str,
    purposes: frozenset[str],
    today: Date,
    limit: int,
    locale: str,
    *,
    compare: bool = False,
) -> Feed:
    """Build the feed of a customer from the results of the last run.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        limit: Maximum number of insights.
        locale: Locale of money and dates, such as en_GB.
        compare: Whether to compare with the feed after the run before.

    Raises:
        UserError: There is no such customer or locale, or nothing is kept of the customer.
    """
    customer = store.name_of(customer)
    currency = store.currency_of(customer)
    last = last_evaluation(store, customer)
    as_of, frozen = last.day, ""
    consents = store.consents_of(customer)
    if consents and not readable(consents, Use(purposes, today.day, as_of.day)):
        as_of, frozen = _frozen(consents, Date(last.results.as_of), as_of)
    shown = _shown(store, last.results, as_of.day, limit, (currency, locale))
    feed = Feed(customer, as_of, frozen, shown.entries, tuple(shown.unwritable.values()))
    if not compare or last.day_before is None:
        return feed
    day = Date(min(last.day_before.day, as_of.day))
    before = Shown((), {}, day.day, (), {})
    if last.before is not None:
        before = _shown(store, last.before, day.day, limit, (currency, locale))
    return feed._replace(changes=compare_feeds(shown, before, currency, locale))


def _shown(
    store: EvaluatedStore, row: CustomerResults, day: int, limit: int, style: tuple[str, str]
) -> Shown:
    """Return what is shown of results on a day, in a currency and a locale."""
    rules = store.rules(row.ruleset)
    entries, unwritable = list[FeedEntry](), dict[str, str]()
    for result in rank(row.results, rules, day, limit):
        rule = rules[result.rule_id]
        try:
            index = variant_index(rule, result.since, day)
            message = render(rule, result.values, *style, index)
        except MessageError as error:  # one gap must not cost the customer the other insights
            unwritable[rule.id] = error.message
        else:
            entries.append(FeedEntry(rule.kind, result, message, rule.offer))
    return Shown(row.results, rules, day, tuple(entries), unwritable)


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
