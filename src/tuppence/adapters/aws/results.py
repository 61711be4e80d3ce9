"""Results in DynamoDB: an item for each (customer, rule), written only when it changes.

customer_id   S     partition key
rule_id       S     sort key
state         S     qualified, not_qualified or unknown
since         S     the day since which it has been so, such as 2026-06-30
as_of         S     the date of the evaluation that wrote it
ruleset       S     digest of the ruleset that gave it
score         N     where it is qualified
values        M     likewise: numbers, texts, booleans and nulls as such; anything else as
                    {"feel": its FEEL literal}
expires_at    N     where the rule is not in force any more: when DynamoDB removes the item, in
                    seconds since 1970; such an item is no result
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import DAY_SECONDS, aws_errors, error_code
from tuppence.feel import evaluate, feel_literal
from tuppence.feel.values import Date, parse_date
from tuppence.results.packed import Layout, damaged, pack
from tuppence.results.result import CustomerResults, Result, State, packed

RETIRED_DAYS: Final = 30
"""For so long a result stays, marked, after its rule was retired."""
REQUESTS: Final = 16
"""At the same time."""
_NOT_OLDER: Final = "as_of <= :as_of"
"""False of an item that is not there."""
_WIDEST: Final = 10**30
"""Numbers beyond go as FEEL literals: those of DynamoDB have 38 digits."""
Item = dict[str, Any]


class _Kept(NamedTuple):
    """What an item says."""

    result: Result
    as_of: int
    ruleset: str
    retired: bool


class DynamoResults:
    """Implements the port ResultStore; each thread has its own.

    Every write has the condition that what is there is not of a later date.

    Args:
        client: Of DynamoDB.
        table: Its name.
        layout_of: The layout of a ruleset's results, by its digest.
    """

    by_rule = True

    def __init__(self, client: Any, table: str, layout_of: Callable[[str], Layout]) -> None:
        self._client = client
        self._table = table
        self._layout_of = layout_of
        self._layouts: dict[str, Layout] = {}
        self._pool = ThreadPoolExecutor(REQUESTS, "dynamodb")
        self._seen: dict[str, dict[str, _Kept]] = {}

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown()

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """What is kept of these customers; what was read is remembered for the next `put`."""
        self._seen = dict(zip(customer_ids, self._pool.map(self._read, customer_ids), strict=True))
        return {
            customer: row
            for customer, kept in self._seen.items()
            if (row := self._row(customer, kept)) is not None
        }

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Keep these, unless what is there is of a later date; what is the same is not written."""
        given = list(rows)
        seen, self._seen = self._seen, {}
        unread = [row.customer_id for row in given if row.customer_id not in seen]
        seen.update(zip(unread, self._pool.map(self._read, unread), strict=True))
        writes = [write for row in given for write in self._changes(row, seen[row.customer_id])]
        done, _ = wait(
            [self._pool.submit(write) for write in writes]
        )  # none goes on after a failure
        for one in done:
            one.result()

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer, retired ones too; whether there were any."""
        rules = self._read(customer_id)
        for rule in rules:
            key = {"customer_id": {"S": customer_id}, "rule_id": {"S": rule}}
            with self._errors():
                self._client.delete_item(TableName=self._table, Key=key)
        return bool(rules)

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, customer_id: str) -> dict[str, _Kept]:
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "customer_id = :customer",
            "ExpressionAttributeValues": {":customer": {"S": customer_id}},
            "ConsistentRead": True,
        }
        found: dict[str, _Kept] = {}
        with self._errors():
            while True:
                answer = self._client.query(**query)
                for item in answer["Items"]:
                    found[item["rule_id"]["S"]] = _decoded(item)
                if "LastEvaluatedKey" not in answer:
                    return found
                query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _row(self, customer_id: str, kept: Mapping[str, _Kept]) -> CustomerResults | None:
        """The results as those of the ruleset that wrote one last."""
        alive = {rule: one for rule, one in kept.items() if not one.retired}
        if not alive:
            return None
        as_of, ruleset = max((one.as_of, one.ruleset) for one in alive.values())
        whole = self._layout(ruleset)
        rules = tuple(entry for entry in whole.rules if entry[0] in alive)
        layout = whole if len(rules) == len(whole.rules) else Layout(ruleset, rules)
        results = [packed(_with_values(alive[rule].result, names)) for rule, names in layout.rules]
        return CustomerResults(customer_id, as_of, layout, pack(results))

    def _layout(self, ruleset: str) -> Layout:
        if ruleset not in self._layouts:
            self._layouts[ruleset] = self._layout_of(ruleset)
        return self._layouts[ruleset]

    # -- writing ---------------------------------------------------------------------------------

    def _changes(self, row: CustomerResults, kept: Mapping[str, _Kept]) -> list[Callable[[], None]]:
        """What has to be written for a customer."""
        writes: list[Callable[[], None]] = []
        results = row.results
        for result in results:
            before = kept.get(result.rule_id)
            if before is None or before.retired or before.result != result:
                writes.append(partial(self._put, _encoded(row, result)))
        gone = kept.keys() - {rule for rule, _ in self._layout(row.ruleset).rules}
        writes += [partial(self._retire, row, rule) for rule in gone if not kept[rule].retired]
        return writes

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
    """The result with the values that its ruleset names; one that it lacks is null."""
    values = {name: result.values.get(name) for name in names}
    return Result(result.rule_id, result.state, result.score, values, result.since)


def _encoded(row: CustomerResults, result: Result) -> Item:
    item: Item = {
        "customer_id": {"S": row.customer_id},
        "rule_id": {"S": result.rule_id},
        "state": {"S": result.state.value},
        "since": {"S": str(Date(result.since))},
        "as_of": {"S": str(Date(row.as_of))},
        "ruleset": {"S": row.ruleset},
    }
    if result.state is State.QUALIFIED:
        item["values"] = {"M": {name: _attribute(v) for name, v in result.values.items()}}
        if result.score is not None:
            item["score"] = {"N": f"{result.score:f}"}
    return item


def _decoded(item: Item) -> _Kept:
    try:
        values = item.get("values", {"M": {}})["M"]
        result = Result(
            item["rule_id"]["S"],
            State(item["state"]["S"]),
            Decimal(item["score"]["N"]) if "score" in item else None,
            {name: _value(attribute) for name, attribute in values.items()},
            _day(item["since"]["S"]),
        )
        return _Kept(result, _day(item["as_of"]["S"]), item["ruleset"]["S"], "expires_at" in item)
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
        case Decimal() if abs(value) < _WIDEST:
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
