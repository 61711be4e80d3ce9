"""The DynamoDB table of feeds: one partition for each person, changed by one process at a time.

owner                entry                attributes
customer#NAME        kept#preferences     content
customer#NAME        kept#state#ITEM      content
customer#NAME        event#ID             content, received, expires_at; a click: log_part, log_day
customer#NAME        view#ID              content, expires_at, log_part, log_day
customer#NAME        delivery#ID          content, and while it waits or is given up: outbox, due
customer#NAME        lock                 holder, until; only while somebody changes the others
delivery#ID          recipient            customer, channel
withdrawals          NUMBER               content

owner       S  partition key
entry       S  sort key
content     S  JSON
received    N  when an event was received, in milliseconds since 1970-01-01
outbox      S  partition key of the index `outbox`: waiting#CHANNEL, or dead
due         N  sort key of that index: when it is due, or was given up, in the same unit
log_part    S  partition key of the index `log`, see `person_log`
log_day     N  sort key of that index: a view's night, or the day on which a click was received, in
               days since 1970-01-01
holder      S  a random name
until       N  when the lock ends if its holder has died, in the same unit
expires_at  N  when DynamoDB may remove the item, in seconds since 1970-01-01: an old event,
               an old view, or a lock whose holder has died

A change collects its writes. They are made by one transaction that ends the lock as well, and that
fails if somebody else has it by then. A transaction of DynamoDB has at most 100 actions: larger
changes are several, in the order in which the writes were given, and each fails in the same way.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import DAY_SECONDS, aws_errors, error_code
from tuppence.errors import UserError

INDEX: Final = "outbox"
"""Name of the index of deliveries."""
LOG_INDEX: Final = "log"
"""Name of the index of views and clicks."""
LEASE: Final = 10_000
"""Milliseconds after which a lock ends whose holder has died."""
PATIENCE: Final = 5_000
"""Milliseconds for which a change waits for another one of the same person."""
PAUSE: Final = 0.02
"""Seconds between two attempts to get a lock."""
ACTIONS: Final = 100
"""Maximum number of actions of a transaction."""
KEYS: Final = 100
"""Maximum number of items that are read by one request."""
ATTEMPTS: Final = 8
"""Attempts of a transaction that meets another one, or a table that is busy."""
_PASSING: Final = frozenset(
    {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)
"""Reasons for which the same transaction may succeed later."""
_BUSY: Final = frozenset({"ConditionalCheckFailedException", "TransactionConflictException"})
Item = dict[str, Any]


class Tools(NamedTuple):
    """The parts of a process that a table works with.

    Attributes:
        has_customer: Returns whether there is a customer; asked inside of each change, so that
            nothing is written about somebody who was erased.
        clock: Returns the time, in milliseconds since 1970-01-01.
        sleep: Waits for some seconds.
        new_name: Returns a random name.
    """

    has_customer: Callable[[str], bool]
    clock: Callable[[], int]
    sleep: Callable[[float], None]
    new_name: Callable[[], str]


class Writes:
    """The writes of a change, which are made when it ends."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.actions: dict[tuple[str, str], tuple[str, Item]] = {}

    def put(self, entry: str, attributes: Item, *, owner: str = "", new: bool = False) -> None:
        """Write an item.

        Args:
            entry: Its sort key.
            attributes: Its other attributes.
            owner: Its partition key; that of the person if empty.
            new: Whether the change fails if the item exists.
        """
        key = _key(owner or self._owner, entry)
        condition = {"ConditionExpression": "attribute_not_exists(entry)"} if new else {}
        self.actions[owner or self._owner, entry] = "Put", {"Item": key | attributes, **condition}

    def delete(self, entry: str, *, owner: str = "") -> None:
        """Delete an item."""
        key = _key(owner or self._owner, entry)
        self.actions[owner or self._owner, entry] = "Delete", {"Key": key}


