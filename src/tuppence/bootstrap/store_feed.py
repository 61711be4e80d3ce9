"""Composes the feed of a customer of a store, and what is new in it, with real adapters."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tuppence.adapters.embedded.feed_file import NOTHING_KEPT
from tuppence.adapters.embedded.people import StorePeople
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.compiled import interpreted
from tuppence.facts.schema import Schema
from tuppence.feed.items import DAY
from tuppence.feed.policy import STANDARD, Policy, read_policy
from tuppence.feel.values import Date
from tuppence.relevance.scorecard import Scorecard
from tuppence.usecases.build_feed import Feed, FeedRequest, build_feed, served_feed
from tuppence.usecases.compare_feeds import FeedChanges, changes_of
from tuppence.usecases.order_feed import Model

if TYPE_CHECKING:
    from tuppence.adapters.objects.store_address import StoreAddress


def read_feed(
    store: "StoreFolder | StoreAddress",
    customer: str,
    purposes: frozenset[str],
    policy_file: Path | None,
    limit: int | None,
    now: int,
    locale: str,
    *,
    compare: bool,
) -> tuple[Feed, FeedChanges | None]:
    """Build the feed of a customer of a store; without a consent it is the last one there was.

    At an address nothing is kept of what people see and do in feeds, nor a model of their order.

    Args:
        store: The store.
        customer: Identifier of the customer.
        purposes: Consents for these count, and for no others.
        policy_file: The file of the policy; None for the standard one.
        limit: Maximum number of insights; None for what the policy says.
        now: The clock, in milliseconds since 1970-01-01.
        locale: Locale of money and dates.
        compare: Whether to compare it with the feed after the run before, if there is one.
    """
    policy = feed_policy(policy_file, store.schema)
    if limit is not None:
        policy = msgspec.structs.replace(policy, places=limit)
    name, today = store.name_of(customer), Date(now // DAY)
    if isinstance(store, StoreFolder):
        with contextlib.closing(StorePeople(store, purposes, policy.vulnerable)) as people:
            person, earlier = people.find_with_earlier(name, today)
        kept, model = store.feed.kept(person.customer), store.models.published()
    else:
        from tuppence.adapters.objects.address_people import AddressPeople  # noqa: PLC0415

        there = AddressPeople(store, purposes, policy.vulnerable)
        person, earlier = there.find_with_earlier(name, today)
        kept, model = NOTHING_KEPT, None
    with interpreted():  # the draw of one feed
        feed = build_feed(FeedRequest(person, kept, policy, now, locale, model))
    if not compare or earlier is None:
        return feed, None
    return feed, changes_of(feed, person, earlier, kept, policy, now, locale, model)


def ordered_feed(
    store: StoreFolder,
    customer: str,
    purposes: frozenset[str],
    policy_file: Path | None,
    now: int,
    model: tuple[str, Scorecard],
) -> Feed:
    """Build the feed of a customer of a store as a model would order it now.

    Args:
        store: The store.
        customer: Identifier of the customer.
        purposes: Consents for these count, and for no others.
        policy_file: The file of the policy; None for the standard one.
        now: The clock, in milliseconds since 1970-01-01.
        model: The model, with its digest.
    """
    policy = feed_policy(policy_file, store.schema)
    with contextlib.closing(StorePeople(store, purposes, policy.vulnerable)) as people:
        person = people.find(store.name_of(customer), Date(now // DAY))
    kept = store.feed.kept(person.customer)
    with interpreted():
        return served_feed(FeedRequest(person, kept, policy, now, model=Model(*model)))


def feed_policy(path: Path | None, schema: Schema) -> Policy:
    """Return the policy of a file, or the standard one without a file."""
    return STANDARD if path is None else read_policy(path, schema)
