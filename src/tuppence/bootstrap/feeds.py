"""Composes the feed as a service, and the page that shows it, with real adapters."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import model_store, result_store, ruleset_store
from tuppence.bootstrap.store import StoreFolder, open_store
from tuppence.bootstrap.store_feed import feed_policy
from tuppence.feed.items import DAY
from tuppence.feel.values import Date
from tuppence.usecases.deliver import unsubscribe
from tuppence.usecases.explain_result import explain_kept_result
from tuppence.usecases.feed_ports import read_each
from tuppence.usecases.order_feed import no_model

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from tuppence.adapters.embedded.people import StorePeople
    from tuppence.services.feed.app import FeedDependencies
    from tuppence.usecases.delivery_ports import Outbox
    from tuppence.usecases.feed_ports import FeedStore


def feed_service(
    deps: "FeedDependencies", keys: str, operators: str | None, caller_requests: int
) -> "Starlette":
    """Return the feed as a service.

    Args:
        deps: Its dependencies.
        keys: File of the keys of customers' tokens.
        operators: File of operators; None for none.
        caller_requests: Maximum concurrent requests of one caller.

    Raises:
        UserError: A package is missing, or a file is malformed.
    """
    with extra("feed"):
        from tuppence.services.access import read_callers  # noqa: PLC0415
        from tuppence.services.feed.app import feed_app  # noqa: PLC0415
        from tuppence.services.feed.tokens import read_keys  # noqa: PLC0415

    known = {} if operators is None else read_callers(operators)
    return feed_app(deps, read_keys(keys), known, caller_requests)


def store_feeds(
    path: Path, policy_file: Path | None, purposes: frozenset[str], clock: Callable[[], int]
) -> "FeedDependencies":
    """Return the dependencies of the feeds of a store.

    Args:
        path: The folder of the store.
        policy_file: The file of the policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        clock: Returns the time, in milliseconds since 1970-01-01.

    Raises:
        UserError: There is no store, or the policy is malformed.
    """
    return _feeds_of(open_store(path), policy_file, purposes, clock)[0]


def _feeds_of(
    store: StoreFolder,
    policy_file: Path | None,
    purposes: frozenset[str],
    clock: Callable[[], int],
) -> "tuple[FeedDependencies, StorePeople]":
    with extra("feed"):
        from tuppence.adapters.embedded.feed_file import FeedFile  # noqa: PLC0415
        from tuppence.adapters.embedded.outbox_file import OutboxFile  # noqa: PLC0415
        from tuppence.adapters.embedded.people import StorePeople  # noqa: PLC0415
        from tuppence.services.feed.app import FeedDependencies  # noqa: PLC0415

    policy = feed_policy(policy_file, store.schema)
    people = StorePeople(store, purposes, policy.vulnerable)
    file = FeedFile(store.path, people.has_customer)
    outbox = OutboxFile(store.path, people.has_customer)

    def close() -> None:
        outbox.close()
        file.close()
        people.close()

    deps = FeedDependencies(
        people,
        file,
        read_each(people, file),
        _explainer(store, purposes),
        functools.partial(unsubscribe, outbox, file),
        policy,
        clock,
        people.check,
        close,
        store.models.published,
    )
    return deps, people


def database_feeds(
    url: str,
    results: str,
    rulesets: str,
    feeds_table: str,
    connections: int,
    policy_file: Path | None,
    purposes: frozenset[str],
    clock: Callable[[], int],
    models: str = "",
    months: int = 13,
) -> "FeedDependencies":
    """Return the dependencies of the feeds of the services.

    Args:
        url: Address of the database; the login has the role feed.
        results: The results: a file, dynamodb://table, or postgresql://….
        rulesets: The rulesets: a folder, or s3://bucket/prefix/.
        feeds_table: The memory of feeds: a table, such as dynamodb://table; or empty for the
            database.
        connections: Maximum number of connections.
        policy_file: The file of the policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        clock: Returns the time, in milliseconds since 1970-01-01.
        models: The models: a folder, or s3://bucket/prefix/; feeds are in rule order if empty.
        months: Months for which a table keeps new events and views.

    Raises:
        UserError: A package is missing, the database does not answer, or the policy is malformed.
    """
    with extra("database"):
        from tuppence.adapters.postgres.feeds import (  # noqa: PLC0415
            AHEAD_DAYS,
            Connections,
            PostgresFeeds,
            PostgresPeople,
        )
        from tuppence.adapters.postgres.outbox import PostgresOutbox  # noqa: PLC0415
    with extra("feed"):
        from tuppence.services.feed.app import FeedDependencies  # noqa: PLC0415

    with fact_database(url) as facts:
        policy = feed_policy(policy_file, facts.schema())
    pool = Connections(url, connections)
    checking = Connections(url, 1)  # of its own, so that readiness does not depend on the load
    known = ruleset_store(rulesets)
    kept = result_store(results, known)
    people = PostgresPeople(pool, kept, known, purposes, policy.vulnerable)
    feeds: FeedStore
    outbox: Outbox
    if feeds_table:
        with extra("aws"):
            from tuppence.bootstrap.aws import dynamo_feeds  # noqa: PLC0415

        feeds, outbox = dynamo_feeds(feeds_table, people.has_customer, clock, months)
    else:
        outbox, in_database = PostgresOutbox(pool), PostgresFeeds(pool)
        for day in (clock() // DAY, clock() // DAY + AHEAD_DAYS):
            in_database.make_month(day)
        feeds = in_database

    def explain(customer: str, rule_id: str, today: Date) -> Mapping[str, Any]:
        with fact_database(url) as facts:
            found = people.results()
            return explain_kept_result(facts, found, known, customer, rule_id, purposes, today)

    def close() -> None:
        pool.close()
        checking.close()

    published = model_store(models).published if models else no_model
    return FeedDependencies(
        people,
        feeds,
        read_each(people, feeds) if feeds_table else people.read,
        explain,
        functools.partial(unsubscribe, outbox, feeds),
        policy,
        clock,
        checking.check,
        close,
        published,
    )


def store_page(
    path: Path,
    policy_file: Path | None,
    purposes: frozenset[str],
    clock: Callable[[], int],
    key: str,
) -> "Starlette":
    """Return the page that shows the feeds of a store.

    Args:
        path: The folder of the store.
        policy_file: The file of the policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        clock: Returns the time, in milliseconds since 1970-01-01.
        key: The secret in the address of the page.

    Raises:
        UserError: There is no store, or the policy is malformed.
    """
    with extra("feed"):
        from tuppence.services.feed_page.app import page_app  # noqa: PLC0415

    store = open_store(path)
    deps, people = _feeds_of(store, policy_file, purposes, clock)
    return page_app(deps, customers_of(store), people.find_with_earlier, key)


def customers_of(store: StoreFolder) -> Callable[[str], list[str]]:
    """Return a function that lists the customers of a store whose names begin with a text."""

    def customers(beginning: str) -> list[str]:
        names = store.facts().customers()["id"].to_list()
        return sorted(name for name in names if name.startswith(beginning))

    return customers


def _explainer(
    store: StoreFolder, purposes: frozenset[str]
) -> Callable[[str, str, Date], Mapping[str, Any]]:
    from tuppence.engine.explanation import document  # noqa: PLC0415 - loads the compiler
    from tuppence.usecases.explain_result import explain_result  # noqa: PLC0415

    def explain(customer: str, rule_id: str, today: Date) -> Mapping[str, Any]:
        name, as_of, _, found = explain_result(store, customer, rule_id, purposes, today)
        return document(name, as_of, found)

    return explain


def make_key(name: str, keys: Path) -> None:
    """Append a new key to a file of keys for customers' tokens."""
    with extra("feed"):
        from tuppence.services.feed.tokens import add_key  # noqa: PLC0415

    add_key(name, keys)


def make_customer_token(keys: str, customer: str, now: int, seconds: int) -> str:
    """Return a token for a customer.

    Args:
        keys: File of keys, or env:NAME.
        customer: Name of the customer.
        now: The clock, in milliseconds since 1970-01-01.
        seconds: Life of the token.
    """
    with extra("feed"):
        from tuppence.services.feed.tokens import customer_token, read_keys  # noqa: PLC0415

    return customer_token(read_keys(keys), customer, now, seconds)
