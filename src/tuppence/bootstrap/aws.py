"""Composes adapters on AWS: the dependencies of each function, and the stores of the rules engine.

They are built once in a process, from the environment variables that the infrastructure sets.
"""

import datetime
import functools
import os
import secrets
import time
import zoneinfo
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from tuppence import logs
from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.functions import begin_function
from tuppence.adapters.aws.inbox import S3Inbox
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.aws.secrets import read_secret
from tuppence.errors import UserError
from tuppence.rules.value_names import value_names
from tuppence.usecases.fleet.watching import Night

if TYPE_CHECKING:
    from tuppence.adapters.aws.feeds import DynamoFeeds
    from tuppence.adapters.aws.models import S3Models
    from tuppence.adapters.aws.outbox import DynamoOutbox
    from tuppence.adapters.aws.results import DynamoResults
    from tuppence.adapters.engines import HttpEngine, HttpEvaluations
    from tuppence.adapters.relay import Relay
    from tuppence.usecases.publish_rules import ApprovedDefinitions

PREFIX = "TUPPENCE_"


class Settings(msgspec.Struct, frozen=True):
    """Settings of a function, from environment variables named `TUPPENCE_` and the attribute.

    Attributes:
        relay: Address of the SQL relay.
        relay_secret: Name or ARN of the secret with the token for the relay.
        engines: Address of the engines' load balancer.
        engines_secret: Name or ARN of the secret with the token for the engines.
        engines_namespace: Cloud Map namespace of running engines.
        engines_service: Cloud Map service of running engines.
        engines_port: Port of running engines.
        rulesets: Name of the bucket of rulesets.
        definitions: Source of the definitions that are published: the `database`, or the `bucket`
            of rulesets.
        inbox: Name of the bucket in which files of banks arrive.
        store: Address of the store that nights by parts evaluate.
        results: Name of the table of results.
        ledger: Name of the ledger's table.
        customer_queue: Address of the customer queue.
        invoke_queue: Address of the invoke queue.
        customer_function: Name of the function that lists customers.
        refresh_function: Name of the function that refreshes engines.
        pseudonyms_secret: Name or ARN of the secret from which names of customers in logs are made.
        time_zone: Time zone of the dates of runs.
        customers_per_item: Number of customers of an item.
        rules_per_item: Number of rules of an item; 0 for all.
        tries: Number of receives after which a refused item is given up.
        engine_seconds: Timeout of one attempt at an engine.
        longest_wait: Maximum number of seconds between two attempts.
        margin_seconds: Time that a function reserves for its end.
        whole_by: Time of the day at which the nightly run should have ended.
    """

    relay: str = ""
    relay_secret: str = ""
    engines: str = ""
    engines_secret: str = ""
    engines_namespace: str = ""
    engines_service: str = ""
    engines_port: int = 8602
    rulesets: str = ""
    definitions: Literal["database", "bucket"] = "database"
    inbox: str = ""
    store: str = ""
    results: str = ""
    ledger: str = ""
    customer_queue: str = ""
    invoke_queue: str = ""
    customer_function: str = ""
    refresh_function: str = ""
    pseudonyms_secret: str = ""
    time_zone: str = "Europe/London"
    customers_per_item: int = 1
    rules_per_item: int = 0
    tries: int = 3
    engine_seconds: float = 5.0
    longest_wait: float = 2.0
    margin_seconds: float = 2.0
    whole_by: datetime.time = datetime.time(6)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone."""
        return zoneinfo.ZoneInfo(self.time_zone)


def settings() -> Settings:
    """Return the settings in the environment of this process.

    Raises:
        UserError: A setting has the wrong type.
    """
    variables = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }
    try:
        return msgspec.convert(variables, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UserError("settings.wrong", f"the environment: {error}") from None


class CustomerDependencies(NamedTuple):
    """Dependencies of the customer function."""

    settings: Settings
    rulesets: S3Rulesets
    ledger: DynamoLedger
    customers: "Relay"
    queue: SqsQueue
    call_again: Callable[[str, dict[str, Any]], None]


@functools.cache
def customer_dependencies() -> CustomerDependencies:
    """Return the dependencies of the customer function."""
    from tuppence.adapters.relay import Relay  # noqa: PLC0415 - each function loads its own

    config = settings()
    return CustomerDependencies(
        config,
        _rulesets(config),
        DynamoLedger(client("dynamodb"), config.ledger),
        Relay(config.relay, read_secret(config.relay_secret)),
        SqsQueue(client("sqs"), config.customer_queue),
        begin_function,
    )


class RuleDependencies(NamedTuple):
    """Dependencies of the rule function."""

    settings: Settings
    rules: Callable[[str], Sequence[str]]
    ledger: DynamoLedger
    queue: SqsQueue


@functools.cache
def rule_dependencies() -> RuleDependencies:
    """Return the dependencies of the rule function."""
    config = settings()
    rulesets = _rulesets(config)

    @functools.lru_cache(8)
    def rules(digest: str) -> Sequence[str]:
        return [rule for rule, _ in value_names(rulesets.get(digest))]

    ledger = DynamoLedger(client("dynamodb"), config.ledger)
    queue = SqsQueue(client("sqs"), config.invoke_queue)
    return RuleDependencies(config, rules, ledger, queue)


class InvokeDependencies(NamedTuple):
    """Dependencies of the invoke function."""

    settings: Settings
    engines: "HttpEvaluations"
    ledger: DynamoLedger
    queue: SqsQueue
    pseudonym: Callable[[str], str]


@functools.cache
def invoke_dependencies() -> InvokeDependencies:
    """Return the dependencies of the invoke function."""
    from tuppence.adapters.engines import HttpEvaluations  # noqa: PLC0415

    config = settings()
    token = read_secret(config.engines_secret)
    engines = HttpEvaluations(config.engines, token, config.engine_seconds, config.longest_wait)
    return InvokeDependencies(
        config,
        engines,
        DynamoLedger(client("dynamodb"), config.ledger),
        SqsQueue(client("sqs"), config.invoke_queue),
        functools.partial(logs.pseudonym, read_secret(config.pseudonyms_secret)),
    )


class DeadDependencies(NamedTuple):
    """Dependencies of the function that enters dead letters."""

    ledger: DynamoLedger


@functools.cache
def dead_dependencies() -> DeadDependencies:
    """Return the dependencies of the function that enters dead letters."""
    return DeadDependencies(DynamoLedger(client("dynamodb"), settings().ledger))


class WatchDependencies(NamedTuple):
    """Dependencies of the watch function.

    Attributes:
        settings: Settings of the functions.
        ledger: The ledger.
        list_on: Has the listing of a run continue.
        complete: Nights that were seen to be complete, by the name of the run; they stay so.
        arrivals: Returns the moments at which the files that wait have arrived.
    """

    settings: Settings
    ledger: DynamoLedger
    list_on: Callable[[dict[str, Any]], None]
    complete: dict[str, Night]
    arrivals: Callable[[], Sequence[datetime.datetime]]


@functools.cache
def watch_dependencies() -> WatchDependencies:
    """Return the dependencies of the watch function."""
    config = settings()
    ledger = DynamoLedger(client("dynamodb"), config.ledger)
    list_on = functools.partial(begin_function, config.customer_function)
    inbox = S3Inbox(client("s3"), config.inbox, max_bytes=0)  # it fetches none
    return WatchDependencies(config, ledger, list_on, {}, inbox.arrivals)


class ConvertDependencies(NamedTuple):
    """Dependencies of the convert function."""

    settings: Settings
    definitions: "ApprovedDefinitions"
    rulesets: S3Rulesets
    refresh: Callable[[dict[str, Any]], None]


@functools.cache
def convert_dependencies() -> ConvertDependencies:
    """Return the dependencies of the convert function."""
    from tuppence.adapters.aws.definitions import S3Definitions  # noqa: PLC0415
    from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415

    config = settings()
    definitions: ApprovedDefinitions = RelayFacts(config.relay, read_secret(config.relay_secret))
    if config.definitions == "bucket":
        definitions = S3Definitions(client("s3"), config.rulesets, definitions.schema)
    refresh = functools.partial(begin_function, config.refresh_function)
    return ConvertDependencies(config, definitions, _rulesets(config), refresh)


class RefreshDependencies(NamedTuple):
    """Dependencies of the refresh function."""

    rulesets: S3Rulesets
    engines: "Callable[[], list[HttpEngine]]"


@functools.cache
def refresh_dependencies() -> RefreshDependencies:
    """Return the dependencies of the refresh function."""
    from tuppence.adapters.aws.discovery import running_engines  # noqa: PLC0415

    config = settings()
    token = functools.partial(read_secret, config.engines_secret)
    engines = functools.partial(
        running_engines,
        config.engines_namespace,
        config.engines_service,
        config.engines_port,
        token,
    )
    return RefreshDependencies(_rulesets(config), engines)


def s3_rulesets(address: str) -> S3Rulesets:
    """Return the store of rulesets at an address such as s3://bucket/prefix/."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return S3Rulesets(client("s3"), bucket, prefix)


