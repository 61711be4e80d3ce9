"""The messages, calls and processor seconds of a run, depending on how it is split.

They follow from the measured work of a run and from the settings of an environment.
"""

import math
from typing import Final, NamedTuple

from tuppence.capacity.environments import FUNCTION_MEMORY, MESSAGES_PER_CALL, Environment
from tuppence.capacity.tables import Work
from tuppence.usecases.fleet.messages import CUSTOMERS_PER_PAGE, PAGES_AT_ONCE

FUNCTION_CPU: Final = FUNCTION_MEMORY / 1_769
"""Processors of a function: AWS gives it one for every 1,769 MB of memory,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html."""
CALL_SECONDS: Final = 0.01
"""Duration of a request of a function to a queue or a table. An assumption."""
READ_BYTES: Final = 4_096
"""Bytes of a read unit of DynamoDB."""


class Load(NamedTuple):
    """The load of a fleet.

    Attributes:
        customers: Number of customers.
        rules: Number of rules.
        runs_per_day: Number of runs a day, such as 0.5.
    """

    customers: int
    rules: int
    runs_per_day: float


class Shape(NamedTuple):
    """The division of a run into items, and the share of results that it writes.

    Attributes:
        customers_per_item: Number of customers of an item.
        rules_per_item: Number of rules of an item; 0 for all.
        written: Share of the results that is written.
        compared: Whether stored results are read first, to write only those that changed.
    """

    customers_per_item: int
    rules_per_item: int
    written: float
    compared: bool


PUBLISHED: Final = Shape(1, 1, 1.0, compared=False)
"""One request for each customer and rule, one write for each evaluation: the shape of the published
system that this one follows."""


class Run(NamedTuple):
    """The quantities of one run of a shape.

    Attributes:
        pages: Messages of the customer queue.
        items: Messages of the invoke queue.
        visits: Number of times that a customer's facts are read, in all items.
        evaluations: Customers × rules.
        writes: Results that are written.
        reads: Read units of the table of results.
        engine_seconds: Seconds of one processor for the engines.
        relay_seconds: Seconds of one processor for the relay.
        database_seconds: Seconds of one processor for the database.
        calls: Calls of functions.
        function_seconds: Total duration of all calls of functions.
    """

    pages: int
    items: int
    visits: int
    evaluations: int
    writes: float
    reads: float
    engine_seconds: float
    relay_seconds: float
    database_seconds: float
    calls: float
    function_seconds: float


def our_shape(environment: Environment, work: Work) -> Shape:
    """Return the shape of an environment's runs, which write only changed results."""
    written = work.results.writes_by_rule
    return Shape(environment.customers_per_item, environment.rules_per_item, written, compared=True)


def run_of(environment: Environment, work: Work, load: Load, shape: Shape) -> Run:
    """Return the quantities of one run.

    A function waits for its engine. When all functions are busy, each engine works on several
    requests at once, and each of them takes that many times longer.
    """
    groups = math.ceil(load.rules / (shape.rules_per_item or load.rules))
    pages = math.ceil(load.customers / CUSTOMERS_PER_PAGE)
    items = math.ceil(load.customers / shape.customers_per_item) * groups
    visits = load.customers * groups
    evaluations = load.customers * load.rules
    writes = evaluations * shape.written
    units = math.ceil(load.rules * work.results.bytes_by_item / READ_BYTES)
    engine = work.engine.seconds(items, visits, evaluations)
    engine += writes * work.results.seconds_by_write
    at_once = max(1.0, environment.invoke_concurrency / environment.engine_ceiling)
    functions = work.functions
    processor = (
        pages * (functions.seconds_by_listed_page + functions.seconds_by_cut_page)
        + items * functions.seconds_by_item
    ) / FUNCTION_CPU
    requests = pages * (3 / PAGES_AT_ONCE + 1) + items * (1 / MESSAGES_PER_CALL + 1)
    return Run(
        pages=pages,
        items=items,
        visits=visits,
        evaluations=evaluations,
        writes=writes,
        reads=visits * units * shape.compared,
        engine_seconds=engine,
        relay_seconds=work.relay.seconds(items, visits, 0),
        database_seconds=work.database.seconds(items, visits, 0),
        calls=1 + (pages + items) / MESSAGES_PER_CALL,
        function_seconds=processor + requests * CALL_SECONDS + engine * at_once,
    )
