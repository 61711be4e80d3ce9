"""The monthly cost of a fleet by component, each with a formula, a quantity and a price.

Components that grow with the number of customers follow from the measured work of a run, and from
how the environment splits it. The others follow from what the environment keeps running.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from tuppence.capacity.environments import (
    ENGINE_TASK,
    FUNCTION_MEMORY,
    MESSAGES_PER_CALL,
    RELAY_TASK,
    Environment,
    TaskSize,
)
from tuppence.capacity.run import PUBLISHED, READ_BYTES, Load, Run, Shape, our_shape, run_of
from tuppence.capacity.tables import Prices, Work
from tuppence.usecases.fleet.messages import CUSTOMERS_PER_PAGE, PAGES_AT_ONCE

DAYS: Final = 365.25 / 12
"""Days of a month."""
HOURS: Final = 24 * DAYS
"""Hours of a month."""
BUSY: Final = 0.7
"""Utilization of the processors that are started for a run. An assumption."""
UNIT_CPU: Final = 0.25
"""Processors of an Aurora capacity unit, which has 2 GiB of memory: as many as instances of class r
have for the same memory. An assumption, since AWS does not publish it."""
WRITE_BYTES: Final = 1_024
"""Bytes of a write unit of DynamoDB."""
OVERHEAD_BYTES: Final = 100
"""Bytes that DynamoDB adds to each stored item."""
NAME_BYTES: Final = 12
"""Bytes of a customer's identifier in the ledger."""
MESSAGE_BYTES: Final = 1_000
"""Bytes of a message of a queue. An assumption."""
LOG_BYTES: Final = 5_000
"""Bytes of logs and metrics for each call of a function: a line for each of ten messages, the
metrics, and three lines of AWS. An assumption."""
ENDPOINTS: Final = 7
"""Number of VPC endpoints in the templates."""
SECRETS: Final = 6
"""Number of secrets in the templates, without those of feeds."""
ALARMS: Final = 41
"""Number of alarms in the templates, without those of feeds."""
METRICS: Final = 20
"""Number of metrics that the functions write."""
SERVICE_METRICS: Final = 21
"""Number of metrics that engines and relays write to their logs."""
INSIGHTS: Final = 63
"""Number of metrics that Container Insights writes all the time: ten of the cluster, of each of two
services and of their task definitions, five more of each service and three of the cluster:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html."""
GB: Final = 1e9


class Line(NamedTuple):
    """A line of the monthly bill.

    Attributes:
        component: Name of the component.
        formula: Formula of the quantity, with its figures.
        quantity: Number of units a month.
        unit: Name of the unit.
        usd_each: Price of a unit in US dollars.
    """

    component: str
    formula: str
    quantity: float
    unit: str
    usd_each: float

    @property
    def usd(self) -> float:
        """Cost in US dollars a month."""
        return self.quantity * self.usd_each