def s3_models(address: str) -> "S3Models":
    """Return the models of the order of feeds at an address such as s3://bucket/prefix/."""
    from tuppence.adapters.aws.models import S3Models  # noqa: PLC0415

    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return S3Models(client("s3"), bucket, prefix, time.monotonic)


def dynamo_results(table: str, ruleset: Callable[[str], bytes]) -> "Callable[[], DynamoResults]":
    """Return a function that opens the results in a table.

    Args:
        table: Its name.
        ruleset: Returns a ruleset by its digest, for the layout of its results.
    """
    from tuppence.adapters.aws.results import DynamoResults  # noqa: PLC0415
    from tuppence.results.packed import Layout  # noqa: PLC0415

    @functools.lru_cache(32)
    def layout_of(digest: str) -> Layout:
        return Layout(digest, value_names(ruleset(digest)))

    shared = client("dynamodb")
    return lambda: DynamoResults(shared, table, layout_of)


def dynamo_feeds(
    where: str,
    has_customer: Callable[[str], bool],
    clock: Callable[[], int],
    months: int = 13,
) -> "tuple[DynamoFeeds, DynamoOutbox]":
    """Return what is kept of feeds in a table, and its deliveries.

    Args:
        where: The table, such as dynamodb://table.
        has_customer: Returns whether there is a customer of a name.
        clock: Returns the time, in milliseconds since 1970-01-01.
        months: Months for which new views and events are kept.

    Raises:
        UserError: The address is not one of a table.
    """
    from tuppence.adapters.aws.feeds import DynamoFeeds  # noqa: PLC0415
    from tuppence.adapters.aws.outbox import DynamoOutbox  # noqa: PLC0415
    from tuppence.adapters.aws.person_table import PersonTable, Tools  # noqa: PLC0415

    name = where.removeprefix("dynamodb://")
    if name == where or not name:
        hint = "write it as dynamodb://TABLE"
        raise UserError("feeds.address", f"{where!r} is not a table of feeds", hint)
    tools = Tools(has_customer, clock, time.sleep, lambda: secrets.token_hex(16))
    table = PersonTable(client("dynamodb"), name, tools)
    return DynamoFeeds(table, 31 * months), DynamoOutbox(table)


def _rulesets(config: Settings) -> S3Rulesets:
    return S3Rulesets(client("s3"), config.rulesets, "rulesets/")
