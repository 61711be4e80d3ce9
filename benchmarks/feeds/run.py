"""Measure how many feeds and events a second one core handles, from results and states of a store.

    .venv/bin/python benchmarks/feeds/run.py STORE

The store is copied. CPU time is reported beside elapsed time, because other work on the machine
lengthens only the latter.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tuppence.bootstrap.feeds import store_feeds
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY, EventKind
from tuppence.feel.values import Date
from tuppence.services.feed.answers import feed_answer
from tuppence.services.feed.app import FeedDependencies
from tuppence.services.feed.tokens import Keys
from tuppence.usecases.build_feed import Feed, build_feed, view_id
from tuppence.usecases.record_events import Happened, record_events

KEYS = Keys({"bench": "k" * 43})
BATCH = 100


def measure(what: str, count: int, run: Callable[[], object]) -> None:
    """Run something, and print its rate."""
    elapsed, cpu = time.perf_counter(), time.process_time()
    run()
    elapsed, cpu = time.perf_counter() - elapsed, time.process_time() - cpu
    print(f"{what}: {count / cpu:,.0f} a CPU second, {count / elapsed:,.0f} a second elapsed")


def feed_of(deps: FeedDependencies, customer: str) -> Feed:
    """Build the feed of a customer from results and states."""
    kept = deps.store.kept(customer)
    person = deps.people.find(customer, Date(deps.clock() // DAY))
    return build_feed(person, kept, deps.policy, deps.clock(), "en_GB")


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        store = shutil.copytree(sys.argv[1], Path(folder) / "store")
        run_day = store_feeds(store, None, PURPOSES, lambda: 0)
        customers = [f"C{number:07d}" for number in range(1, 301)]
        day = run_day.people.find(customers[0], Date(0)).as_of.day
        run_day.close()
        deps = store_feeds(store, None, PURPOSES, lambda: day * DAY + DAY // 2)
        feeds = {customer: feed_of(deps, customer) for customer in customers}

        def events() -> None:
            for customer, feed in feeds.items():
                name, now = view_id(customer, feed.view), deps.clock()
                happened = [
                    Happened(
                        f"{customer}-{number}",
                        EventKind.SEEN,
                        feed.items[number % len(feed.items)].candidate.item,
                        name,
                        now - number,
                    )
                    for number in range(BATCH if feed.items else 0)
                ]
                if happened:
                    views = {name: feed.view}
                    record_events(deps.store, customer, views, happened, deps.policy, now)

        shown = sum(bool(feed.items) for feed in feeds.values())
        measure(f"events in batches of {BATCH}", shown * BATCH, events)
        measure("feeds, first time", len(feeds), lambda: [feed_of(deps, c) for c in customers])
        measure("feeds, again", 10 * len(feeds), lambda: [feed_of(deps, c) for c in customers * 10])
        measure(
            "answers with receipts",
            10 * len(feeds),
            lambda: [feed_answer(feed, KEYS, None, 20) for feed in list(feeds.values()) * 10],
        )
        deps.close()


if __name__ == "__main__":
    main()
