"""Measures the feed over PostgreSQL: writes benchmarks/feeds/RESULTS.md.

The shipped catalogue runs for a few customers, whose results are moved to the present day. Rates
are of CPU time of the service: the database, and what sends requests, have the other core. The
size of states is that of copies of what these customers do; it is extrapolated to a million.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil
import psycopg

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
sys.path.insert(0, str(ROOT))
from local.servers import Server, free_port, postgresql  # noqa: E402 - not installed

from tuppence.adapters.embedded.database import Database  # noqa: E402
from tuppence.adapters.postgres.migrating import make_login, migrate  # noqa: E402
from tuppence.bootstrap.feeds import database_feeds  # noqa: E402
from tuppence.errors import UserError  # noqa: E402
from tuppence.facts.consent import PURPOSES  # noqa: E402
from tuppence.feed.items import DAY, EventKind  # noqa: E402
from tuppence.feel.values import Date  # noqa: E402
from tuppence.results.packed import pack  # noqa: E402
from tuppence.results.result import CustomerResults, packed  # noqa: E402
from tuppence.services.bodies import json_response  # noqa: E402
from tuppence.services.feed.answers import feed_answer  # noqa: E402
from tuppence.services.feed.app import FeedDependencies  # noqa: E402
from tuppence.services.feed.tokens import (  # noqa: E402
    Verified,
    add_key,
    customer_of,
    customer_token,
    read_keys,
)
from tuppence.usecases.build_feed import (  # noqa: E402
    Feed,
    FeedRequest,
    build_feeds,
    feed_version,
)
from tuppence.usecases.feed_ports import ShownView, view_id  # noqa: E402
from tuppence.usecases.record_events import Happened, record_events  # noqa: E402

BATCH: Final = 100
"""Number of events of a batch."""
TOGETHER: Final = 16
"""Number of feeds that are read together, as of requests that arrive together."""
ROUNDS: Final = 5
"""Number of times that each stage is measured."""
CONNECTIONS: Final = 32
COPIES: Final = 20_000
"""Number of customers whose states are measured."""
CHANNELS: Final = 100
"""Number of channels by which a customer's feed is asked for: more than a service keeps answers of.
"""
STEADY: Final = "1,000 feeds a second over HTTP, each for the first time"
SHARES: Final = (0.5, 0.9, 0.99, 0.999)
"""Shares of the requests whose time is printed."""
MANY: Final = 50
"""Number of states of a customer for whom the size is extrapolated."""
TUPPENCE: Final = (sys.executable, "-m", "tuppence")
PRICES: Final = ROOT / "src" / "tuppence" / "capacity" / "prices" / "eu-west-1.toml"
PEOPLE: Final = """
WITH customers AS (
    INSERT INTO tuppence.customers (id, currency) SELECT unnest(%s::text[]), 'GBP' RETURNING id
), connections AS (
    INSERT INTO tuppence.connections (customer_id, id, provider)
    SELECT id, 'c ' || id, 'bank' FROM customers RETURNING id, customer_id
)
INSERT INTO tuppence.consents
    (customer_id, connection_id, purpose, scope, granted_on, jurisdiction)
