"""The quotas of an AWS account that a fleet needs, by the names that Service Quotas gives them.

New accounts have less, and AWS raises a quota within hours or days of a request:
https://docs.aws.amazon.com/servicequotas/latest/userguide/request-quota-increase.html.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from tuppence.capacity.environments import (
    DELIVER_TASK,
    ENGINE_TASK,
    FEED_TASK,
    RELAY_TASK,
    RULE_CONCURRENCY,
    TAKE_IN_TASK,
    Environment,
)

OTHER_FUNCTIONS: Final = 5
"""Number of functions that run one at a time."""


class Quota(NamedTuple):
    """A quota, and how much of it an environment needs.

    Attributes:
        service: The AWS service.
        name: Name of the quota.
        needed: The least value with which the environment works as it is configured.
        why: The calculation of that value.
    """

    service: str
    name: str
    needed: int
    why: str


def quotas(environment: Environment) -> Iterator[Quota]:
    """Yield the quotas that an environment needs."""
    engines, relays = environment.engine_ceiling, environment.relay_tasks
    feeds = environment.feed_tasks
    cpu = engines * ENGINE_TASK.cpu + relays * RELAY_TASK.cpu + feeds * FEED_TASK.cpu
    others = TAKE_IN_TASK.cpu + (DELIVER_TASK.cpu if environment.deliver_hours else 0)
    running = cpu / 1_024
    yield Quota(
        "Fargate",
        "Fargate On-Demand vCPU resource count",
        math.ceil(2 * running + others / 1_024),
        f"engines {engines}, relays {relays}, feeds {feeds}, twice while they are replaced; "
        + ("two other tasks" if environment.deliver_hours else "one other task"),
    )
    yield Quota(
        "Lambda",
        "Concurrent executions",
        environment.invoke_concurrency
        + environment.parts_at_once
        + RULE_CONCURRENCY
        + OTHER_FUNCTIONS,
        f"{environment.invoke_concurrency} of invoke, {environment.parts_at_once} of part, "
        f"{RULE_CONCURRENCY} of rule, {OTHER_FUNCTIONS} of the others",
    )
    for kind, units in (("read", environment.warm_reads), ("write", environment.warm_writes)):
        yield Quota(
            "DynamoDB",
            f"Table-level {kind} throughput limit",
            units,
            "the table of results provides it from the start",
        )
