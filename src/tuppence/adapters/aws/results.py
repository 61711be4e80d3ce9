"""Results in DynamoDB: one item for each customer and rule, written only when it changes.

customer_id   S     partition key
rule_id       S     sort key
state         S     qualified, not_qualified or unknown
since         S     first day of this state, such as 2026-06-30, see `Result.since`
suspended     BOOL  only if true: unknown, and qualified before
as_of         S     date of the evaluation that wrote the item
ruleset       S     digest of the ruleset of that evaluation
score         N     only if qualified
values        M     only if qualified: numbers, texts, booleans and nulls as such; anything else as
                    {"feel": its FEEL literal}
expires_at    N     only if the rule is no longer in force: the time when DynamoDB removes the item,
                    in seconds since 1970; such an item is no result
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import DAY_SECONDS, aws_errors, error_code
from tuppence.feel import evaluate, feel_literal
from tuppence.feel.values import Date, parse_date
from tuppence.results.packed import Layout, damaged, pack
from tuppence.results.result import CustomerResults, Result, State, packed

RETIRED_DAYS: Final = 30
"""Days that an item stays, marked as expired, after its rule was retired."""
INSERTS: Final = 25
"""Maximum number of statements in one request."""
REQUESTS: Final = 16
"""Maximum number of concurrent requests."""
_NOT_OLDER: Final = "as_of <= :as_of"
"""Condition on the stored item; it is false if there is none."""
_MAX_NUMBER: Final = 10**30
"""Larger numbers are stored as FEEL literals, since numbers of DynamoDB have 38 digits."""
Item = dict[str, Any]


class _Stored(NamedTuple):
    """A decoded item."""

    result: Result
    as_of: int
    ruleset: str
    retired: bool


class DynamoResults:
    """Results in DynamoDB. Implements the port ResultStore; each thread needs its own.

    Every write is conditional, so that it never replaces an item of a later date.

    Args:
        client: Client of DynamoDB.
        table: Name of the table.
        layout_of: Returns the layout of the results of a ruleset by its digest.
    """

    by_rule = True

    def __init__(self, client: Any, table: str, layout_of: Callable[[str], Layout]) -> None:
        self._client = client
        self._table = table
        self._layout_of = layout_of
        self._layouts: dict[str, Layout] = {}
        self._pool = ThreadPoolExecutor(REQUESTS, "dynamodb")
        self._read_by_get: dict[str, dict[str, _Stored]] = {}

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the results of customers who have any, and keep them for the next `put`."""
        self._read_by_get = dict(
            zip(customer_ids, self._pool.map(self._read, customer_ids), strict=True)
        )
        return {
            customer: row
            for customer, stored in self._read_by_get.items()
            if (row := self._row(customer, stored)) is not None
        }

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Write results that changed, except where results of a later date are stored."""
        rows = list(rows)
        stored, self._read_by_get = self._read_by_get, {}
        unread = [row.customer_id for row in rows if row.customer_id not in stored]
        stored.update(zip(unread, self._pool.map(self._read, unread), strict=True))
        writes: list[Callable[[], None]] = []
        new: list[Item] = []
        for row in rows:
            before = stored[row.customer_id]
            new += [_encode(row, one) for one in row.results if one.rule_id not in before]
            writes += self._changes(row, before)
        writes += [
            partial(self._insert, new[start : start + INSERTS])
            for start in range(0, len(new), INSERTS)
        ]
        # All writes have ended before an error is raised.
        done, _ = wait([self._pool.submit(write) for write in writes])
        for future in done:
            future.result()

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer, even of retired rules; return whether there were any."""
        rules = self._read(customer_id)
        for rule in rules:
            key = {"customer_id": {"S": customer_id}, "rule_id": {"S": rule}}
            with self._errors():
                self._client.delete_item(TableName=self._table, Key=key)
        return bool(rules)

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, customer_id: str) -> dict[str, _Stored]:
        """Return a customer's items by rule."""
        items: dict[str, _Stored] = {}
        with self._errors():
            for answer in self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="customer_id = :customer",
                ExpressionAttributeValues={":customer": {"S": customer_id}},
                ConsistentRead=True,
            ):
                items |= {item["rule_id"]["S"]: _decode(item) for item in answer["Items"]}
        return items

    def _row(self, customer_id: str, stored: Mapping[str, _Stored]) -> CustomerResults | None:
        """Return a customer's results, as results of the ruleset that wrote one last."""
        active = {rule: one for rule, one in stored.items() if not one.retired}
        if not active:
            return None
        as_of, ruleset = max((one.as_of, one.ruleset) for one in active.values())
        full = self._layout(ruleset)
        rules = tuple(entry for entry in full.rules if entry[0] in active)
        layout = full if len(rules) == len(full.rules) else Layout(ruleset, rules)
        results = [packed(_with_values(active[rule].result, names)) for rule, names in layout.rules]
        return CustomerResults(customer_id, as_of, layout, pack(results))

    def _layout(self, ruleset: str) -> Layout:
        if ruleset not in self._layouts:
            self._layouts[ruleset] = self._layout_of(ruleset)
        return self._layouts[ruleset]

    # -- writing ---------------------------------------------------------------------------------

    def _changes(
        self, row: CustomerResults, stored: Mapping[str, _Stored]
    ) -> list[Callable[[], None]]:
        """Return the writes that turn stored results of a customer into new ones."""
        writes: list[Callable[[], None]] = []
        for result in row.results:
            before = stored.get(result.rule_id)
            if before is not None and (before.retired or before.result != result):
                writes.append(partial(self._put, _encode(row, result)))
        removed = stored.keys() - {rule for rule, _ in self._layout(row.ruleset).rules}
        writes += [partial(self._retire, row, rule) for rule in removed if not stored[rule].retired]
        return writes

    def _insert(self, items: Sequence[Item]) -> None:
        """Write results that were not there when they were read, many with each request.

        A statement fails alone: if the result is there now, or the table is busy, it is put.
        """
        statements = [_insertion(self._table, item) for item in items]
        with self._errors():
            answer = self._client.batch_execute_statement(Statements=statements)
        for item, outcome in zip(items, answer["Responses"], strict=True):
            if "Error" in outcome:
                self._put(item)

    def _put(self, item: Item) -> None:
        self._unless_older(
            self._client.put_item,
            Item=item,
            ConditionExpression=f"attribute_not_exists(as_of) OR {_NOT_OLDER}",
            ExpressionAttributeValues={":as_of": item["as_of"]},
        )

    def _retire(self, row: CustomerResults, rule: str) -> None:
        ends = (row.as_of + RETIRED_DAYS) * DAY_SECONDS
        as_of = str(Date(row.as_of))
        self._unless_older(
            self._client.update_item,
            Key={"customer_id": {"S": row.customer_id}, "rule_id": {"S": rule}},
            UpdateExpression="SET expires_at = :ends, as_of = :as_of",
            ConditionExpression=_NOT_OLDER,
            ExpressionAttributeValues={":as_of": {"S": as_of}, ":ends": {"N": str(ends)}},
        )

    def _unless_older(self, write: Callable[..., Any], **request: Any) -> None:
        with self._errors():
            try:
                write(TableName=self._table, **request)
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise

    def _errors(self) -> Any:
        return aws_errors("results", f"the table {self._table}")