def monthly(
    environment: Environment, prices: Prices, work: Work, load: Load, shape: Shape
) -> Iterator[Line]:
    """Yield the lines of a monthly bill: the same components in the same order for every shape.

    The bill excludes loading bank data, traffic between zones, logs of Container Insights,
    requests to keys, secrets and buckets, traces, backups of the database, support and taxes.
    """
    run = run_of(environment, work, load, shape)
    runs = load.runs_per_day * DAYS
    at = f"{runs:,.0f} runs"
    yield from _services(environment, prices, run, runs)
    yield from _database(environment, prices, work, load, run, runs)
    seconds, calls = run.function_seconds * runs, run.calls * runs
    gb_seconds = seconds * FUNCTION_MEMORY / 1_024
    yield Line(
        "functions, time",
        f"{run.function_seconds:,.0f} s a run x {FUNCTION_MEMORY} MB x {at}",
        gb_seconds,
        "GB-seconds",
        prices.of("lambda_gb_second"),
    )
    yield millions(
        "functions, calls",
        f"({run.pages:,} pages + {run.items:,} items) / {MESSAGES_PER_CALL} x {at}",
        calls,
        "calls",
        prices.of("lambda_million_calls"),
    )
    requests = 3 / MESSAGES_PER_CALL
    sent = f"(send, receive, delete) / {MESSAGES_PER_CALL} x {at}"
    yield millions(
        "queue of customers",
        f"{run.pages:,} pages x {sent}",
        run.pages * requests * runs,
        "requests",
        prices.of("sqs_million_standard"),
    )
    yield millions(
        "queue of items",
        f"{run.items:,} items x {sent}",
        run.items * requests * runs,
        "requests",
        prices.of("sqs_million_fifo"),
    )
    yield from _tables(prices, work, shape, run, runs)
    yield from _network(environment, prices, work, run, runs)
    yield Line("logs", f"{calls:,.0f} calls x {LOG_BYTES:,} B", calls * LOG_BYTES / GB, "GB",
               prices.of("log_gb"))  # fmt: skip
    yield Line(
        "alarms, dashboard, metrics",
        f"{ALARMS} alarms, 1 dashboard, {METRICS + SERVICE_METRICS} metrics",
        1,
        "month",
        ALARMS * prices.of("alarm_month")
        + prices.of("dashboard_month")
        + (METRICS + SERVICE_METRICS) * prices.of("metric_month"),
    )
    yield Line(
        "Container Insights",
        f"{INSIGHTS} metrics",
        1,
        "month",
        INSIGHTS * prices.of("metric_month"),
    )
    kept = SECRETS * prices.of("secret_month") + prices.of("key_month")
    yield Line("secrets, key", f"{SECRETS} secrets, 1 key", 1, "month", kept)


class Estimate(NamedTuple):
    """The cost of a load in an environment.

    Attributes:
        environment: The environment.
        prices: The prices used.
        work: The measured work used.
        load: The load.
        ours: Lines of the monthly bill.
        published: Lines for the published shape, with the same components.
        first_run: Additional cost in US dollars of the first run, which writes every result.
    """

    environment: Environment
    prices: Prices
    work: Work
    load: Load
    ours: tuple[Line, ...]
    published: tuple[Line, ...]
    first_run: float

    @property
    def usd(self) -> float:
        """Cost in US dollars a month."""
        return sum(line.usd for line in self.ours)

    @property
    def published_usd(self) -> float:
        """Cost of the published shape in US dollars a month."""
        return sum(line.usd for line in self.published)


def estimate(environment: Environment, prices: Prices, work: Work, load: Load) -> Estimate:
    """Return the cost of a load, and of the published shape with the same prices and work."""
    shape = our_shape(environment, work)
    additional = work.results.writes_by_rule_on_a_first_night - shape.written
    units_each = math.ceil(work.results.bytes_by_item / WRITE_BYTES)
    units = load.customers * load.rules * additional * units_each
    return Estimate(
        environment,
        prices,
        work,
        load,
        tuple(monthly(environment, prices, work, load, shape)),
        tuple(monthly(environment, prices, work, load, PUBLISHED)),
        units / 1e6 * prices.of("dynamodb_million_writes"),
    )


def _services(environment: Environment, prices: Prices, run: Run, runs: float) -> Iterator[Line]:
    floor = environment.engine_floor
    work = run.engine_seconds / (ENGINE_TASK.cpu / 1_024) / BUSY / 3_600
    yield Line(
        "engines",
        f"{floor} x {HOURS:,.0f} h + {work:,.2f} h a run x {runs:,.0f} runs",
        floor * HOURS + work * runs,
        "task-hours",
        task_hour(prices, ENGINE_TASK),
    )
    work = run.relay_seconds / (RELAY_TASK.cpu / 1_024) / BUSY / 3_600
    always = environment.relay_tasks * HOURS
    yield Line(
        "relay",
        f"the larger of {environment.relay_tasks} x {HOURS:,.0f} h and {work:,.2f} h a run",
        max(always, work * runs),
        "task-hours",
        task_hour(prices, RELAY_TASK),
    )


def task_hour(prices: Prices, size: TaskSize) -> float:
    """Return the price of an hour of a task in US dollars."""
    cpu = size.cpu / 1_024 * prices.of("fargate_cpu_hour")
    return cpu + size.memory / 1_024 * prices.of("fargate_gb_hour")


