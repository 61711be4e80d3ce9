"""The time and cost of a night by parts, from what was measured on a small cluster."""

import importlib.resources
import math
from typing import Final, NamedTuple

import msgspec

from tuppence.capacity.environments import PART_MEMORY
from tuppence.capacity.tables import Prices

CUSTOMERS_PER_PART: Final = 10_000
COLD_SECONDS: Final = 40
"""Seconds in which a new function starts and compiles the loops; measured once, as 36 seconds of a
processor, and an assumption for the rest."""
GB_PER_WORKER: Final = 3
"""Memory of a worker with one processor."""
START_SECONDS: Final = 60
"""Seconds until the workers of a night run, for which they are paid too. An assumption."""
BUSY: Final = 0.7
"""Share of a processor's time that a worker works, while it also waits for objects. An
assumption."""
SCHEDULER_CPUS: Final = 2
"""Processors of the machine of the scheduler and of the one that starts the run."""
FUNCTIONS: Final = 1_000
"""Functions that an account may run at the same time at first."""
BEGIN_SECONDS: Final = 15
"""Seconds in which the function that begins a night starts, reads consents and lists the parts, and
in the end finishes it. An assumption."""
_TRANSITIONS: Final = 5
"""State transitions of a night beside those of its parts."""
CHOSEN: Final = {1_000_000: 25, 10_000_000: 250, 100_000_000: 1_000, 1_000_000_000: 4_000}
"""Number of workers by number of customers, for the estimates that the documentation shows."""


class MeasuredNight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A night that was measured.

    Attributes:
        workers: Number of workers, each with one thread.
        customers: Number of customers.
        parts: Number of parts.
        seconds: Seconds on the clock, which other work of the machine makes longer.
        processor_seconds: Seconds of the processors of all workers.
        load: Number of processes that wanted a processor of the machine, over a minute.
    """

    workers: int
    customers: int
    parts: int
    seconds: float
    processor_seconds: float
    load: float


class PartWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measured work of nights by parts, in seconds of one processor.

    Attributes:
        measured: Date of the measurement.
        machine: Machine of the measurement.
        population: Population and rules that were evaluated.
        seconds_to_open: Seconds of a worker to read a run's rules and plan them.
        seconds_by_part: Seconds of a worker for each part, beside its customers.
        scheduler_seconds_by_part: Seconds of the scheduler for each part.
        client_seconds_by_part: Seconds of the machine that starts the run for each part.
        seconds_by_customer: Seconds of a worker for each customer.
        requests_by_part: Requests to the object store for each part.
        bytes_by_customer: Bytes of facts that are fetched for each customer.
        nights: Nights that were measured.
    """

    measured: str
    machine: str
    population: str
    seconds_to_open: float
    seconds_by_part: float
    scheduler_seconds_by_part: float
    client_seconds_by_part: float
    seconds_by_customer: float
    requests_by_part: int
    bytes_by_customer: int
    nights: tuple[MeasuredNight, ...]


class PartNight(NamedTuple):
    """The estimate of a night.

    Attributes:
        customers: Number of customers.
        workers: Number of workers with one processor each.
        seconds: Seconds on the clock, with the start of the workers.
        evaluation_usd: Price of workers and scheduler in US dollars.
        store_usd: Price of the requests to the object store in US dollars.
    """

    customers: int
    workers: int
    seconds: float
    evaluation_usd: float
    store_usd: float


def read_part_work() -> PartWork:
    """Return the built-in table of measured work."""
    text = importlib.resources.files("tuppence.capacity").joinpath("parts.toml").read_bytes()
    return msgspec.toml.decode(text, type=PartWork)


def night_seconds(work: PartWork, customers: int, parts: int, workers: int, busy: float) -> float:
    """Return the seconds of a night on workers that run already.

    Parts are done in rounds, one at a time by each worker. The scheduler and the machine that
    starts the run work beside them, and bound the night where parts are many and short.

    Args:
        work: The measured work.
        customers: Number of customers.
        parts: Number of parts.
        workers: Number of workers.
        busy: Share of the time that a worker's processor works.
    """
    part = work.seconds_by_part + customers / parts * work.seconds_by_customer
    rounds = math.ceil(parts / workers)
    beside = parts * max(work.scheduler_seconds_by_part, work.client_seconds_by_part)
    return max((work.seconds_to_open + rounds * part) / busy, beside)


def night_of(work: PartWork, prices: Prices, customers: int, workers: int) -> PartNight:
    """Return the estimate of a night on a cluster that runs for it alone."""
    parts = math.ceil(customers / CUSTOMERS_PER_PART)
    seconds = START_SECONDS + night_seconds(work, customers, parts, workers, BUSY)
    cpu, gb = prices.of("fargate_cpu_hour"), prices.of("fargate_gb_hour")
    hour = workers * (cpu + GB_PER_WORKER * gb) + SCHEDULER_CPUS * (cpu + 4 * gb)
    requests = parts * work.requests_by_part / 1e6 * prices.of("s3_million_writes")
    return PartNight(customers, workers, seconds, seconds / 3_600 * hour, requests)


def night_of_functions(work: PartWork, prices: Prices, customers: int) -> PartNight:
    """Return the estimate of a night whose parts functions do, for a Distributed Map.

    Each function starts and compiles once, and reads the rules of the run once; then it does one
    part after the other. A child workflow has two states, of which it is paid for the start and for
    the time of 64 MB; the map is paid for a transition for each child that it starts.
    """
    parts = math.ceil(customers / CUSTOMERS_PER_PART)
    workers = min(parts, FUNCTIONS)
    first = COLD_SECONDS + work.seconds_to_open / BUSY
    part = (work.seconds_by_part + customers / parts * work.seconds_by_customer) / BUSY
    seconds = BEGIN_SECONDS + first + math.ceil(parts / workers) * part
    busy = BEGIN_SECONDS + workers * first + parts * part
    evaluation = (
        busy * PART_MEMORY / 1_024 * prices.of("lambda_gb_second")
        + parts / 1e6 * prices.of("lambda_million_calls")
        + parts / 1e6 * prices.of("states_million_express")
        + (workers * first + parts * part) * 64 / 1_024 * prices.of("states_gb_second")
        + (parts + _TRANSITIONS) / 1e6 * prices.of("states_million_transitions")
    )
    requests = parts * work.requests_by_part / 1e6 * prices.of("s3_million_writes")
    return PartNight(customers, workers, seconds, evaluation, requests)
