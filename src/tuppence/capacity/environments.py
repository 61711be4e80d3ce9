"""Environments of the fleet, and the settings in which they differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from tuppence.capacity.timing import Timing


@dataclass(frozen=True)
class TaskSize:
    """The size of a Fargate task.

    Attributes:
        cpu: Processors in units of 1/1024.
        memory: Memory in MiB.
    """

    cpu: int
    memory: int


ENGINE_TASK: Final = TaskSize(1_024, 2_048)
RELAY_TASK: Final = TaskSize(512, 1_024)
FEED_TASK: Final = TaskSize(512, 2_048)
TAKE_IN_TASK: Final = TaskSize(1_024, 8_192)
DELIVER_TASK: Final = TaskSize(512, 2_048)
FUNCTION_MEMORY: Final = 512
"""Memory of the functions of a run, in MiB."""
PART_MEMORY: Final = 3_008
"""Memory of a function that does a part, in MiB: three times what a part of 10,000 customers with
13 months of transactions took. AWS gives such a function 1.7 processors."""
PART_SECONDS: Final = 200
"""Timeout of such a function: the child workflow that calls it, perhaps several times where AWS
does not take the call, may take five minutes."""
RULE_CONCURRENCY: Final = 20
"""Maximum number of concurrent rule functions."""
MESSAGES_PER_CALL: Final = 10
"""Maximum number of messages in a call of a function: SQS allows no more for a FIFO queue."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The settings of one copy of the fleet.

    Attributes:
        name: Name of the environment, with which the names of its stacks begin.
        account: AWS account; None for stacks that fit any account.
        region: AWS region.
        zones: Availability zones.
        schedule: Start of the nightly run, as a cron expression of EventBridge; None for runs by
            hand only. EventBridge skips a time that does not exist on the day when clocks change.
        publish_schedule: Times when approved definitions are published, in addition to each
            approval.
        definitions: Source of the definitions that are published: rule files in the `bucket` of
            rulesets, all of which count as approved, or the `database`, where people approve them.
            An environment stays with one, as their editions cannot be compared.
        time_zone: Time zone of the schedules, and of the dates of runs.
        customers_per_item: Number of customers of an item.
        rules_per_item: Number of rules of an item; 0 for all.
        timing: Timeouts and retries.
        invoke_concurrency: Maximum number of concurrent invoke functions.
        parts_at_once: Maximum number of parts of a night that are done at the same time. An account
            has at most 1,000 functions at work at first, of which those of the day need some.
        engine_floor: Minimum number of engines.
        engine_ceiling: Maximum number of engines.
        items_per_engine: Number of waiting items for each running engine above which more engines
            are started.
        relay_tasks: Number of relays.
        feed_tasks: Number of tasks of the service of feeds.
        feed_months: Months for which events and views of feeds are kept.
        feed_requests: Requests for feeds a second above which the gateway refuses further ones.
        deliver_hours: Hours of the day, in the time zone, at a quarter past which people and apps
            are told what is new. If there are none, nobody is told, and the network has no way out.
        database_units: Minimum and maximum of Aurora capacity units; a unit has about 2 GiB.
        readers: Number of read replicas of the database.
        warm_reads: Read units a second that the table of results provides from the start.
        warm_writes: Write units a second that the table of results provides from the start.
        keep: Whether data are kept when their stack is deleted.
        monthly_budget: Cost in US dollars a month above which an alarm is sent.
        whole_by: Time of the day, in the time zone, at which a scheduled run should have ended.
        consent: Consent that the files' new customers have given: its first day, the first day
            after it, and a jurisdiction for those whose country is not known. If None, new
            customers are not evaluated until a consent of theirs is recorded.
        collector: Address of a collector of OpenTelemetry inside the network, such as
            http://10.0.0.9:4318, which gets traces; None for no traces.
        traced: Share of the pages of a run whose traces are recorded.
    """

    name: str
    account: str | None = None
    region: str = "eu-west-1"
    zones: tuple[str, ...] = ("eu-west-1a", "eu-west-1b")
    schedule: str | None = None
    publish_schedule: str | None = None
    definitions: Literal["bucket", "database"] = "bucket"
    time_zone: str = "Europe/London"
    customers_per_item: int = 25
    rules_per_item: int = 0
    timing: Timing = field(default_factory=Timing)
    invoke_concurrency: int = 50
    parts_at_once: int = 50
    engine_floor: int = 1
    engine_ceiling: int = 4
    items_per_engine: int = 2_000
    relay_tasks: int = 1
    feed_tasks: int = 1
    feed_months: int = 13
    feed_requests: int = 100
    deliver_hours: tuple[int, ...] = ()
    database_units: tuple[float, float] = (0.5, 4)
    readers: int = 0
    warm_reads: int = 12_000
    warm_writes: int = 4_000
    keep: bool = True
    monthly_budget: int = 300
    whole_by: str = "06:00:00"
    consent: tuple[str, str, str] | None = None
    collector: str | None = None
    traced: float = 0.01

    @property
    def tracing(self) -> dict[str, str]:
        """Environment variables with which functions and services send traces, if they do."""
        if self.collector is None:
            return {}
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self.traced),
        }


ENVIRONMENTS: Final[Mapping[str, Environment]] = MappingProxyType(
    {
        "dev": Environment(name="dev", keep=False, monthly_budget=400),
        "staging": Environment(
            name="staging",
            schedule="cron(0 3 * * ? *)",
            publish_schedule="cron(0 2 * * ? *)",
            engine_floor=2,
            relay_tasks=2,
            feed_tasks=2,
            feed_requests=500,
            deliver_hours=(8, 12, 16, 20),
            monthly_budget=800,
        ),
        "prod": Environment(
            name="prod",
            schedule="cron(0 2 * * ? *)",
            publish_schedule="cron(0 0 * * ? *)",
            invoke_concurrency=200,
            parts_at_once=500,
            engine_floor=2,
            engine_ceiling=20,
            relay_tasks=3,
            feed_tasks=3,
            feed_requests=2_000,
            deliver_hours=(8, 12, 16, 20),
            database_units=(1, 32),
            readers=1,
            warm_reads=40_000,
            warm_writes=20_000,
            monthly_budget=2_000,
        ),
        # The emulator and two engines on one machine, where engines that do not answer, and items
        # that they refuse, are seen within seconds.
        "local": Environment(
            name="local",
            account="000000000000",
            definitions="database",
            schedule="cron(0 2 * * ? *)",
            timing=Timing(invoke=20, tries=3, engine=4.0, longest_wait=0.4, margin=1.0),
            whole_by="00:00:00",
            consent=("2026-01-01", "2099-01-01", "GB"),
            invoke_concurrency=4,
            parts_at_once=2,
            keep=False,
        ),
    }
)
