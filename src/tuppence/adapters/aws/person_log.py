"""The index of the table of feeds by which views and clicks of some days are found.

It has the keys of items only. One evening's views are spread over several of its partitions, since
DynamoDB writes a thousand items a second to each.
"""

import itertools
import zlib
from collections.abc import Iterator
from typing import Final

from tuppence.adapters.aws.person_table import KEYS, LOG_INDEX, Item, PersonTable

VIEWS, CLICKS = "view", "click"
"""Kinds of items in the index."""
PARTS: Final = 16
"""Number of partitions of the items of a kind."""


def logged(kind: str, owner: str, day: int) -> Item:
    """Return the attributes by which the index finds an item.

    Args:
        kind: Its kind.
        owner: The partition of its person in the table.
        day: The night of a view, or the day on which a click was received, in days since
            1970-01-01.
    """
    part = zlib.crc32(owner.encode()) % PARTS
    return {"log_part": {"S": f"{kind}#{part}"}, "log_day": {"N": str(day)}}


def last_logged(table: PersonTable, kind: str) -> int | None:
    """Return the last day of which there is an item of a kind; None if there is none."""
    condition = "log_part = :part"
    found = [
        int(item["log_day"]["N"])
        for values in _parts(kind)
        for item in table.query_index(LOG_INDEX, condition, values, 1, newest=True)
    ]
    return max(found, default=None)


def read_logged(table: PersonTable, kind: str, first: int) -> Iterator[Item]:
    """Yield the items of a kind of a day and of later ones."""
    condition, since = "log_part = :part AND log_day >= :first", {":first": {"N": str(first)}}
    for values in _parts(kind):
        found = table.query_index(LOG_INDEX, condition, values | since, None)
        keys = ({"owner": item["owner"], "entry": item["entry"]} for item in found)
        while some := list(itertools.islice(keys, KEYS)):
            yield from table.read_keys(some)


def _parts(kind: str) -> list[Item]:
    return [{":part": {"S": f"{kind}#{number}"}} for number in range(PARTS)]
