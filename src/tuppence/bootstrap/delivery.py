"""Composes deliveries of what is new in feeds with real adapters."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuppence.adapters.channels.mail import Mail
from tuppence.adapters.channels.settings import ChannelSettings, read_channels
from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import model_store, result_store, ruleset_store
from tuppence.bootstrap.store import open_store
from tuppence.bootstrap.store_feed import feed_policy
from tuppence.feed.news import ChannelRule
from tuppence.feed.policy import Policy
from tuppence.usecases.deliver import DeliveryDependencies, Retry
from tuppence.usecases.order_feed import Model, no_model

if TYPE_CHECKING:
    from tuppence.usecases.delivery_ports import Audience, Channel, Outbox


class DeliverySettings(NamedTuple):
    """The decisions of an operator about deliveries.

    Attributes:
        channels: The file of channels, or env:NAME.
        policy: The file of the policy; None for the standard one.
        purposes: Consents for these count, and for no others.
        retry: The times at which failed attempts are repeated.
        threads: Number of attempts at a time.
        clock: Returns the time, in milliseconds since 1970-01-01.
        chance: Returns a random number from 0 to 1.
        new_id: Returns a new identifier that nobody can guess.
    """

    channels: str
    policy: Path | None
    purposes: frozenset[str]
    retry: Retry
    threads: int
    clock: Callable[[], int]
    chance: Callable[[], float]
    new_id: Callable[[], str]


@contextlib.contextmanager
def store_deliveries(path: Path, settings: DeliverySettings) -> Iterator[DeliveryDependencies]:
    """Yield what the deliveries of a store are made with.

    Args:
        path: The folder of the store.
        settings: The decisions of an operator.

    Raises:
        UserError: There is no store, or a file is malformed.
    """
    from tuppence.adapters.embedded.outbox_file import OutboxFile  # noqa: PLC0415
    from tuppence.adapters.embedded.people import StorePeople  # noqa: PLC0415

    store = open_store(path)
    found = read_channels(settings.channels, store.schema)
    policy = feed_policy(settings.policy, store.schema)
    address = None if found.mail is None else found.mail.address
    people = StorePeople(store, settings.purposes, policy.vulnerable, address)
    with contextlib.closing(people):
        people.check()
        with contextlib.closing(OutboxFile(path, people.has_customer)) as outbox:
            yield _dependencies(people, outbox, found, policy, settings, store.models.published)


@contextlib.contextmanager
def database_deliveries(
    url: str,
    results: str,
    rulesets: str,
    feeds_table: str,
    models: str,
    settings: DeliverySettings,
) -> Iterator[DeliveryDependencies]:
    """Yield what the deliveries of the services are made with.

    Args:
        url: Address of the database; the login has the role feed.
        results: The results: a file, dynamodb://table, or postgresql://….
        rulesets: The rulesets: a folder, or s3://bucket/prefix/.
        feeds_table: The memory of feeds: a table, such as dynamodb://table; or empty for the
            database.
        models: The models: a folder, or s3://bucket/prefix/; feeds are in rule order if empty.
        settings: The decisions of an operator.

    Raises:
        UserError: A package is missing, the database does not answer, or a file is malformed.
    """
    with extra("database"):
        from tuppence.adapters.postgres.feeds import Connections, PostgresPeople  # noqa: PLC0415
        from tuppence.adapters.postgres.outbox import PostgresOutbox  # noqa: PLC0415

    with fact_database(url) as facts:
        schema = facts.schema()
    found = read_channels(settings.channels, schema)
    policy = feed_policy(settings.policy, schema)
    known = ruleset_store(rulesets)
    with contextlib.closing(Connections(url, settings.threads + 1)) as connections:
        people = PostgresPeople(
            connections,
            result_store(results, known),
            known,
            settings.purposes,
            policy.vulnerable,
            None if found.mail is None else found.mail.address,
        )
        outbox: Outbox = PostgresOutbox(connections)
        if feeds_table:
            with extra("aws"):
                from tuppence.bootstrap.aws import dynamo_feeds  # noqa: PLC0415

            _, outbox = dynamo_feeds(feeds_table, people.has_customer, settings.clock)
        published = model_store(models).published if models else no_model
        yield _dependencies(people, outbox, found, policy, settings, published)


def _dependencies(
    people: "Audience",
    outbox: "Outbox",
    found: ChannelSettings,
    policy: Policy,
    settings: DeliverySettings,
    published: Callable[[], Model | None],
) -> DeliveryDependencies:
    return DeliveryDependencies(
        people,
        outbox,
        _channels(found),
        policy,
        settings.retry,
        settings.clock,
        settings.chance,
        settings.new_id,
        settings.threads,
        published,
    )


def _channels(found: ChannelSettings) -> "dict[str, Channel]":
    channels: dict[str, Channel] = {}
    if found.webhooks or found.push is not None:
        with extra("feed"):
            from tuppence.adapters.channels.webhook import Webhook  # noqa: PLC0415

        for name, one in found.webhooks.items():
            rule = ChannelRule(f"webhook.{name}", personal=False)
            channels[rule.name] = Webhook(rule, one)
        if found.push is not None:
            channels["push"] = Webhook(ChannelRule("push", personal=True), found.push)
    if found.mail is not None:
        channels["mail"] = Mail(found.mail)
    return channels