class PersonTable:
    """The table. Threads may share it.

    Args:
        client: Client of DynamoDB.
        table: Name of the table.
        tools: The parts of a process that it works with.
    """

    def __init__(self, client: Any, table: str, tools: Tools) -> None:
        self._client = client
        self._table = table
        self._tools = tools

    def now(self) -> int:
        """Return the time, in milliseconds since 1970-01-01."""
        return self._tools.clock()

    def query(self, owner: str, prefix: str = "") -> Iterator[Item]:
        """Yield the items of a partition whose sort keys begin with a text, in their order."""
        condition, values = "#owner = :owner", {":owner": {"S": owner}}
        names = {"#owner": "owner"}
        if prefix:
            condition += " AND begins_with(entry, :prefix)"
            values[":prefix"] = {"S": prefix}
        with self.errors():
            for page in self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            ):
                yield from page["Items"]

    def query_outbox(
        self, outbox: str, until: int | None, limit: int | None, *, newest: bool = False
    ) -> Sequence[Item]:
        """Return items of the index, the first ones first.

        Args:
            outbox: Their partition of the index.
            until: The latest `due`; None for all.
            limit: Maximum number of items; None for all.
            newest: Whether the last ones come first.
        """
        condition, values = "outbox = :outbox", {":outbox": {"S": outbox}}
        if until is not None:
            condition += " AND due <= :until"
            values[":until"] = {"N": str(until)}
        return [*self.query_index(INDEX, condition, values, limit, newest=newest)]

    def query_index(
        self, index: str, condition: str, values: Item, limit: int | None, *, newest: bool = False
    ) -> Iterator[Item]:
        """Yield items of an index, which lags a moment behind the table, the first ones first.

        Args:
            index: Name of the index.
            condition: The condition on its keys.
            values: The values in the condition.
            limit: Maximum number of items; None for all.
            newest: Whether the last ones come first.
        """
        with self.errors():
            for page in self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=index,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=not newest,
                PaginationConfig={"MaxItems": limit, "PageSize": limit} if limit else {},
            ):
                yield from page["Items"]

    def scan(self, prefix: str) -> Iterator[Item]:
        """Yield the items of all partitions whose sort keys begin with a text."""
        with self.errors():
            for page in self._client.get_paginator("scan").paginate(
                TableName=self._table,
                FilterExpression="begins_with(entry, :prefix)",
                ExpressionAttributeValues={":prefix": {"S": prefix}},
                ConsistentRead=True,
            ):
                yield from page["Items"]

    def read(self, owner: str, entry: str) -> Item | None:
        """Return an item."""
        with self.errors():
            answer = self._client.get_item(
                TableName=self._table, Key=_key(owner, entry), ConsistentRead=True
            )
        found: Item | None = answer.get("Item")
        return found

    def read_many(self, owner: str, entries: Collection[str]) -> list[Item]:
        """Return those of some items of a person that exist."""
        return self.read_keys([_key(owner, entry) for entry in sorted(entries)])

    def read_keys(self, left: Sequence[Item]) -> list[Item]:
        """Return those of some items of anybody that exist, given their keys."""
        found: list[Item] = []
        while left:
            asked, left = left[:KEYS], left[KEYS:]
            request = {self._table: {"Keys": asked, "ConsistentRead": True}}
            with self.errors():
                answer = self._client.batch_get_item(RequestItems=request)
            found += answer["Responses"].get(self._table, [])
            unread = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if unread:
                self._tools.sleep(PAUSE)
            left += unread
        return found

    def add(self, owner: str, entry: str, content: str) -> bool:
        """Write an item unless there is one with its key; return whether it was written."""
        try:
            with self.errors():
                self._client.put_item(
                    TableName=self._table,
                    Item=_key(owner, entry) | {"content": {"S": content}},
                    ConditionExpression="attribute_not_exists(entry)",
                )
        except UserError as error:
            if _code_behind(error) not in _BUSY:
                raise
            return False
        return True

    @contextlib.contextmanager
    def change(self, customer: str, *, erasing: bool = False) -> Iterator[Writes]:
        """Lock a person, and make the writes of the block at its end: all of them, or none.

        Args:
            customer: The person.
            erasing: Whether the person need not exist.

        Raises:
            UserError: `facts.unknown-customer`: there is no such customer. `service.busy`: another
                change of this person has not ended in time, or this one took too long.
        """
        owner = owner_of(customer)
        holder = self._lock(owner)
        try:
            if not erasing:
                self._check(customer)
            writes = Writes(owner)
            yield writes
            self._write(owner, holder, list(writes.actions.values()))
        except BaseException:
            self._unlock(owner, holder)
            raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of AWS as errors with a stable code."""
        with aws_errors("feeds", f"the table {self._table}"):
            yield

    def _check(self, customer: str) -> None:
        if not self._tools.has_customer(customer):
            raise UserError("facts.unknown-customer", f"there is no customer {customer}")

    # -- the lock --------------------------------------------------------------------------------

    def _lock(self, owner: str) -> str:
        holder, tools = self._tools.new_name(), self._tools
        begun = tools.clock()
        while True:
            now = tools.clock()
            until = now + LEASE
            expires = until // 1_000 + DAY_SECONDS
            try:
                with self.errors():
                    self._client.put_item(
                        TableName=self._table,
                        Item=_key(owner, "lock")
                        | {
                            "holder": {"S": holder},
                            "until": {"N": str(until)},
                            "expires_at": {"N": str(expires)},
                        },
                        # Its own holder, too: botocore asks again if an answer was lost.
                        ConditionExpression=(
                            "attribute_not_exists(entry) OR #until < :now OR #holder = :holder"
                        ),
                        ExpressionAttributeNames={"#until": "until", "#holder": "holder"},
                        ExpressionAttributeValues={
                            ":now": {"N": str(now)},
                            ":holder": {"S": holder},
                        },
                    )
            except UserError as error:
                if _code_behind(error) not in _BUSY:
                    raise
            else:
                return holder
            if tools.clock() > begun + PATIENCE:
                raise _busy()
            tools.sleep(PAUSE)

    def _unlock(self, owner: str, holder: str) -> None:
        """End a lock, unless somebody else has it by now; one that stays ends by itself."""
        with contextlib.suppress(UserError), self.errors():
            self._client.delete_item(TableName=self._table, **_end_of_lock(owner, holder))

    def _write(self, owner: str, holder: str, actions: list[tuple[str, Item]]) -> None:
        """Make writes while the lock is held, and end it with the last of them."""
        end = _end_of_lock(owner, holder)
        chunks = [actions[i : i + ACTIONS - 1] for i in range(0, len(actions), ACTIONS - 1)] or [[]]
        for chunk in chunks[:-1]:
            self._transact([*chunk, ("ConditionCheck", end)])
        self._transact([*chunks[-1], ("Delete", end)])

    def _transact(self, actions: Sequence[tuple[str, Item]]) -> None:
        request = [{kind: {"TableName": self._table, **action}} for kind, action in actions]
        for attempt in range(ATTEMPTS):
            try:
                with self.errors():
                    self._client.transact_write_items(TransactItems=request)
            except UserError as error:
                cause = error.__cause__
                if _code_behind(error) != "TransactionCanceledException":
                    raise
                reasons = cause.response if isinstance(cause, ClientError) else {}
                codes = {one.get("Code", "None") for one in reasons.get("CancellationReasons", [])}
                if not codes <= _PASSING:
                    raise _busy() from error
                if attempt == ATTEMPTS - 1:
                    raise
                self._tools.sleep(PAUSE)
            else:
                return


def owner_of(customer: str) -> str:
    """Return the partition of a person."""
    return f"customer#{customer}"


def text(item: Mapping[str, Any], name: str) -> str:
    """Return a text of an item."""
    return str(item[name]["S"])


def _key(owner: str, entry: str) -> Item:
    return {"owner": {"S": owner}, "entry": {"S": entry}}


def _end_of_lock(owner: str, holder: str) -> Item:
    return {
        "Key": _key(owner, "lock"),
        "ConditionExpression": "holder = :holder",
        "ExpressionAttributeValues": {":holder": {"S": holder}},
    }


def _code_behind(error: UserError) -> str:
    """Return the code of AWS that an error was made of."""
    cause = error.__cause__
    return error_code(cause) if isinstance(cause, ClientError) else ""


def _busy() -> UserError:
    message = "somebody else is changing the feed of this person"
    return UserError("service.busy", message, "try again in a second")
