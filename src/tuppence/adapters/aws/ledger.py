"""The fleet's ledger in DynamoDB.

    run_id   entry          what
    #latest  -              as_of: the latest date of all runs
    RUN      run            record: the run, JSON; pages and listed: what a change must have seen
    RUN#1    page-0000017   items; done: a set of numbers; given_up: a set of `NUMBER TITLE: REASON`

A set contains a number once however often it is added, so a message that is delivered several times
counts once. Pages are spread over sixteen partition keys of their run, since DynamoDB accepts a
thousand writes a second for each:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import DAY_SECONDS, aws_errors, error_code
from tuppence.errors import UserError
from tuppence.feel.values import parse_date
from tuppence.usecases.fleet.messages import FleetItem, FleetRun, PageName, PageState

KEPT_DAYS: Final = 90
"""Days after the date of a run when DynamoDB removes its entries."""
_LATEST: Final = {"run_id": {"S": "#latest"}, "entry": {"S": "-"}}
_PAGE: Final = "page-"
_SHARDS: Final = 16


class DynamoLedger:
    """The fleet's ledger in DynamoDB. Implements the port FleetLedger; it is thread-safe.

    Args:
        client: Client of DynamoDB.
        table: Name of the table.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def begin(self, run: FleetRun) -> FleetRun:
        """Add a run, or return the recorded run of that name."""
        try:
            self._call(
                "update_item",
                Key=_LATEST,
                UpdateExpression="SET as_of = :as_of",
                ConditionExpression="attribute_not_exists(as_of) OR as_of <= :as_of",
                ExpressionAttributeValues={":as_of": {"S": run.as_of}},
            )
            self._write(run, "attribute_not_exists(run_id)", {})
        except _ConditionError:
            latest = self.latest()
            if latest > run.as_of:
                message = f"the latest run is as of {latest}, and this one is as of {run.as_of}"
                hint = "older results never replace newer ones"
                raise UserError("results.older", message, hint) from None
        else:
            return run
        recorded = self._run(run.run_id)
        same = ("as_of", "ruleset", "prefix", "chosen")
        if any(getattr(recorded, name) != getattr(run, name) for name in same):
            message = (
                f"the run {run.run_id} is as of {recorded.as_of}, with ruleset {recorded.ruleset}"
            )
            raise UserError("run.different", message, "give this run another name")
        return recorded

    def compare_and_set(self, before: FleetRun, after: FleetRun) -> FleetRun:
        """Replace a run, unless another process changed it first."""
        seen = {":pages": {"N": str(before.pages)}, ":listed": {"BOOL": before.listed}}
        try:
            self._write(after, "pages = :pages AND listed = :listed", seen)
        except _ConditionError:
            return self._run(before.run_id)
        return after

    def record(
        self,
        page: PageName,
        items: int | None = None,
        done: Iterable[int] = (),
        given_up: Iterable[FleetItem] = (),
        reason: str = "",
    ) -> None:
        """Record how many items a page has, which are done, and which are given up and why."""
        sets = ["expires_at = :expires"]
        values: dict[str, Any] = {":expires": _expires(page.as_of)}
        names: dict[str, str] = {}
        adds = []
        if items is not None:
            sets.append("#items = :items")
            names["#items"] = "items"
            values[":items"] = {"N": str(items)}
        if numbers := [str(number) for number in done]:
            adds.append("done :done")
            values[":done"] = {"NS": numbers}
        if titles := [f"{item.number} {item.title}: {reason}" for item in given_up]:
            adds.append("given_up :titles")
            values[":titles"] = {"SS": titles}
        change = f"SET {', '.join(sets)}" + (f" ADD {', '.join(adds)}" if adds else "")
        self._call(
            "update_item",
            Key={
                "run_id": {"S": _shard(page.run_id, page.number % _SHARDS)},
                "entry": {"S": f"{_PAGE}{page.number:07d}"},
            },
            UpdateExpression=change,
            ExpressionAttributeValues=values,
            **({"ExpressionAttributeNames": names} if names else {}),
        )

    def read(self, run_id: str) -> tuple[FleetRun, Iterator[PageState]]:
        """Return a run and the states of its pages."""
        shards = (_shard(run_id, number) for number in range(_SHARDS))
        return self._run(run_id), itertools.chain.from_iterable(map(self._pages, shards))

    def latest(self) -> str:
        """Return the latest date of all runs, or an empty string if there are none."""
        answer = self._call("get_item", Key=_LATEST, ConsistentRead=True)
        return str(answer["Item"]["as_of"]["S"]) if "Item" in answer else ""

    def _run(self, run_id: str) -> FleetRun:
        answer = self._call("get_item", Key=_run_key(run_id), ConsistentRead=True)
        if "Item" not in answer:
            message = f"the ledger {self._table} has no run {run_id}"
            raise UserError("run.unknown", message, "check the name that the run was started with")
        return msgspec.json.decode(answer["Item"]["record"]["S"], type=FleetRun)

    def _write(self, run: FleetRun, condition: str, seen: dict[str, Any]) -> None:
        record = {
            "record": {"S": msgspec.json.encode(run).decode()},
            "pages": {"N": str(run.pages)},
            "listed": {"BOOL": run.listed},
            "expires_at": _expires(run.as_of),
        }
        self._call(
            "put_item",
            Item=_run_key(run.run_id) | record,
            ConditionExpression=condition,
            **({"ExpressionAttributeValues": seen} if seen else {}),
        )

    def _pages(self, shard: str) -> Iterator[PageState]:
        with self._errors():
            for answer in self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="run_id = :shard",
                ExpressionAttributeValues={":shard": {"S": shard}},
                ConsistentRead=True,
            ):
                yield from map(_state, answer["Items"])

    def _call(self, operation: str, **request: Any) -> Any:
        with self._errors():
            try:
                return getattr(self._client, operation)(TableName=self._table, **request)
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    raise _ConditionError from None
                raise

    def _errors(self) -> AbstractContextManager[None]:
        return aws_errors("ledger", f"the table {self._table}")


class _ConditionError(Exception):
    """Raised when a conditional write fails because another process changed the item first."""


def _run_key(run_id: str) -> dict[str, Any]:
    return {"run_id": {"S": run_id}, "entry": {"S": "run"}}


def _shard(run_id: str, number: int) -> str:
    return f"{run_id}#{number:x}"  # names of runs cannot contain this character


def _expires(as_of: str) -> dict[str, str]:
    date = parse_date(as_of)
    return {"N": str(((date.day if date else 0) + KEPT_DAYS) * DAY_SECONDS)}


def _state(item: dict[str, Any]) -> PageState:
    titles = (one.partition(" ") for one in sorted(item.get("given_up", {"SS": ()})["SS"]))
    return PageState(
        int(item["entry"]["S"].removeprefix(_PAGE)),
        int(item["items"]["N"]) if "items" in item else None,
        frozenset(int(number) for number in item.get("done", {"NS": ()})["NS"]),
        {int(number): title for number, _, title in titles},
    )
