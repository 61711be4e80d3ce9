"""Rows of results, and where they are kept, for tests of stores."""

import uuid
from decimal import Decimal

from tuppence.adapters.aws.clients import client
from tuppence.adapters.embedded.database import Database
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, State, packed
from tuppence.usecases.ledger import RunRecord, Tally

LAYOUT = Layout("digest", (("a", ("x",)), ("b", ())))
LAYOUTS = {"digest": LAYOUT}


def new_table(*keys: str) -> str:
    """Create a table in the emulator, and return its name."""
    name = f"table-{uuid.uuid4().hex}"
    kinds = zip(keys, ("HASH", "RANGE"), strict=True)
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in kinds],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def row(customer: str, as_of: int = 1, score: str = "1.0000") -> CustomerResults:
    result = Result("a", State.QUALIFIED, Decimal(score), {"x": "é"}, as_of)
    other = Result("b", State.UNKNOWN, None, {}, 1, suspended=True)
    return CustomerResults(customer, as_of, LAYOUT, pack([packed(result), packed(other)]))


def night(
    database: Database, name: str, *rows: CustomerResults, as_of: int = 5, finished: bool = True
) -> None:
    """Run over the customers of some rows, whose results those are."""
    database.start(RunRecord(name, as_of, "digest", ("i1",)))
    with database.completing(name, "i1", Tally()):
        database.replace(rows, database.get([one.customer_id for one in rows]))
    if finished:
        database.finish(name)
