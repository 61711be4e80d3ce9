"""Measures a console that many authors use at once: writes benchmarks/console/RESULTS.md.

Each author has a rule of their own open, changes a number in it, waits for the check and the
preview as the page's script does, reads for some seconds, and goes on. The console runs in a
process of its own; what sends requests shares the processors with it.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2
import psutil
from typer.testing import CliRunner

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
sys.path.insert(0, str(ROOT))
from local.servers import Server, free_port  # noqa: E402 - not installed

from tuppence.cli.app import build  # noqa: E402

PATIENCE: Final = 120.0
"""Seconds after which a request has failed."""
READS: Final = (1.0, 4.0)
"""Seconds that an author reads before they change the rule again, between these."""
RULES: Final = {
    "fees": 'total(payments[category = "bank fee" and booking date > today() - @"P90D"].amount)',
    "energy": 'total(payments[category = "energy" and booking date > today() - @"P1Y"].amount)',
    "shops": "count(distinct values(payments.merchant))",
    "pay": 'total(receipts[booking date > today() - @"P60D"].amount)',
}
"""Measures that authors compare with a number."""
Seconds = dict[str, list[float]]


def tuppence(*words: object) -> None:
    """Run a command of the program in this process."""
    done = CliRunner().invoke(build(str(words[0])), [str(word) for word in words])
    if done.exit_code:
        raise SystemExit(done.output)


async def author(
    number: int, client: httpx2.AsyncClient, until: float, took: Seconds, chance: random.Random
) -> None:
    """Write a rule until the time is over.

    Args:
        number: Number of the author.
        client: Sends requests; it has the key.
        until: The time to end.
        took: Receives the seconds of each request, by its path or its refusal.
        chance: The source of numbers and pauses.
    """
    measure = list(RULES.values())[number % len(RULES)]
    await asyncio.sleep(chance.uniform(0, READS[1]))
    while time.monotonic() < until:
        form = {
            "view": "form", "editor": f"editor-{number}", "id": f"rule_{number}", "kind": "tip",
            "title": "A rule", "score": "50", "message.title": "A", "message.body": "B",
            "when": f"{measure} > {chance.randrange(5, 500)}",
        }  # fmt: skip
        for path in ("/check", "/preview", "/more"):
            began = time.monotonic()
            answer = await client.post(f"{path}?name=rule_{number}", data=form)
            kind = path if answer.status_code == 200 else f"{path} refused: {answer.status_code}"
            took[kind].append(time.monotonic() - began)
            if answer.status_code != 200:
                break
        await asyncio.sleep(chance.uniform(*READS))


async def work(address: str, authors: int, seconds: float) -> Seconds:
    """Let authors write for some seconds, and return how long each request took."""
    took: Seconds = defaultdict(list)
    limits = httpx2.Limits(max_connections=authors)
    sent = {"Sec-Fetch-Site": "same-origin"}
    where = address.partition("/?")[0]
    async with httpx2.AsyncClient(
        base_url=where, headers=sent, timeout=PATIENCE, limits=limits
    ) as client:
        await client.get(address)
        until = time.monotonic() + seconds
        sources = [random.Random(number) for number in range(authors)]  # noqa: S311 - repeated
        writing = [author(n, client, until, took, one) for n, one in enumerate(sources)]
        await asyncio.gather(*writing)
    return took


def report(took: Seconds, memory: list[int], given: argparse.Namespace) -> str:
    """Return the figures as a page."""
    lines = [
        "# A console that many authors use at once",
        "",
        (
            f"{given.authors} authors, {given.customers:,} customers, {given.seconds:.0f} seconds "
            f"on {datetime.now(tz=UTC).date()}, {psutil.cpu_count()} processors with a load of "
            f"{os.getloadavg()[0]:.0f} in that minute, which the authors' requests share."
        ),
        (
            f"Each reads {READS[0]:.0f} to {READS[1]:.0f} seconds between two changes. Made by "
            "`benchmarks/console/run.py`."
        ),
        "",
        "| request | number | median, s | 95 %, s | slowest, s |",
        "|---|---|---|---|---|",
    ]
    for name, values in sorted(took.items()):
        cuts = statistics.quantiles(values, n=20) if len(values) > 1 else values * 19
        row = (statistics.median(values), cuts[18], max(values))
        lines.append(
            f"| `{name}` | {len(values):,} | " + " | ".join(f"{x:.2f}" for x in row) + " |"
        )
    megabytes = [round(one / 1e6) for one in memory]
    lines += [
        "",
        (
            f"Memory of the console: {megabytes[0]:,} MB before, {max(megabytes):,} MB at most, "
            f"{megabytes[-1]:,} MB after."
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make a store, serve the console, let authors write, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=50)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        store, rules = folder / "store", folder / "rules"
        tuppence("synth", "--store", store, "--customers", given.customers, "--seed", 1)
        tuppence("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", "2026-06-30")
        words = ["serve", "console", "--store", store, "--rules", rules, "--port", port]
        command = [sys.executable, "-m", "tuppence", *map(str, words)]
        server = Server(command, port, folder / "log")
        server.start()
        try:
            address = re.search(r"open (http://\S+)", server.log.read_text())
            assert address is not None
            asyncio.run(work(address[1], 1, 5))  # the first preview reads the facts
            process = psutil.Process(server.pid)
            memory = [process.memory_info().rss]

            async def watched() -> Seconds:
                writing = asyncio.create_task(work(address[1], given.authors, given.seconds))
                while not writing.done():
                    memory.append(process.memory_info().rss)
                    await asyncio.wait([writing], timeout=1)
                return writing.result()

            took = asyncio.run(watched())
            memory.append(process.memory_info().rss)
        finally:
            server.stop()
    text = report(took, memory, given)
    (HERE / "RESULTS.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
