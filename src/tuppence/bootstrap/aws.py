"""Where adapters meet ports on AWS: a builder for each function and for the rules engine's stores.

Each is built once in a process, from the environment that the infrastructure gives it.
"""

import functools
import os
import zoneinfo
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.functions import begin_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.aws.secrets import read_secret
from tuppence.errors import UserError
from tuppence.rules.value_names import value_names

if TYPE_CHECKING:
    from tuppence.adapters.aws.results import DynamoResults
    from tuppence.adapters.engines import HttpEngine, HttpEvaluations
    from tuppence.adapters.relay import Relay
    from tuppence.adapters.relay_facts import RelayFacts
    from tuppence.rules.ruleset import RulesetStore

PREFIX = "TUPPENCE_"


class Settings(msgspec.Struct, frozen=True):
    """What a function is told by its environment; each name there is `TUPPENCE_` and this one.

    Attributes:
        relay: Address of the SQL relay.
        relay_secret: Name or ARN of the secret that holds the token for it.
        engines: Address of the engines' load balancer.
        engines_secret: Name or ARN of the secret that holds the token for them.
        engines_namespace: Cloud Map's namespace in which running engines are found.
        engines_service: And the name of their service.
        rulesets: Bucket of the rulesets.
        ledger: Table of the ledger.
        customer_queue: Its address.
        invoke_queue: Its address.
        dead_items: Address of the queue of items that were given up.
        refresh_function: Name of the function that has engines refreshed.
        time_zone: Where the days of runs begin at midnight.
        customers_per_item: How many customers travel together.
        rules_per_item: How many rules; all where it is 0.
        tries: An item that an engine refuses is given up when it is received so often, and so is a
            page that cannot be split.
        max_receives: An item is received so often at most, for whatever reason.
        engine_seconds: One try of an engine may take.
        longest_wait: Seconds between two tries at most.
        margin_seconds: What a function keeps back of its time, to end in good order.
    """

    relay: str = ""
    relay_secret: str = ""
    engines: str = ""
    engines_secret: str = ""
    engines_namespace: str = ""
    engines_service: str = ""
    rulesets: str = ""
    ledger: str = ""
    customer_queue: str = ""
    invoke_queue: str = ""
    dead_items: str = ""
    refresh_function: str = ""
    time_zone: str = "Europe/London"
    customers_per_item: int = 1
    rules_per_item: int = 0
    tries: int = 3
    max_receives: int = 1_000
    engine_seconds: float = 5.0
    longest_wait: float = 2.0
    margin_seconds: float = 2.0

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone."""
        return zoneinfo.ZoneInfo(self.time_zone)


def settings() -> Settings:
    """The settings in this process's environment.

    Raises:
        UserError: One is not of its kind.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UserError("settings.wrong", f"the environment: {error}") from None


class Lister(NamedTuple):
    """What the customer function works with."""

    settings: Settings
    rulesets: S3Rulesets
    ledger: DynamoLedger
    customers: "Relay"
    queue: SqsQueue
    call_again: Callable[[str, dict[str, Any]], None]


@functools.cache
def lister() -> Lister:
    """For the customer function."""
    from tuppence.adapters.relay import Relay  # noqa: PLC0415 - each function loads its own

    found = settings()
    return Lister(
        found,
        _rulesets(found),
        DynamoLedger(client("dynamodb"), found.ledger),
        Relay(found.relay, read_secret(found.relay_secret)),
        SqsQueue(client("sqs"), found.customer_queue),
        begin_function,
    )


class Cutter(NamedTuple):
    """What the rule function works with."""

    settings: Settings
    rules: Callable[[str], Sequence[str]]
    ledger: DynamoLedger
    queue: SqsQueue


@functools.cache
def cutter() -> Cutter:
    """For the rule function."""
    found = settings()
    rulesets = _rulesets(found)

    @functools.lru_cache(8)
    def rules(digest: str) -> Sequence[str]:
        return [rule for rule, _ in value_names(rulesets.get(digest))]

    ledger = DynamoLedger(client("dynamodb"), found.ledger)
    return Cutter(found, rules, ledger, SqsQueue(client("sqs"), found.invoke_queue))


class Invoker(NamedTuple):
    """What the invoke function works with."""

    settings: Settings
    engines: "HttpEvaluations"
    ledger: DynamoLedger
    queue: SqsQueue
    dead_letters: SqsQueue


@functools.cache
def invoker() -> Invoker:
    """For the invoke function."""
    from tuppence.adapters.engines import HttpEvaluations  # noqa: PLC0415

    found = settings()
    token = read_secret(found.engines_secret)
    engines = HttpEvaluations(found.engines, token, found.engine_seconds, found.longest_wait)
    sqs = client("sqs")
    return Invoker(
        found,
        engines,
        DynamoLedger(client("dynamodb"), found.ledger),
        SqsQueue(sqs, found.invoke_queue),
        SqsQueue(sqs, found.dead_items),
    )


class Converter(NamedTuple):
    """What the convert function works with."""

    settings: Settings
    relay: "RelayFacts"
    rulesets: S3Rulesets
    refresh: Callable[[dict[str, Any]], None]


@functools.cache
def converter() -> Converter:
    """For the convert function."""
    from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415

    found = settings()
    relay = RelayFacts(found.relay, read_secret(found.relay_secret))
    refresh = functools.partial(begin_function, found.refresh_function)
    return Converter(found, relay, _rulesets(found), refresh)


class Refresher(NamedTuple):
    """What the refresh function works with."""

    rulesets: S3Rulesets
    engines: "Callable[[], list[HttpEngine]]"


@functools.cache
def refresher() -> Refresher:
    """For the refresh function."""
    from tuppence.adapters.aws.discovery import running_engines  # noqa: PLC0415

    found = settings()
    token = functools.partial(read_secret, found.engines_secret)
    engines = functools.partial(
        running_engines, found.engines_namespace, found.engines_service, token
    )
    return Refresher(_rulesets(found), engines)


def s3_rulesets(address: str) -> S3Rulesets:
    """The rulesets of an address such as s3://bucket/prefix/."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return S3Rulesets(client("s3"), bucket, prefix)


def dynamo_results(table: str, rulesets: "RulesetStore") -> "Callable[[], DynamoResults]":
    """Opens the results in a table; the rulesets tell what each result's values are."""
    from tuppence.adapters.aws.results import DynamoResults  # noqa: PLC0415
    from tuppence.results.packed import Layout  # noqa: PLC0415

    @functools.lru_cache(32)
    def layout_of(digest: str) -> Layout:
        return Layout(digest, value_names(rulesets.get(digest)))

    shared = client("dynamodb")
    return lambda: DynamoResults(shared, table, layout_of)


def _rulesets(found: Settings) -> S3Rulesets:
    return S3Rulesets(client("s3"), found.rulesets, "rulesets/")