SELECT customer_id, id, 'insights', '{transactions}', current_date - 9, 'GB' FROM connections
"""
COPY: Final = """
INSERT INTO tuppence.customers (id, currency)
SELECT 'copy' || n, 'GBP' FROM generate_series(1, {0}) n;
INSERT INTO tuppence.feed_states (customer_id, rule_id, turn, state)
SELECT 'copy' || n, rule_id, turn, state FROM generate_series(1, {0}) n
JOIN (SELECT *, dense_rank() OVER (ORDER BY customer_id) AS number FROM tuppence.feed_states) s
ON s.number = 1 + n % {1};
"""
SIZE: Final = """
SELECT pg_total_relation_size('tuppence.feed_states'), count(*), count(DISTINCT customer_id)
FROM tuppence.feed_states
"""


class Place(NamedTuple):
    """The place where the feed is measured.

    Attributes:
        folder: Results, rulesets and keys.
        owner: The owner's address of the database.
        login: The address of the service's login.
        customers: The customers.
    """

    folder: Path
    owner: str
    login: str
    customers: Sequence[str]

    def deps(self) -> FeedDependencies:
        """Return what feeds work with."""
        where = (str(self.folder / "results.sqlite"), str(self.folder / "rulesets"))
        return database_feeds(self.login, *where, "", 4, None, PURPOSES, now)


def now() -> int:
    """Return the clock, in milliseconds since 1970-01-01."""
    return time.time_ns() // 1_000_000


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def tuppence(*arguments: object) -> None:
    """Run a command."""
    words = [*TUPPENCE, *map(str, arguments)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def prepare(folder: Path, owner: str, count: int) -> Place:
    """Make customers with results of today, in a database and in a file."""
    store = folder / "store"
    tuppence("synth", "--store", store, "--customers", count, "--seed", 1)
    catalogue = ROOT / "src" / "tuppence" / "catalogue"
    tuppence("run", "--store", store, "--rules", catalogue, "--as-of", "2026-06-30")
    shutil.copytree(store / "rulesets", folder / "rulesets")
    today = now() // DAY
    with (
        Database(store / "results.sqlite", reading=True) as made,
        Database(folder / "results.sqlite", write_ahead=True) as moved,
    ):
        rows = list(made.scan())
        moved.put([_moved(row, today - row.as_of) for row in rows])
    migrate(owner)
    make_login(owner, "feed", "pass", ["feed"])
    customers = [row.customer_id for row in rows]
    with psycopg.connect(owner) as connection:
        connection.execute(PEOPLE, [customers])
        connection.execute("ANALYZE")
    add_key("bench", folder / "feed.keys")
    login = f"postgresql://feed:pass@{owner.partition('@')[2]}"
    return Place(folder, owner, login, customers)


def _moved(row: CustomerResults, days: int) -> CustomerResults:
    results = [msgspec.structs.replace(one, since=one.since + days) for one in row.results]
    data = pack([packed(one) for one in results])
    return CustomerResults(row.customer_id, row.as_of + days, row.layout, data)


def used(run: Callable[[], object]) -> float:
    """Return the CPU time that something takes, in seconds: the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        rounds.append(time.process_time() - start)
    return statistics.median(rounds)