def _with_values(result: Result, names: Sequence[str]) -> Result:
    """Return a result with the values of some names; a missing value becomes null."""
    values = {name: result.values.get(name) for name in names}
    return msgspec.structs.replace(result, values=values)


def _insertion(table: str, item: Item) -> Item:
    """Return the statement that inserts an item, and fails if there is one with its key."""
    names = ", ".join(f"'{name}': ?" for name in item)
    statement = f'INSERT INTO "{table}" VALUE {{{names}}}'
    return {"Statement": statement, "Parameters": list(item.values())}


def _encode(row: CustomerResults, result: Result) -> Item:
    item: Item = {
        "customer_id": {"S": row.customer_id},
        "rule_id": {"S": result.rule_id},
        "state": {"S": result.state.value},
        "since": {"S": str(Date(result.since))},
        "as_of": {"S": str(Date(row.as_of))},
        "ruleset": {"S": row.ruleset},
    }
    if result.suspended:
        item["suspended"] = {"BOOL": True}
    if result.state is State.QUALIFIED:
        item["values"] = {"M": {name: _attribute(v) for name, v in result.values.items()}}
        if result.score is not None:
            item["score"] = {"N": f"{result.score:f}"}
    return item


def _decode(item: Item) -> _Stored:
    try:
        values = item.get("values", {"M": {}})["M"]
        result = Result(
            item["rule_id"]["S"],
            State(item["state"]["S"]),
            Decimal(item["score"]["N"]) if "score" in item else None,
            {name: _value(attribute) for name, attribute in values.items()},
            _day(item["since"]["S"]),
            "suspended" in item,
        )
        return _Stored(result, _day(item["as_of"]["S"]), item["ruleset"]["S"], "expires_at" in item)
    except (KeyError, ValueError) as error:
        raise damaged(item["customer_id"]["S"]) from error


def _day(text: str) -> int:
    date = parse_date(text)
    if date is None:
        raise ValueError(text)
    return date.day


def _attribute(value: Any) -> Item:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case Decimal() if abs(value) < _MAX_NUMBER:
            return {"N": f"{value:f}"}
        case str():
            return {"S": value}
    return {"M": {"feel": {"S": feel_literal(value)}}}


def _value(attribute: Item) -> Any:
    match attribute:
        case {"NULL": _}:
            return None
        case {"BOOL": bool() as value}:
            return value
        case {"N": str() as number}:
            return Decimal(number)
        case {"S": str() as text}:
            return text
        case {"M": {"feel": {"S": literal}}}:
            return evaluate(literal)
    raise ValueError(attribute)