def _database(
    environment: Environment, prices: Prices, work: Work, load: Load, run: Run, runs: float
) -> Iterator[Line]:
    instances = 1 + environment.readers
    least = environment.database_units[0]
    units = run.database_seconds / UNIT_CPU / BUSY / 3_600
    yield Line(
        "database",
        f"{instances} x {least:g} units x {HOURS:,.0f} h + {units:,.2f} h a run x {runs:,.0f} runs",
        instances * least * HOURS + units * runs,
        "unit-hours",
        prices.of("aurora_acu_hour"),
    )
    pages = work.database.pages_by_customer
    yield millions(
        "database, pages",
        f"{run.visits:,} visits x {pages:,.0f} pages x {runs:,.0f} runs, none in memory",
        run.visits * pages * runs,
        "pages",
        prices.of("aurora_million_pages"),
    )
    kept = work.database.bytes_by_customer
    yield Line(
        "database, storage",
        f"{load.customers:,} customers x {kept / 1_000:,.0f} kB",
        load.customers * kept / GB,
        "GB",
        prices.of("aurora_gb_month"),
    )


def _tables(prices: Prices, work: Work, shape: Shape, run: Run, runs: float) -> Iterator[Line]:
    size = work.results.bytes_by_item
    units = math.ceil(size / WRITE_BYTES)
    write, read = prices.of("dynamodb_million_writes"), prices.of("dynamodb_million_reads")
    yield millions(
        "results, writes",
        f"{run.evaluations:,} results x {shape.written:.1%} written x {runs:,.0f} runs",
        run.writes * units * runs,
        "units",
        write,
    )
    yield millions(
        "results, reads",
        f"{run.reads:,.0f} units of {READ_BYTES // 1_024} kB x {runs:,.0f} runs",
        run.reads * runs,
        "units",
        read,
    )
    yield Line(
        "results, storage",
        f"{run.evaluations:,} results x ({size:.0f} + {OVERHEAD_BYTES}) B, and as back-up",
        run.evaluations * (size + OVERHEAD_BYTES) / GB,
        "GB",
        prices.of("dynamodb_gb_month") + prices.of("dynamodb_backup_gb_month"),
    )
    listed = (
        math.ceil(CUSTOMERS_PER_PAGE * PAGES_AT_ONCE * NAME_BYTES / WRITE_BYTES) / PAGES_AT_ONCE
    )
    yield millions(
        "ledger, writes",
        f"({run.pages:,} pages x {1 + listed:.1f} + {run.items:,} items) x {runs:,.0f} runs",
        (run.pages * (1 + listed) + run.items) * runs,
        "units",
        write,
    )
    yield millions(
        "ledger, reads",
        f"{run.items:,} items / {MESSAGES_PER_CALL} x {runs:,.0f} runs",
        run.items / MESSAGES_PER_CALL * runs,
        "units",
        read,
    )


def _network(
    environment: Environment, prices: Prices, work: Work, run: Run, runs: float
) -> Iterator[Line]:
    facts = work.facts.bytes_by_customer
    yield Line("load balancer", f"{HOURS:,.0f} h", HOURS, "hours", prices.of("balancer_hour"))
    yield Line(
        "load balancer, traffic",
        f"{run.visits:,} visits x {facts / 1_000:,.0f} kB x {runs:,.0f} runs",
        run.visits * facts * runs / GB,
        "GB",
        prices.of("balancer_unit_hour"),
    )
    zones = len(environment.zones)
    yield Line(
        "endpoints",
        f"{ENDPOINTS} endpoints x {zones} zones x {HOURS:,.0f} h",
        ENDPOINTS * zones * HOURS,
        "hours",
        prices.of("endpoint_hour"),
    )
    messages = (run.pages + run.items) * 2 * MESSAGE_BYTES + run.calls * LOG_BYTES
    yield Line(
        "endpoints, traffic",
        f"{messages / GB:,.2f} GB of messages and logs x {runs:,.0f} runs",
        messages / GB * runs,
        "GB",
        prices.of("endpoint_gb"),
    )


def millions(component: str, formula: str, quantity: float, unit: str, usd: float) -> Line:
    """Return a line whose quantity is counted in millions."""
    return Line(component, formula, quantity / 1e6, f"M {unit}", usd)
