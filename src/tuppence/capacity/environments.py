"""What differs between the environments; everything else is the same in all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tuppence.capacity.timing import Timing


@dataclass(frozen=True)
class TaskSize:
    """Of a task on Fargate.

    Attributes:
        cpu: In 1/1024 of a processor.
        memory: In MiB.
    """

    cpu: int
    memory: int


ENGINE_TASK: Final = TaskSize(1_024, 2_048)
RELAY_TASK: Final = TaskSize(512, 1_024)
FUNCTION_MEMORY: Final = 512
"""Of the functions of a run, in MiB."""
MESSAGES_PER_CALL: Final = 10
"""A function takes so many messages at most: SQS gives no more of a FIFO queue at a time."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One copy of the whole.

    Attributes:
        name: Begins the names of its stacks.
        account: AWS account; left out, the stacks fit any account.
        region: AWS region.
        zones: Availability zones.
        schedule: When the nightly run begins, a cron of EventBridge; none for runs by hand only.
        publish_schedule: When what is approved is published; besides when it is approved.
        time_zone: Of the schedules, and of the days that runs are named by.
        customers_per_item: How many customers travel as one message.
        rules_per_item: How many rules; all where it is 0.
        timing: Time-outs and tries.
        invoke_concurrency: Invoke functions at the same time, at most.
        engine_floor: Engines that run when there is nothing to do.
        engine_ceiling: And at most.
        items_per_engine: Waiting items for each running engine that have more engines started.
        relay_tasks: Copies of the relay.
        database_units: Aurora capacity units, at least and at most; a unit is about 2 GiB.
        readers: Read replicas of the database.
        warm_reads: Reads a second that the table of results takes at once.
        warm_writes: Likewise, writes.
        keep: Whether data outlast their stack.
        monthly_budget: US dollars, beyond which somebody is told.
        run_hours: A run that is not whole after so many hours is late.
    """

    name: str
    account: str | None = None
    region: str = "eu-west-1"
    zones: tuple[str, ...] = ("eu-west-1a", "eu-west-1b")
    schedule: str | None = None
    publish_schedule: str | None = None
    time_zone: str = "Europe/London"
    customers_per_item: int = 1
    rules_per_item: int = 0
    timing: Timing = field(default_factory=Timing)
    invoke_concurrency: int = 50
    engine_floor: int = 1
    engine_ceiling: int = 4
    items_per_engine: int = 2_000
    relay_tasks: int = 1
    database_units: tuple[float, float] = (0.5, 4)
    readers: int = 0
    warm_reads: int = 12_000
    warm_writes: int = 4_000
    keep: bool = True
    monthly_budget: int = 300
    run_hours: int = 4


ENVIRONMENTS: Final[Mapping[str, Environment]] = MappingProxyType(
    {
        "dev": Environment(name="dev", keep=False, monthly_budget=400),
        "staging": Environment(
            name="staging",
            schedule="cron(0 3 * * ? *)",
            publish_schedule="cron(0 2 * * ? *)",
            engine_floor=2,
            relay_tasks=2,
            monthly_budget=800,
        ),
        "prod": Environment(
            name="prod",
            schedule="cron(0 1 * * ? *)",
            publish_schedule="cron(0 0 * * ? *)",
            customers_per_item=25,
            invoke_concurrency=200,
            engine_floor=2,
            engine_ceiling=20,
            relay_tasks=3,
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
            schedule="cron(0 1 * * ? *)",
            timing=Timing(invoke=20, tries=3, engine=4.0, longest_wait=0.4, margin=1.0),
            invoke_concurrency=4,
            keep=False,
        ),
    }
)