def read_all(place: Place, deps: FeedDependencies) -> list[FeedRequest]:
    """Read the input of everybody's feed, as many together as at a busy service."""
    requests = []
    for start in range(0, len(place.customers), TOGETHER):
        together = place.customers[start : start + TOGETHER]
        for known in deps.read(together, Date(now() // DAY)):
            assert not isinstance(known, UserError)
            requests.append(FeedRequest(*known, deps.policy, now()).served())
    return requests


def build_all(requests: Sequence[FeedRequest]) -> list[Feed]:
    """Build feeds, as many together as at a busy service."""
    feeds = []
    for start in range(0, len(requests), TOGETHER):
        for feed in build_feeds(requests[start : start + TOGETHER]):
            assert not isinstance(feed, UserError)
            feeds.append(feed)
    return feeds


def in_process(place: Place) -> Iterator[tuple[str, str]]:
    """Yield the CPU time of each stage of a feed without HTTP, and the rate of events."""
    deps, keys = place.deps(), read_keys(str(place.folder / "feed.keys"))
    yield from events(place, deps)
    requests = read_all(place, deps)
    feeds = build_all(requests)
    answers = [feed_answer(feed, keys, None, 20) for feed in feeds]
    at = now()
    tokens = [customer_token(keys, customer, at, 3_000) for customer in place.customers]
    yield "items of a feed", f"{sum(len(feed.items) for feed in feeds) / len(feeds):.1f}"
    yield "states of a customer", f"{sum(len(r.kept.states) for r in requests) / len(feeds):.1f}"

    def check(verified: Verified) -> list[str | None]:
        return [customer_of(verified, token, at) for token in tokens]

    stages: dict[str, Callable[[], object]] = {
        "token, checked the first time": lambda: check(Verified(keys)),
        "results and states, read and unpacked": lambda: [
            len(request.person.results) for request in read_all(place, deps)
        ],
        "tag": lambda: [feed_version(request) for request in requests],
        "choice, texts, and features for the log": lambda: build_all(requests),
        "answer with its receipt": lambda: [feed_answer(f, keys, None, 20) for f in feeds],
        "JSON": lambda: [json_response(answer) for answer in answers],
    }
    times = {name: used(run) / len(feeds) for name, run in stages.items()}
    for name, seconds in times.items():
        yield f"of a feed: {name}", f"{seconds * 1e6:.0f} µs"
    yield "feeds without HTTP", f"{1 / sum(times.values()):,.0f} a CPU second"
    deps.close()


def events(place: Place, deps: FeedDependencies) -> Iterator[tuple[str, str]]:
    """Yield the rate at which events are recorded."""
    numbers, first = itertools.count(), build_all(read_all(place, deps))

    def record() -> None:
        for shown in first:
            customer, moment = shown.customer, now()
            name = view_id(ShownView(customer, shown.view).content)
            kinds = [EventKind.SEEN] * (BATCH - 1) + [EventKind.ACKNOWLEDGED]
            items = itertools.cycle([one.candidate.item for one in shown.items])
            happened = [
                Happened(f"{customer}-{next(numbers)}", kind, item, name, moment - place * DAY // 9)
                for place, (kind, item) in enumerate(zip(kinds, items, strict=False))
            ]
            if happened:
                record_events(
                    deps.store, customer, {name: shown.view}, happened, deps.policy, moment
                )

    recorded = sum(bool(feed.items) for feed in first) * BATCH / used(record)
    yield f"events, in batches of {BATCH}", f"{recorded:,.0f} a CPU second"


class Answer(NamedTuple):
    """An answer over HTTP: its status, its tag, and the seconds since it was due."""

    status: int
    tag: str
    seconds: float


async def ask(
    port: int, requests: Sequence[bytes], seconds: float, a_second: float | None
) -> list[Answer]:
    """Send requests over some connections, as fast as they are answered or at a constant rate.

    At a constant rate the time of an answer counts from when its request was due, so that it holds
    the time for which the request waited for a connection.
    """
    begin, numbers, answers = time.perf_counter(), itertools.count(), list[Answer]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = time.perf_counter() if a_second is None else begin + number / a_second
            if due > begin + seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[number % len(requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
            await reader.readexactly(int(fields.get("content-length", 0)))
            took = time.perf_counter() - due
            answers.append(Answer(int(head.split(" ", 2)[1]), fields.get("etag", ""), took))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return answers


def request(token: str, tag: str = "", channel: int = 0) -> bytes:
    """Return a request for a feed, with the tag of the one that the app has."""
    known = f"If-None-Match: {tag}\r\n" if tag else ""
    path = f"/v1/feed?channel=c{channel}"
    head = f"GET {path} HTTP/1.1\r\nHost: feed\r\nAuthorization: Bearer {token}\r\n{known}\r\n"
    return head.encode()


def over_http(place: Place, seconds: float) -> Iterator[tuple[str, str]]:
    """Yield rates and times of the service as a process."""
    port, keys = free_port(), read_keys(str(place.folder / "feed.keys"))
    parts = ["--keys", "feed.keys", "--results", "results.sqlite", "--rulesets", "rulesets"]
    paths = [part if part.startswith("--") else str(place.folder / part) for part in parts]
    command = [*TUPPENCE, "serve", "feed", *paths, "--port", str(port), "--connections", "16"]
    environment = {"TUPPENCE_DATABASE": place.login}
    log = place.folder / "log"
    tokens = [customer_token(keys, customer, now(), 3_000) for customer in place.customers]
    with Server(command, port, log, environment) as server:
        process = psutil.Process(server.pid)

        def measured(
            requests: Sequence[bytes], rate: float | None
        ) -> tuple[list[Answer], float, float]:
            """Return the answers, and the CPU time and the time that they took."""
            used, begin = sum(process.cpu_times()[:2]), time.perf_counter()
            answers = asyncio.run(ask(port, requests, seconds, rate))
            used = sum(process.cpu_times()[:2]) - used
            return answers, used, time.perf_counter() - begin

        new = [request(one, channel=number) for number in range(1, CHANNELS + 1) for one in tokens]
        first, used, _ = measured(new, None)
        yield "feeds over HTTP, each for the first time", f"{len(first) / used:,.0f} a CPU second"
        asyncio.run(ask(port, [*map(request, tokens)], 1.0, None))
        again, used, _ = measured([*map(request, tokens)], None)
        yield "feeds over HTTP that were asked for before", f"{len(again) / used:,.0f} a CPU second"
        tags = tags_of(port, tokens)
        known = [request(token, tag) for token, tag in zip(tokens, tags, strict=True)]
        unchanged, used, _ = measured(known, None)
        yield (
            "feeds over HTTP that an app has already",
            f"{len(unchanged) / used:,.0f} a CPU second",
        )
        load = os.getloadavg()[0]
        steady, used, took = measured(new[::-1], 1_000)
        times = sorted(one.seconds for one in steady)
        late = [f"p{100 * share:g} {1e3 * times[int(len(times) * share)]:.1f}" for share in SHARES]
        late += [f"slowest {1e3 * times[-1]:.1f} ms", f"{used / took:.0%} of a core"]
        rate = f"{len(steady) / took:,.0f} answered a second"
        yield STEADY, ", ".join([rate, *late, f"{load:.1f} processes waited for the cores"])
        assert {one.status for one in first + again + steady} == {200}
        assert {one.status for one in unchanged} == {304}


def tags_of(port: int, tokens: Sequence[str]) -> list[str]:
    """Return the tag of each customer's feed."""

    async def tag(token: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(token))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        writer.close()
        return head.partition("etag: ")[2].partition("\r\n")[0]

    async def tags() -> list[str]:
        return [await tag(token) for token in tokens]

    return asyncio.run(tags())


def size_of_states(place: Place) -> Iterator[tuple[str, str]]:
    """Yield the size of states, and what a million customers' states would cost on AWS."""
    with psycopg.connect(place.owner, autocommit=True) as connection:
        known = connection.execute(SIZE).fetchone()
        assert known is not None
        connection.execute(COPY.format(COPIES, known[2]).encode())
        connection.execute("VACUUM FULL tuppence.feed_states")
        found = connection.execute(SIZE).fetchone()
        assert found is not None
    size, states, people = found
    gigabytes = size / states * MANY * 1e6 / 1e9
    price = tomllib.loads(PRICES.read_text())["price"]["aurora_gb_month"]["usd"]
    yield f"states of {people:,} customers", f"{states:,} in {size / 1e6:,.0f} MB"
    yield "a state, with its index", f"{size / states:,.0f} bytes"
    yield (
        f"a million customers, if each has {MANY} states, extrapolated",
        f"{gigabytes:,.1f} GB, ${gigabytes * price:,.2f} a month in Aurora",
    )


def report(found: Mapping[str, str], count: int, load: float) -> str:
    """Return the results as a page."""
    day = datetime.now(UTC).date()
    lines = "\n".join(f"| {name} | {figure} |" for name, figure in found.items())
    return (
        "# The feed, measured\n\n"
        f"`make bench-feed` on {day}: the shipped catalogue for {count:,} synthetic customers on\n"
        "a machine of 2 cores, which others may use as well; states in PostgreSQL with its\n"
        "durable settings, results in a file. A CPU second is one of the service, on one core.\n"
        f"When it began, {load:.1f} processes waited for the cores on average.\n\n"
        f"| | |\n|---|---|\n{lines}\n"
    )


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    found, load = dict[str, str](), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, postgresql() as (_, owner):
        place = prepare(Path(folder), owner, given.customers)
        for part in (in_process(place), over_http(place, given.seconds), size_of_states(place)):
            for name, figure in part:
                say(f"{name}: {figure}")
                found[name] = figure
    (HERE / "RESULTS.md").write_text(report(found, given.customers, load), "utf-8")


if __name__ == "__main__":
    main()
