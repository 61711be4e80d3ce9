"""Simulates one run of the fleet by discrete events.

    lister -> queue of pages -> rule function -> queue of items -> invoke functions
           -> engines -> relay -> database, and the table of results

Everything is counted in calls of the invoke function, each with a batch of items that it does one
after another. Processor times are measured (`tuppence.capacity.tables.Work`), sizes are those of an
environment, and the rest is what AWS documents (`Limits`). Random numbers come from a seed.
"""

import math
import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import simpy

from tuppence.capacity.cost import UNIT_CPU, WRITE_BYTES
from tuppence.capacity.environments import (
    ENGINE_TASK,
    MESSAGES_PER_CALL,
    RELAY_TASK,
    Environment,
)
from tuppence.capacity.run import CALL_SECONDS, FUNCTION_CPU, READ_BYTES
from tuppence.capacity.tables import Work
from tuppence.usecases.fleet.messages import CUSTOMERS_PER_PAGE, PAGES_AT_ONCE

MINUTE: Final = 60.0
RULE_CALLS: Final = 20
"""Number of rule functions at the same time, as in the template."""
COOLDOWN: Final = 120.0
"""Seconds between two changes of the number of engines, as in the template."""
ENOUGH: Final = 0.75
"""Share of use below which a part does not limit a run, which then waits for engines to start."""
STARTING: Final = "start of engines"
LISTING_WRITES: Final = 12
"""Write units in the ledger for the record of a run, which names the customers of ten pages."""
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Quotas of an AWS account that has not asked for more.

    Attributes:
        functions: Functions at the same time, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
        functions_at_first: A queue's first calls, and how many more every minute,
            https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html.
        functions_by_minute: Further calls each minute; see there.
        queue_requests: Requests of one kind a second to a FIFO queue of high throughput,
            https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html.
        table_units: Reads and writes a second of one table,
            https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html.
        table_writes_at_first: Writes a second of a table without warm throughput, as the ledger,
            https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html.
        tasks_by_minute: Tasks that a service starts in a minute,
            https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html.
        task_seconds: Seconds until a started task takes requests. An assumption.
        metric_seconds: Seconds until a queue's length reaches the scaling policy. An assumption.
        unit_seconds: Seconds in which a busy database doubles its units. An assumption.
    """

    functions: int = 1_000
    functions_at_first: int = 5
    functions_by_minute: int = 300
    queue_requests: float = 70_000
    table_units: float = 40_000
    table_writes_at_first: float = 4_000
    tasks_by_minute: int = 500
    task_seconds: float = 90
    metric_seconds: float = 90
    unit_seconds: float = 30


class Moment(NamedTuple):
    """The state at one minute of a run."""

    minute: float
    waiting: int
    done: int
    engines: float
    functions: int


class Outcome(NamedTuple):
    """The outcome of a run.

    Attributes:
        seconds: Seconds from the schedule to the last item.
        listed: Seconds until every customer was on a page.
        items: Number of items done.
        busy: Share of its capacity that each part used, during the middle four fifths of the items.
        moments: The state at each minute.
    """

    seconds: float
    listed: float
    items: int
    busy: dict[str, float]
    moments: tuple[Moment, ...]

    @property
    def limit(self) -> str:
        """The part that used most of its capacity, or STARTING if none was used enough."""
        busiest = max(self.busy, key=self.busy.__getitem__)
        return busiest if self.busy[busiest] > ENOUGH else STARTING


class Part:
    """A resource with a capacity a second, which serves requests in order."""

    def __init__(self, env: simpy.Environment, by_second: float, most: float | None = None) -> None:
        self._env = env
        self._free_at = 0.0
        self.by_second = by_second
        self.most = most or by_second
        self.did = 0.0

    def do(self, amount: float, at_least: float = 0.0) -> Process:
        """Do an amount of work, which takes some seconds at least, even if nothing else waits."""
        now = self._env.now
        self._free_at = max(self._free_at, now) + amount / self.by_second
        yield self._env.timeout(max(self._free_at - now, at_least))
        self.did += amount

    @property
    def behind(self) -> float:
        """Return the seconds of work that wait."""
        return max(0.0, self._free_at - self._env.now)


class Model:
    """A run being simulated.

    Args:
        environment: The sizes of the environment.
        work: The measured work.
        limits: Quotas of AWS.
        customers: Number of customers.
        rules: Number of rules.
        listers: Number of parts, by prefix, in which customers are listed.
        seed: Seed of all random numbers.
    """

    def __init__(
        self,
        environment: Environment,
        work: Work,
        limits: Limits,
        customers: int,
        rules: int,
        listers: int,
        seed: int,
    ) -> None:
        self._environment = environment
        self._work = work
        self._limits = limits
        self._customers = customers
        self._rules = rules
        self._listers = listers
        self._random = random.Random(seed)  # noqa: S311 - repeatable
        self._env = env = simpy.Environment()
        self._pages = simpy.Store(env)
        self._batches = simpy.Store(env)
        self._together = environment.customers_per_item
        self._items = math.ceil(customers / self._together)
        self._unlisted = math.ceil(customers / CUSTOMERS_PER_PAGE)
        self._made = self._over = self._done = self._running = 0
        self._listed = 0.0
        self._marks: list[tuple[float, dict[str, float]]] = []
        self._moments: list[Moment] = []
        self._finished = env.event()
        cpu = {"engine": ENGINE_TASK.cpu / 1_024, "relay": RELAY_TASK.cpu / 1_024}
        least, most = (units * UNIT_CPU for units in environment.database_units)
        instances = max(1, environment.readers)
        table = limits.table_units
        self._engine_cpu = cpu["engine"]
        self.parts = {
            "listers": Part(env, listers),
            "functions": Part(env, min(environment.invoke_concurrency, limits.functions)),
            "engines": Part(
                env,
                environment.engine_floor * cpu["engine"],
                environment.engine_ceiling * cpu["engine"],
            ),
            "relay": Part(env, environment.relay_tasks * cpu["relay"]),
            "database": Part(env, instances * least, instances * most),
            "queue of items": Part(env, limits.queue_requests),
            "reads of results": Part(env, min(environment.warm_reads, table)),
            "writes of results": Part(env, min(environment.warm_writes, table)),
            "ledger": Part(env, limits.table_writes_at_first),
        }

    def run(self) -> Outcome:
        """Simulate the run to its end."""
        env = self._env
        for _ in range(self._listers):
            env.process(self._list())
        for _ in range(RULE_CALLS):
            env.process(self._cut())
        env.process(self._begin_functions())
        env.process(self._scale_engines())
        env.process(self._scale_database())
        env.process(self._look())
        env.run(self._finished)
        (began, before), (ended, after) = self._marks
        span = max(ended - began, 1e-9)
        busy = {
            name: (after[name] - before[name]) / (part.most * span)
            for name, part in self.parts.items()
        }
        self._moments.append(self._moment())
        return Outcome(env.now, self._listed, self._done, busy, tuple(self._moments))

    # -- the way of an item ----------------------------------------------------------------------

    def _list(self) -> Process:
        """Put customers on pages: one function, continued in another call when its time is up."""
        by_page = self._work.functions.seconds_by_listed_page / FUNCTION_CPU
        while self._unlisted:
            pages = min(self._unlisted, PAGES_AT_ONCE)
            self._unlisted -= pages
            seconds = pages * by_page + 3 * CALL_SECONDS
            yield from self.parts["listers"].do(seconds, seconds)
            yield from self.parts["ledger"].do(LISTING_WRITES)
            for _ in range(pages):
                yield self._pages.put(None)
        self._listed = self._env.now

    def _cut(self) -> Process:
        """Split pages into items: one of the rule functions."""
        by_page = self._work.functions.seconds_by_cut_page / FUNCTION_CPU
        in_page = math.ceil(CUSTOMERS_PER_PAGE / self._together)
        while True:
            yield self._pages.get()
            items = min(in_page, self._items - self._made)
            self._made += items
            requests = math.ceil(items / MESSAGES_PER_CALL)
            yield self._env.timeout(by_page + (1 + requests) * CALL_SECONDS)
            yield from self.parts["ledger"].do(1)
            yield from self.parts["queue of items"].do(requests)
            self._over += items
            while self._over >= MESSAGES_PER_CALL or (self._over and self._made == self._items):
                batch = min(self._over, MESSAGES_PER_CALL)
                self._over -= batch
                yield self._batches.put(batch)

    def _begin_functions(self) -> Process:
        """Start more functions every minute, as long as there is work for them."""
        most = round(self.parts["functions"].most)
        begun = 0
        more = self._limits.functions_at_first
        while begun < most:
            for _ in range(min(more, most - begun)):
                self._env.process(self._function())
                begun += 1
            more = max(1, round(self._limits.functions_by_minute / MINUTE))
            yield self._env.timeout(1.0)

    def _function(self) -> Process:
        """Process batches: one of the invoke functions."""
        work, parts, together = self._work, self.parts, self._together
        engine, results = work.engine, work.results
        writes = (
            self._rules * results.writes_by_rule * math.ceil(results.bytes_by_item / WRITE_BYTES)
        )
        reads = math.ceil(self._rules * results.bytes_by_item / READ_BYTES)
        own = work.functions.seconds_by_item / FUNCTION_CPU + CALL_SECONDS
        by_item = engine.seconds(1, together, together * self._rules)
        by_item += together * writes * results.seconds_by_write
        while True:
            batch: int = yield self._batches.get()
            self._running += 1
            drawn = sum(self._random.expovariate(1.0) for _ in range(batch))
            customers = batch * together
            yield from parts["queue of items"].do(2)
            yield self._env.timeout(batch * own)
            relay = work.relay.seconds(drawn, drawn * together, 0)
            yield from parts["relay"].do(relay, relay / (RELAY_TASK.cpu / 1_024))
            database = work.database.seconds(drawn, drawn * together, 0)
            yield from parts["database"].do(database, database)
            yield from parts["reads of results"].do(customers * reads)
            seconds = drawn * by_item
            yield from parts["engines"].do(seconds, seconds / self._engine_cpu)
            yield from parts["writes of results"].do(customers * writes)
            yield from parts["ledger"].do(batch)
            parts["functions"].did += batch * own + seconds / self._engine_cpu
            self._running -= 1
            self._finish(batch)

    def _finish(self, batch: int) -> None:
        self._done += batch
        if len(self._marks) < 2 and self._done >= (0.1, 0.9)[len(self._marks)] * self._items:
            self._marks.append((self._env.now, {n: part.did for n, part in self.parts.items()}))
        if self._done == self._items:
            self._finished.succeed()

    # -- scaling ---------------------------------------------------------------------------------

    def _scale_engines(self) -> Process:
        """Change the number of engines by waiting items for each, in the steps of the template."""
        limits, share = self._limits, self._environment.items_per_engine
        floor, ceiling = self._environment.engine_floor, self._environment.engine_ceiling
        tasks = floor
        while True:
            yield self._env.timeout(limits.metric_seconds)
            waiting = self._waiting / tasks
            step = 2.0 if waiting >= 4 * share else 0.5 if waiting >= share else 0.0
            step = -0.5 if waiting < share / 10 else step
            change = math.ceil(abs(step) * tasks) * (1 if step > 0 else -1)
            change = min(change, round(limits.tasks_by_minute * limits.metric_seconds / MINUTE))
            wanted = min(max(tasks + change, floor), ceiling)
            if wanted > tasks:
                yield self._env.timeout(limits.task_seconds)
            tasks = wanted
            self.parts["engines"].by_second = tasks * self._engine_cpu
            yield self._env.timeout(max(0.0, COOLDOWN - limits.task_seconds))

    def _scale_database(self) -> Process:
        """Double the units while more than a second of work waits; halve them while none does."""
        part = self.parts["database"]
        least = part.by_second
        while True:
            yield self._env.timeout(self._limits.unit_seconds)
            factor = 2.0 if part.behind > 1 else 0.5 if part.behind == 0 else 1.0
            part.by_second = min(max(part.by_second * factor, least), part.most)

    # -- looking ---------------------------------------------------------------------------------

    @property
    def _waiting(self) -> int:
        return self._made - self._done

    def _moment(self) -> Moment:
        engines = self.parts["engines"].by_second / self._engine_cpu
        return Moment(self._env.now / MINUTE, self._waiting, self._done, engines, self._running)

    def _look(self) -> Process:
        while True:
            self._moments.append(self._moment())
            yield self._env.timeout(10.0)


def simulate(
    environment: Environment,
    work: Work,
    limits: Limits,
    customers: int,
    rules: int,
    listers: int = 1,
    seed: int = 1,
) -> Outcome:
    """Simulate a run."""
    return Model(environment, work, limits, customers, rules, listers, seed).run()
