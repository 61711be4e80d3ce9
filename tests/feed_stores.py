"""Stores of feeds, opened as each of their users opens them."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.person_table import INDEX, LOG_INDEX
from tuppence.bootstrap.database import fact_database
from tuppence.usecases.delivery_ports import Outbox
from tuppence.usecases.feed_ports import FeedData, FeedLog, FeedStore


class Kept:
    """A store of feeds, opened as each of its users opens it.

    Attributes:
        remove: Erases a customer, as `tuppence forget` does.
        open_store: Opens the store for a service.
        open_outbox: Opens its outbox for a service.
        data: The store for exports and erasures.
        log: Opens the store for models and estimates.
        rows: Returns every row that there is, whatever it is about, each as a text.
    """

    def __init__(
        self,
        remove: Callable[[str], object],
        open_store: Callable[[], FeedStore],
        open_outbox: Callable[[], Outbox],
        data: FeedData,
        log: Callable[[], FeedLog],
        rows: Callable[[], list[str]],
    ) -> None:
        self.remove = remove
        self.open_store = open_store
        self.open_outbox = open_outbox
        self.data = data
        self.log = log
        self.rows = rows


class InDatabase:
    """The memory of feeds in the database, for exports and erasures. Implements FeedData."""

    def __init__(self, url: str) -> None:
        self._url = url

    def export(self, customer: str) -> Mapping[str, Any]:
        with fact_database(self._url) as facts:
            return facts.feed_of(customer)

    def erase(self, customer: str) -> int:
        with fact_database(self._url) as facts:
            rows = facts.erase(customer)
        return sum(count for table, count in rows.items() if table.startswith("feed_"))


INDEXES = {INDEX: ("outbox", "due"), LOG_INDEX: ("log_part", "log_day")}
"""The indexes of the table of feeds, with their keys."""


def person_table() -> str:
    """Create a table of feeds in the emulator, and return its name."""
    name = f"table-{uuid.uuid4().hex}"
    keys = {"owner": "S", "entry": "S", "outbox": "S", "due": "N", "log_part": "S", "log_day": "N"}

    def schema(*names: str) -> list[dict[str, str]]:
        pairs = zip(names, ("HASH", "RANGE"), strict=True)
        return [{"AttributeName": key, "KeyType": kind} for key, kind in pairs]

    client("dynamodb").create_table(
        TableName=name,
        KeySchema=schema("owner", "entry"),
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": schema(*keys_of_index),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, keys_of_index in INDEXES.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
