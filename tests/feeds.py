"""A small service of feeds: invented people and rules, with a real store of what people do."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from starlette.testclient import TestClient

from tuppence.adapters.embedded.feed_file import FEED, FeedFile
from tuppence.adapters.embedded.outbox_file import OutboxFile
from tuppence.adapters.embedded.sqlite import SqliteFile
from tuppence.errors import UserError
from tuppence.feed.items import DAY
from tuppence.feed.policy import Policy
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.rule import Approval, FeedSettings, Message, Offer, Rule
from tuppence.services.access import digest
from tuppence.services.feed.app import FeedDependencies, feed_app
from tuppence.services.feed.tokens import Keys, customer_token
from tuppence.usecases.deliver import unsubscribe
from tuppence.usecases.feed_ports import FeedStore, Person, read_each
from tuppence.usecases.order_feed import Model

TODAY = 20_000
NOW = TODAY * DAY + 9 * 3_600_000
KEYS = Keys({"first": "k" * 43})
POLICY = Policy(places=3, brings_back={"insight": "20"})
RULES = (
    Rule("fees", "insight", "F", "true", "1",
         Message("{{ x | money }} in fees", "Since {{ d | date }}."), topic="bank"),
    Rule("savings", "offer", "S", "true", "1", Message("Savings", "A rate."), topic="offers",
         communication="financial promotion", approval=Approval("Firm", "2020-01-01", "FP-1"),
         offer=Offer("Fernhill", "The rate may fall.")),
    Rule("coffee", "tip", "C", "true", "1", Message("Coffee", "{{ x }} cups.")),
    Rule("energy", "saving", "E", "true", "1", Message("Energy", "Compare."), topic="home",
         expires_after_days=30),
)  # fmt: skip


class FewPeople:
    """Invented people: ann and bob. Implements the ports People and Audience."""

    def __init__(self) -> None:
        self.rules = {one.id: one for one in RULES}
        self.results: dict[str, list[Result]] = {name: standard() for name in ("ann", "bob")}
        self.addresses = {"ann": "ann@example.org"}
        self.frozen = ""
        self.day = TODAY
        self.evaluated = TODAY

    def has_customer(self, customer: str) -> bool:
        return customer in self.results

    def after(self, customer: str, limit: int) -> list[str]:
        return sorted(name for name in self.results if name > customer)[:limit]

    def has_rule(self, rule_id: str) -> bool:
        return rule_id in self.rules

    def find(self, customer: str, today: Date) -> Person:
        del today
        if customer not in self.results:
            raise UserError("facts.unknown-customer", f"there is no customer {customer}")
        return Person(
            customer,
            tuple(self.results[customer]),
            str(self.results[customer]),
            self.rules,
            "ruleset",
            Date(self.day),
            Date(self.evaluated),
            self.frozen,
            "GBP",
            False,
            self.addresses.get(customer),
        )


def standard() -> list[Result]:
    """Return results that make three places full and leave one insight over."""
    values: dict[str, dict[str, Any]] = {
        "fees": {"x": Decimal("12.5"), "d": Date(TODAY - 3)},
        "savings": {},
        "coffee": {"x": Decimal(9)},
        "energy": {},
    }
    scores = {"fees": 90, "savings": 80, "coffee": 70, "energy": 60}
    return [
        Result(name, State.QUALIFIED, Decimal(scores[name]), values[name], TODAY - 1)
        for name in values
    ]


def urgent(rule: Rule) -> Rule:
    """Return a rule as one of the first tier."""
    return msgspec.structs.replace(rule, feed=FeedSettings(tier=1))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Desk:
    """A running service, with the people, the clock and the store behind it.

    Args:
        store: The folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self.people, self.clock = FewPeople(), Clock()
        self.model: Model | None = None
        self.store: FeedStore = FeedFile(store, self.people.has_customer)
        self.outbox = OutboxFile(store, self.people.has_customer)
        self.deps = FeedDependencies(
            self.people,
            self.store,
            read_each(self.people, self.store),
            self._explain,
            functools.partial(unsubscribe, self.outbox, self.store),
            POLICY,
            self.clock,
            lambda: None,
            lambda: None,
            lambda: self.model,
        )
        self.app = feed_app(self.deps, KEYS, {digest("secret"): "desk"}, 16)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def _explain(self, customer: str, rule_id: str, today: Date) -> Mapping[str, Any]:
        return {"customer_id": customer, "rule_id": rule_id, "today": str(today)}

    def headers(self, customer: str = "ann") -> dict[str, str]:
        token = customer_token(KEYS, customer, self.clock.now, 900)
        return {"Authorization": f"Bearer {token}"}

    def call(
        self, method: str, path: str, body: Any = None, customer: str = "ann", **headers: str
    ) -> Any:
        return self.client.request(
            method, path, json=body, headers={**self.headers(customer), **headers}
        )

    def feed(self, customer: str = "ann", query: str = "") -> dict[str, Any]:
        answer = self.call("GET", f"/v1/feed{query}", customer=customer)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def titles(self, customer: str = "ann") -> list[str]:
        return [one["title"] for one in self.feed(customer)["items"]]


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """Run a service over a store in a folder."""
    running = Desk(folder)
    with running.client:
        yield running


def asked_of(store: Path, query: str) -> list[Any]:
    """Return the rows of a query to what a store keeps of feeds.

    By the SQLite of the service: another one in the same process would end the service's locks.
    """
    with SqliteFile(store / "feed.sqlite", FEED, read_only=True) as file:
        return file.rows(query)
