"""The time and cost of nights by parts."""

from collections.abc import Iterator

from tuppence.capacity import cost, run
from tuppence.capacity.environments import ENVIRONMENTS, PART_MEMORY
from tuppence.capacity.parts import (
    BEGIN_SECONDS,
    BUSY,
    CHOSEN,
    COLD_SECONDS,
    CUSTOMERS_PER_PART,
    FUNCTIONS,
    GB_PER_WORKER,
    START_SECONDS,
    night_of,
    night_of_functions,
    read_part_work,
)
from tuppence.capacity.tables import read_prices, read_work


def parts_page() -> Iterator[str]:
    """Yield the estimates of nights on a cluster, beside those of the fleet."""
    prod = ENVIRONMENTS["prod"]
    prices, work = read_prices(prod.region), read_part_work()
    yield "# What a night on a cluster takes\n"
    yield (
        "Nights [on a cluster](../how-to/run-on-a-cluster.md), in parts of "
        f"{CUSTOMERS_PER_PART:,} customers, beside a\nday of [the fleet](cost.md), which "
        "evaluates customer by customer, and of the published shape. Prices are list\n"
        f"prices of {prices.region} as of {prices.dated}, for workers with one processor and "
        f"{GB_PER_WORKER} GB on Fargate. The fleet's\nbill has its databases and queues in it; "
        "that of the cluster has neither a database nor the storage of the object store.\n"
    )
    yield (
        "| customers | workers | minutes | evaluation, $ | requests, $ "
        "| fleet, $ a day | published shape, $ a day |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    for customers, workers in CHOSEN.items():
        night = night_of(work, prices, customers, workers)
        load = run.Load(customers, 60, 1)
        fleet = cost.estimate(prod, prices, read_work(), load)
        yield (
            f"| {customers:,} | {workers:,} | {night.seconds / 60:,.1f} "
            f"| {night.evaluation_usd:,.2f} | {night.store_usd:,.2f} "
            f"| {fleet.usd / cost.DAYS:,.2f} | {fleet.published_usd / cost.DAYS:,.2f} |"
        )
    yield "\n## With functions on AWS\n"
    yield (
        "Nights whose parts Lambda does, begun by `tuppence fleet night`: functions of "
        f"{PART_MEMORY:,} MiB, at most {FUNCTIONS:,}\nat the same time, each of which starts and "
        f"compiles for {COLD_SECONDS} seconds first. The table of results is not in it.\n"
    )
    yield "| customers | functions | minutes | evaluation, $ | requests, $ |"
    yield "|---:|---:|---:|---:|---:|"
    for customers in CHOSEN:
        night = night_of_functions(work, prices, customers)
        yield (
            f"| {customers:,} | {night.workers:,} | {night.seconds / 60:,.1f} "
            f"| {night.evaluation_usd:,.2f} | {night.store_usd:,.2f} |"
        )
    yield "\n## Measured\n"
    yield (
        f"On {work.measured}, {work.machine}: {work.population}.\n"
        "Seconds are those of one processor.\n"
    )
    yield "| work | seconds |\n|---|---:|"
    yield f"| a worker begins a run: reads rules, plans them | {work.seconds_to_open:g} |"
    yield f"| a worker, for each part | {work.seconds_by_part:g} |"
    yield f"| a worker, for each customer | {work.seconds_by_customer:g} |"
    yield f"| the scheduler, for each part | {work.scheduler_seconds_by_part:g} |"
    yield f"| the machine that starts it, for each part | {work.client_seconds_by_part:g} |\n"
    yield (
        f"A part makes at most {work.requests_by_part} requests, and fetches "
        f"{work.bytes_by_customer:,} bytes of facts a customer.\n"
    )
    yield "| workers | customers | parts | processor seconds | by the model | on the clock | load |"
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    for one in work.nights:
        part = work.seconds_by_part + one.customers / one.parts * work.seconds_by_customer
        modelled = one.workers * work.seconds_to_open + one.parts * part
        yield (
            f"| {one.workers} | {one.customers:,} | {one.parts} | {one.processor_seconds:g} "
            f"| {modelled:.2f} | {one.seconds:g} | {one.load:g} |"
        )
    yield (
        "\nMedians of three nights. The load is the number of processes that wanted a processor;\n"
        "where it exceeds the cores, the seconds on the clock do not show how nights scale, so\n"
        "the model uses processor time only. `benchmarks/cluster/run.py` repeats the measurement,\n"
        "and a test holds the model to it.\n"
    )
    yield "## Assumed, not measured\n"
    yield (
        f"- Workers start within {START_SECONDS} seconds, which are paid, and then work "
        f"{BUSY:.0%} of the time.\n"
        "- A processor of AWS is as fast as the one that was measured, and the object store "
        "answers as many requests as are made.\n"
        "- The account's quota of processors allows the workers, or its quota of "
        "functions the functions.\n"
        f"- The function that begins and finishes a night takes {BEGIN_SECONDS} seconds.\n"
    )
