"""Measures nights by parts on a cluster of Dask: writes src/tuppence/capacity/parts.toml.

Processor time is read from the processes of the cluster, so that other work of the machine counts
little; each figure is the median of three nights, and the load of the machine is beside it.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil

ROOT: Final = Path(__file__).parent.parent.parent
TARGET: Final = ROOT / "src/tuppence/capacity/parts.toml"
sys.path.insert(0, str(ROOT))
from tests.addresses import run_there, use_as_of  # noqa: E402 - it is not installed
from tests.clusters import Cluster  # noqa: E402
from tests.commands import command  # noqa: E402

from tuppence.adapters.objects import nights  # noqa: E402
from tuppence.adapters.objects.objects import Objects  # noqa: E402
from tuppence.adapters.objects.store_address import StoreAddress  # noqa: E402
from tuppence.bootstrap.address import night_at_address, store_at  # noqa: E402
from tuppence.bootstrap.store import StoreFolder  # noqa: E402
from tuppence.capacity.parts import MeasuredNight, PartWork  # noqa: E402
from tuppence.facts.schema import Schema  # noqa: E402
from tuppence.rules.files import read_rules  # noqa: E402
from tuppence.rules.ruleset import Ruleset, make_ruleset  # noqa: E402

CUSTOMERS: Final = 4_000
MONTHS: Final = 13
PARTS: Final = 8
TINY: Final = 100
"""Number of parts with next to no customers, for the cost of a part."""


class Cost(NamedTuple):
    """Seconds of a night: on the clock, and of the processors of workers, scheduler and client."""

    clock: float
    workers: float
    scheduler: float
    client: float


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def share(store: StoreFolder, address: str, in_part: int, customers: int) -> StoreAddress:
    """Put some customers of a store at an address."""
    shared, facts = store_at(address), store.facts()
    parts = []
    for rows in facts.whole_customers(in_part):
        parts.append(rows)
        if len(parts) * in_part >= customers:
            break
    shared.take(facts.schema, parts, store.consents.of_all, in_part)
    return shared


def busy(pid: int) -> float:
    """Return the seconds of processor time of a process."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def night(cluster: Cluster, workers: int, store: StoreAddress, rules: Ruleset, day: str) -> Cost:
    """Run a night, and return what it took."""

    def now() -> Cost:
        return Cost(
            time.perf_counter(),
            sum(busy(worker.pid) for worker in cluster.workers[:workers]),
            busy(cluster.scheduler.pid),
            time.process_time(),
        )

    before = now()
    run_there(store, rules, day, on=cluster.address)
    return Cost(*(after - start for after, start in zip(now(), before, strict=True)))


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    customers = parser.parse_args().customers
    rules = make_ruleset(read_rules(ROOT / "catalogue", Schema()).usable())
    plain = make_ruleset(read_rules(ROOT / "catalogue/bank_fees.yaml", Schema()).usable())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command("synth", "--customers", customers, "--months", MONTHS, "--store", folder / "here")
        here = StoreFolder(folder / "here")
        whole = share(here, f"file://{folder}/whole", customers // PARTS, customers)
        one = share(here, f"file://{folder}/one", customers // PARTS, customers // PARTS)
        tiny = share(here, f"file://{folder}/tiny", 1, TINY)
        found: list[MeasuredNight] = []
        costs: dict[int, Cost] = {}
        for workers in (1, 2):
            with Cluster(folder, workers, dict(os.environ)).running() as cluster:
                night(cluster, workers, whole, rules, f"2026-06-{10 + workers * 4:02}")  # warm
                three = [
                    night(cluster, workers, whole, rules, f"2026-06-{10 + workers * 4 + n:02}")
                    for n in (1, 2, 3)
                ]
                costs[workers] = median(three)
                found.append(
                    MeasuredNight(
                        workers,
                        customers,
                        PARTS,
                        round(costs[workers].clock, 2),
                        round(costs[workers].workers, 2),
                        round(os.getloadavg()[0], 1),
                    )
                )
                print(workers, three, flush=True)
                if workers == 1:
                    of_one = median(
                        [night(cluster, 1, one, rules, f"2026-06-{10 + n}") for n in (1, 2, 3)]
                    )
                    print("one part", of_one, flush=True)
                else:
                    night(cluster, 2, tiny, plain, "2026-06-20")
                    of_tiny = median(
                        [night(cluster, 2, tiny, plain, f"2026-06-{20 + n}") for n in (1, 2, 3)]
                    )
                    print("tiny", of_tiny, flush=True)
        do = night_at_address(whole, use_as_of("2026-06-20"), "", 1).nights
        latest = do.latest()
        assert latest is not None
        part = do.doing(latest.run_id)
        opened = nights._OpenNight(part.address, part.folder, None)  # type: ignore[attr-defined]
        requests, fetched = count(opened, folder / "whole")
        by_part = of_tiny.workers / TINY
        more = costs[1].workers - of_one.workers - (PARTS - 1) * by_part
        by_customer = more / (customers - customers // PARTS)
        to_open = of_one.workers - by_part - by_customer * customers / PARTS
        work = PartWork(
            measured=time.strftime("%Y-%m-%d"),
            machine=f"{os.cpu_count()} cores, shared with other work",
            population=f"{customers:,} synthetic customers of {MONTHS} months, "
            f"{len(rules.rules)} rules",
            seconds_to_open=round(to_open, 2),
            seconds_by_part=round(by_part, 4),
            scheduler_seconds_by_part=round(of_tiny.scheduler / TINY, 5),
            client_seconds_by_part=round(of_tiny.client / TINY, 5),
            seconds_by_customer=round(
                (costs[1].workers - to_open - PARTS * by_part) / customers, 6
            ),
            requests_by_part=requests,
            bytes_by_customer=round(fetched / (customers // PARTS)),
            nights=tuple(found),
        )
    lines = [
        f"{name} = {json.dumps(getattr(work, name))}" for name in PartWork.__struct_fields__[:-1]
    ]
    for one_night in work.nights:
        lines += ["", "[[nights]]"]
        lines += [f"{name} = {value}" for name, value in msgspec.structs.asdict(one_night).items()]
    note = "# Measured by benchmarks/cluster/run.py, which writes this file."
    TARGET.write_text("\n".join([note, *lines, ""]), "utf-8")


def count(opened: "nights._OpenNight", folder: Path) -> tuple[int, int]:
    """Return the requests and the fetched bytes of facts of a part."""
    calls = {"requests": 0, "bytes": 0}
    for name in ("get", "ranges", "put", "create"):
        method = getattr(Objects, name)

        def counted(self: Objects, key: str, *rest: object, method=method, name=name) -> object:  # type: ignore[no-untyped-def]
            calls["requests"] += len(rest[0]) if name == "ranges" else 1  # type: ignore[arg-type]
            found = method(self, key, *rest)
            if name == "ranges":
                calls["bytes"] += sum(map(len, found))
            return found

        setattr(Objects, name, counted)
    for path in folder.glob("runs/*/done/p00000.json"):
        path.unlink()
    opened.do("p00000")
    return calls["requests"], calls["bytes"]


if __name__ == "__main__":
    main()
