"""The fleet's ledger in DynamoDB.

    run_id   entry                what
    #latest  -                    as_of: the latest date of all runs
    #night   2026-06-30           run: the run of everybody that was begun last for this date
    RUN      run                  record: the run, JSON; pages and listed, which changes compare
    RUN#1    given-up-0000017     record: a page that was given up, and why, JSON
    RUN#1    given-up-0000017-42  record: an item of it that was given up, and why, JSON
    RUN#1    page-0000017         items: their number; done: a set of numbers

A set contains a number once however often it is added, so a message that is delivered several times
counts once. Pages are spread over sixteen partition keys of their run, since DynamoDB accepts a
thousand writes a second for each:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import DAY_SECONDS, aws_errors, error_code
from tuppence.errors import UserError
from tuppence.feel.values import parse_date
from tuppence.usecases.fleet.messages import FleetItem, FleetRun, GivenUp, PageName, PageState

KEPT_DAYS: Final = 90
"""Days after the date of a run when DynamoDB removes its entries."""
_LATEST: Final = {"run_id": {"S": "#latest"}, "entry": {"S": "-"}}
_NIGHT: Final = "#night"
_PAGE: Final = "page-"
_GIVEN_UP: Final = "given-up-"
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
            self._note_night(run)
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
        self._note_night(run)
        return recorded

    def compare_and_set(self, before: FleetRun, after: FleetRun) -> FleetRun:
        """Replace a run, unless another process changed it first."""
        seen = {":pages": {"N": str(before.pages)}, ":listed": {"BOOL": before.listed}}
        try:
            self._write(after, "pages = :pages AND listed = :listed", seen)
        except _ConditionError:
            return self._run(before.run_id)
        return after

    def record(self, page: PageName, items: int | None = None, done: Iterable[int] = ()) -> None:
        """Record how many items a page has, and which are done."""
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
        change = f"SET {', '.join(sets)}" + (f" ADD {', '.join(adds)}" if adds else "")
        self._call(
            "update_item",
            Key=_page_key(page, f"{_PAGE}{page.number:07d}"),
            UpdateExpression=change,
            ExpressionAttributeValues=values,
            **({"ExpressionAttributeNames": names} if names else {}),
        )

    def give_up(self, given_up: GivenUp) -> None:
        """Record work as given up."""
        record = {
            "record": {"S": msgspec.json.encode(given_up).decode()},
            "expires_at": _expires(given_up.work.as_of),
        }
        self._call("put_item", Item=_given_up_key(given_up) | record)

    def forget(self, given_up: GivenUp) -> None:
        """Remove the record of work that was given up, unless it was given up again since."""
        with contextlib.suppress(_ConditionError):
            self._call(
                "delete_item",
                Key=_given_up_key(given_up),
                ConditionExpression="#record = :record",
                ExpressionAttributeNames={"#record": "record"},
                ExpressionAttributeValues={
                    ":record": {"S": msgspec.json.encode(given_up).decode()}
                },
            )

    def read(self, run_id: str) -> tuple[FleetRun, Iterator[PageState]]:
        """Return a run and the states of its pages."""
        shards = (_shard(run_id, number) for number in range(_SHARDS))
        return self._run(run_id), itertools.chain.from_iterable(map(self._pages, shards))

    def latest(self) -> str:
        """Return the latest date of all runs, or an empty string if there are none."""
        answer = self._call("get_item", Key=_LATEST, ConsistentRead=True)
        return str(answer["Item"]["as_of"]["S"]) if "Item" in answer else ""

    def night(self, as_of: str) -> str | None:
        """Return the name of the run of everybody that was begun last for a date."""
        key = {"run_id": {"S": _NIGHT}, "entry": {"S": as_of}}
        answer = self._call("get_item", Key=key, ConsistentRead=True)
        return str(answer["Item"]["run"]["S"]) if "Item" in answer else None

    def _note_night(self, run: FleetRun) -> None:
        if not run.prefix and not run.chosen:
            key = {"run_id": {"S": _NIGHT}, "entry": {"S": run.as_of}}
            values = {"run": {"S": run.run_id}, "expires_at": _expires(run.as_of)}
            self._call("put_item", Item=key | values)

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
        by_number: dict[int, PageState] = {}
        for entry in self._entries(shard):
            number = int(entry["entry"]["S"].removeprefix(_GIVEN_UP).removeprefix(_PAGE)[:7])
            state = by_number.get(number, PageState(number, None, frozenset(), {}))
            by_number[number] = _with_entry(state, entry)
        yield from by_number.values()

    def _entries(self, shard: str) -> Iterator[dict[str, Any]]:
        with self._errors():
            for answer in self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="run_id = :shard",
                ExpressionAttributeValues={":shard": {"S": shard}},
                ConsistentRead=True,
            ):
                yield from answer["Items"]

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


def _page_key(page: PageName, entry: str) -> dict[str, Any]:
    shard = _shard(page.run_id, page.number % _SHARDS)
    return {"run_id": {"S": shard}, "entry": {"S": entry}}


def _given_up_key(given_up: GivenUp) -> dict[str, Any]:
    work = given_up.work
    if isinstance(work, FleetItem):
        return _page_key(work.page_name, f"{_GIVEN_UP}{work.page:07d}-{work.number}")
    return _page_key(work.name, f"{_GIVEN_UP}{work.number:07d}")


def _with_entry(state: PageState, entry: dict[str, Any]) -> PageState:
    """Return the state of a page with what one more entry says of it."""
    if "record" in entry:
        given_up = msgspec.json.decode(entry["record"]["S"], type=GivenUp)
        if isinstance(given_up.work, FleetItem):
            by_number = state.given_up | {given_up.work.number: given_up}
            return msgspec.structs.replace(state, given_up=by_number)
        return msgspec.structs.replace(state, page=given_up)
    return msgspec.structs.replace(
        state,
        items=int(entry["items"]["N"]) if "items" in entry else None,
        done=frozenset(int(number) for number in entry.get("done", {"NS": ()})["NS"]),
    )
