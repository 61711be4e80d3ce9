"""The monthly cost of serving feeds on AWS, which a run's does not contain.

It depends on how often people look, which nobody can measure before there are people. The figures
here are assumptions; change them to yours.
"""

from collections.abc import Iterator
from typing import Final

from tuppence.capacity.cost import DAYS, GB, HOURS, Line, millions, task_hour
from tuppence.capacity.environments import DELIVER_TASK, FEED_TASK, Environment
from tuppence.capacity.tables import Prices

VISITS: Final = 30
"""Visits of a customer a month. An assumption."""
REQUESTS: Final = 2
"""Requests of a visit: one for the feed, one with a batch of events. An assumption."""
EVENTS: Final = 3
"""Events of a visit, each of another item. An assumption."""
EVENT_BYTES: Final = 350
"""Bytes of a stored event. An assumption."""
VIEW_BYTES: Final = 2_000
"""Bytes of a stored view. An assumption."""
STATE_BYTES: Final = 600
"""Bytes of a stored state. An assumption."""
STATES: Final = 50
"""Number of states of a customer. An assumption."""
VIEW_UNITS: Final = 2
"""Write units of a view, of 1 kB each."""
LOGGED: Final = 2
"""Items of a visit in the index of the log: the view, and a click. An assumption."""
WRITES: Final = 1 + 2 * (1 + EVENTS + EVENTS + VIEW_UNITS) + LOGGED
"""Write units of a batch: the lock, a transaction, which costs double, that ends the lock and
writes a view, and an event and a state for each item, and the index of the log."""
RESULT_READS: Final = 3
"""Read units of a customer's results: 12 kB, read consistently."""
STATE_READS: Final = 8
"""Read units of a customer's states: 30 kB, read consistently."""
READS: Final = REQUESTS * (STATE_READS + 1) + RESULT_READS
"""Read units of a visit: states and withdrawals for each request, and results for the feed."""
SECRETS: Final = 3
"""Number of secrets of feeds in the templates."""
ALARMS: Final = 4
"""Number of alarms of feeds in the templates."""
INSIGHTS: Final = 25
"""Number of metrics that Container Insights writes of the service, as in the bill of a run."""
RULES: Final = 4
"""Number of rules of the web ACL in the templates."""
METRICS: Final = 6
"""Number of metrics that the service writes to its log."""


DELIVER_ALARMS: Final = 1
DELIVER_SECRETS: Final = 3
"""Numbers of alarms and secrets of deliveries in the templates."""
DELIVER_SECONDS: Final = 0.0015
"""Processor seconds of a feed that is built to see whether anything is new, as measured for the
service of feeds."""
DELIVER_START: Final = 60
"""Seconds of a task until it begins its work. An assumption."""
DELIVERIES: Final = 4
"""Deliveries to a customer a month. An assumption."""
DELIVERY_BYTES: Final = 10_000
"""Bytes of a delivery on its way out. An assumption."""


def feed_monthly(environment: Environment, prices: Prices, customers: int) -> Iterator[Line]:
    """Yield the lines of a monthly bill for feeds.

    Args:
        environment: The environment.
        prices: The prices.
        customers: Number of customers.
    """
    visits = customers * VISITS
    tasks = environment.feed_tasks
    yield Line(
        "feed",
        f"{tasks} x {HOURS:,.0f} h",
        tasks * HOURS,
        "task-hours",
        task_hour(prices, FEED_TASK),
    )
    at = f"{customers:,} customers x {VISITS} visits"
    requests = visits * REQUESTS
    yield millions(
        "gateway",
        f"{at} x {REQUESTS}",
        requests,
        "requests",
        prices.of("gateway_million_requests"),
    )
    kept = prices.of("acl_month") + RULES * prices.of("acl_rule_month")
    yield Line("web ACL", f"1 list, {RULES} rules", 1, "month", kept)
    yield millions(
        "web ACL, requests",
        f"{at} x {REQUESTS}",
        requests,
        "requests",
        prices.of("acl_million_requests"),
    )
    watched = (
        ALARMS * prices.of("alarm_month")
        + (INSIGHTS + METRICS) * prices.of("metric_month")
        + SECRETS * prices.of("secret_month")
    )
    formula = f"{ALARMS} alarms, {INSIGHTS + METRICS} metrics, {SECRETS} secrets"
    yield Line("alarms, metrics, secrets", formula, 1, "month", watched)
    yield millions(
        "feeds, writes",
        f"{at} x {WRITES} units",
        visits * WRITES,
        "units",
        prices.of("dynamodb_million_writes"),
    )
    yield millions(
        "feeds, reads",
        f"{at} x {READS} units",
        visits * READS,
        "units",
        prices.of("dynamodb_million_reads"),
    )
    if environment.deliver_hours:
        yield from _deliveries(environment, prices, customers)
    a_visit = EVENTS * EVENT_BYTES + VIEW_BYTES
    year = 12 * VISITS * a_visit + STATES * STATE_BYTES
    yield Line(
        "feeds, storage after a year",
        f"{customers:,} customers x {year / 1_000:,.0f} kB, and as back-up",
        customers * year / GB,
        "GB",
        prices.of("dynamodb_gb_month") + prices.of("dynamodb_backup_gb_month"),
    )


def _deliveries(environment: Environment, prices: Prices, customers: int) -> Iterator[Line]:
    """Yield the lines of telling people what is new."""
    calls = len(environment.deliver_hours) * DAYS
    seconds = DELIVER_START + customers * DELIVER_SECONDS / (DELIVER_TASK.cpu / 1_024)
    yield Line(
        "deliver",
        f"{calls:,.0f} calls x {seconds / 60:,.0f} min",
        calls * seconds / 3_600,
        "task-hours",
        task_hour(prices, DELIVER_TASK),
    )
    units = RESULT_READS + STATE_READS + 1
    yield millions(
        "deliver, reads",
        f"{customers:,} customers x {units} units x {calls:,.0f} calls",
        customers * units * calls,
        "units",
        prices.of("dynamodb_million_reads"),
    )
    yield Line("way out", f"{HOURS:,.0f} h", HOURS, "hours", prices.of("nat_hour"))
    yield Line(
        "way out, traffic",
        f"{customers:,} customers x {DELIVERIES} x {DELIVERY_BYTES / 1_000:,.0f} kB",
        customers * DELIVERIES * DELIVERY_BYTES / GB,
        "GB",
        prices.of("nat_gb"),
    )
    yield Line(
        "deliver, alarm, secrets",
        f"{DELIVER_ALARMS} alarm, {DELIVER_SECRETS} secrets",
        1,
        "month",
        DELIVER_ALARMS * prices.of("alarm_month") + DELIVER_SECRETS * prices.of("secret_month"),
    )
