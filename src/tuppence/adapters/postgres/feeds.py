"""The memory of feeds in PostgreSQL, and the customers whose feeds are built from it."""

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import psycopg
from psycopg import RawServerCursor

from tuppence.adapters.postgres.connection import connect, load_query
from tuppence.adapters.postgres.connection_pool import ConnectionPool
from tuppence.errors import UserError
from tuppence.feed.items import DAY, Event, ItemId, ItemState
from tuppence.feed.preferences import Preferences
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults, ResultsThatApply, ResultStore
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import RulesetStore, has_rule, read_rules
from tuppence.usecases.customer_store import no_results
from tuppence.usecases.feed_ports import (
    Kept,
    Known,
    LoggedView,
    Person,
    Received,
    View,
    Withdrawal,
)

WAIT_SECONDS: Final = 2.0
"""Seconds that a request waits for a connection before it is refused."""
AHEAD_DAYS: Final = 7
"""Days before its month begins on which a partition is first made."""
_logger: Final = logging.getLogger(__name__)
_ITEMS: Final = msgspec.json.Decoder(list[ItemId])
_VIEWS: Final = msgspec.json.Decoder(View)
_STATES: Final = msgspec.json.Decoder(list[tuple[ItemId, ItemState]])


class Connections:
    """A bounded number of connections, which threads share, each for a transaction.

    Args:
        url: Address of the database.
        size: Maximum number of connections.
    """

    def __init__(self, url: str, size: int) -> None:
        self._pool = ConnectionPool(lambda: _connected(url), _ping, size, WAIT_SECONDS)

    @contextlib.contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """Lend a connection for single queries, each of which sees one moment of its own.

        Raises:
            UserError: As from `ConnectionPool.lend`.
        """
        with self._pool.lend() as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """Lend a connection for a transaction, which takes effect at the end of the block.

        Raises:
            UserError: As from `ConnectionPool.lend`.
        """
        with self._pool.lend() as connection, connection.transaction():
            yield connection

    def check(self) -> None:
        """Check that the database answers.

        Raises:
            UserError: It does not.
        """
        with self.reading() as connection:
            connection.execute(load_query("feed_withdrawals"))

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._pool.close()


class PostgresFeeds:
    """The memory of feeds. Implements the ports FeedStore and FeedLog.

    Args:
        connections: Connections of a login with the role tuppence_feed.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._days: set[int] = set()  # on which events were received: their partitions are there

    def kept(self, customer: str) -> Kept:
        """Return the stored events and preferences of a person."""
        with self._connections.reading() as connection:
            return read_kept(connection, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change what is kept of a person: all that the block does, or nothing."""
        with self._connections.transaction() as connection:
            lock_person(connection, customer)
            change = _Change(connection, customer, self._days)
            yield change
        self._days |= change.days  # only now their partitions are there for good
        for day in change.days:
            self.make_month(day + AHEAD_DAYS)

    def make_month(self, day: int) -> None:
        """Make the partition of a day ahead of time; if that fails, a later day tries again.

        A new partition locks the customers for a moment, for which it may have to wait for a load.
        """
        try:
            with self._connections.transaction() as connection:
                connection.execute(load_query("feed_month"), [day * DAY])
        except UserError as error:
            _logger.warning("month not made", extra={"code": error.code})

    def log(self, nights: int | None = None) -> Iterator[LoggedView]:
        """Return the views that are kept of the last nights, as of one moment."""
        with (
            self._connections.transaction() as connection,
            RawServerCursor(
                connection, "feed_log"
            ) as cursor,  # the server keeps what is not read yet
        ):
            first = 0 if nights is None else _last_night(connection) - nights + 1
            for customer, name, view, items in cursor.execute(load_query("feed_log"), [first]):
                clicked = frozenset(_ITEMS.decode(items))
                yield LoggedView(customer, name, _VIEWS.decode(view), clicked)

    def withdrawals(self) -> Sequence[Withdrawal]:
        """Return all withdrawals and restorations, oldest first."""
        with self._connections.reading() as connection:
            rows = connection.execute(load_query("feed_withdrawals")).fetchall()
            return [Withdrawal(*row) for row in rows]

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Keep a withdrawal."""
        one = withdrawal
        given = [one.rule_id, one.withdrawn, one.by, one.reason, one.at]
        with self._connections.reading() as connection:
            connection.execute(load_query("feed_withdraw"), given)


class _Change:
    """A change in an open transaction. Implements the port FeedChange."""

    def __init__(
        self, connection: psycopg.Connection, customer: str, known_days: Collection[int]
    ) -> None:
        self._connection = connection
        self._customer = customer
        self._known_days = known_days
        self.days = set[int]()
        self.kept = read_kept(connection, customer)

    def views(self, ids: Collection[str]) -> Mapping[str, View]:
        rows = self._named("feed_views", ids)
        return {name: msgspec.json.decode(content, type=View) for name, content in rows}

    def events(self, ids: Collection[str]) -> Mapping[str, Event]:
        rows = self._named("feed_events", ids)
        return {name: msgspec.json.decode(content, type=Event) for name, content in rows}

    def add(
        self,
        views: Mapping[str, View],
        events: Sequence[Received],
        states: Mapping[ItemId, ItemState],
    ) -> None:
        self._write("feed_add_views", [*views], [*map(_json, views.values())])
        for day in {one.at // DAY for one in events}.difference(self._known_days):
            self._connection.execute(load_query("feed_month"), [day * DAY])
            self.days.add(day)
        self._write(
            "feed_add_events",
            [one.event.order.id for one in events],
            [one.at for one in events],
            [_json(one.event) for one in events],
        )
        self._write(
            "feed_put_states",
            [item.rule_id for item in states],
            [item.turn for item in states],
            [*map(_json, states.values())],
        )

    def prefer(self, preferences: Preferences) -> None:
        self._connection.execute(
            load_query("feed_put_preferences"), [self._customer, _json(preferences)]
        )

    def _named(self, query: str, ids: Collection[str]) -> Sequence[tuple[str, str]]:
        if not ids:
            return []
        return self._connection.execute(load_query(query), [self._customer, [*ids]]).fetchall()

    def _write(self, query: str, *columns: Sequence[Any]) -> None:
        if columns[0]:
            self._connection.execute(load_query(query), [self._customer, *columns])


class PostgresPeople:
    """The customers of a database. Implements the ports People and Audience.

    A feed stands for the present day: the services do not keep which night has looked at whom. The
    day of its numbers is that of the night that last changed the customer's results.

    Args:
        connections: Connections of a login with the role tuppence_feed.
        results: Opens the results, once in each thread.
        rulesets: The rulesets that they were made with.
        purposes: Consents for these count, and for no others.
        vulnerable: A declared attribute that says who is vulnerable; None if none does.
        address: A declared attribute that says where customers get mail; None if none does.
    """

    def __init__(
        self,
        connections: Connections,
        results: Callable[[], ResultStore],
        rulesets: RulesetStore,
        purposes: frozenset[str],
        vulnerable: str | None,
        address: str | None = None,
    ) -> None:
        self._connections = connections
        self._open_results = results
        self._rulesets = rulesets
        self._purposes = sorted(purposes)
        self._vulnerable = vulnerable
        self._address = address
        self._of_thread = threading.local()
        self._rules: dict[str, Mapping[str, Rule]] = {}

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name."""
        with self._connections.reading() as connection:
            return connection.execute(load_query("feed_known"), [customer]).fetchone() is not None

    def after(self, customer: str, limit: int) -> Sequence[str]:
        """Return the next customers after a name, in order of their names."""
        with self._connections.reading() as connection:
            rows = connection.execute(load_query("feed_after"), [customer, limit]).fetchall()
        return [name for (name,) in rows]

    def find(self, customer: str, today: Date) -> Person:
        """Return the known facts about a customer and their results."""
        (found,) = self.read([customer], today)
        if isinstance(found, UserError):
            raise found
        return found[0]

    def read(self, customers: Sequence[str], today: Date) -> Sequence[Known | UserError]:
        """Return the input of the feed of each customer, or why there is none, in one query."""
        given = [[*customers], str(today), self._purposes, self._vulnerable, self._address]
        with self._connections.reading() as connection:
            rows = connection.execute(load_query("feed_read"), given).fetchall()
        found = {row[0]: row[1:] for row in rows}
        results = self.results().get([*found])

        def known(customer: str) -> Known | UserError:
            if customer not in found:
                return UserError("facts.unknown-customer", f"there is no customer {customer}")
            if customer not in results:
                return no_results("the services", customer)
            currency, flag, address, readable, *kept = found[customer]
            person = self._person(results[customer], currency, flag, address, readable, today)
            return person, _as_kept(*kept)

        return [known(customer) for customer in customers]

    def _person(
        self,
        row: CustomerResults,
        currency: str,
        flag: str | None,
        address: str | None,
        readable: bool,
        today: Date,
    ) -> Person:
        known = {"true": True, "false": False}
        return Person(
            row.customer_id,
            ResultsThatApply(row),  # many feeds are not built, as the app has them
            row.version,
            self._rules_of(row.ruleset),
            row.ruleset,
            today,
            Date(row.as_of),
            "" if readable else "no consent of this customer allows insights",
            currency,
            False if self._vulnerable is None else known.get(flag or ""),
            address,
        )

    def has_rule(self, rule_id: str) -> bool:
        """Return whether any ruleset that is kept has a rule of this name."""
        return has_rule(self._rulesets, rule_id)

    def results(self) -> ResultStore:
        """Return the results, opened once in each thread."""
        found: ResultStore | None = getattr(self._of_thread, "results", None)
        if found is None:
            found = self._of_thread.results = self._open_results()
        return found

    def _rules_of(self, digest: str) -> Mapping[str, Rule]:
        if digest not in self._rules:
            rules = read_rules(self._rulesets.get(digest))
            self._rules[digest] = {rule.id: rule for rule in rules}
        return self._rules[digest]


def read_kept(connection: psycopg.Connection, customer: str) -> Kept:
    """Return what is kept of a person, on an open connection."""
    row = connection.execute(load_query("feed_kept"), [customer]).fetchone()
    assert row is not None  # noqa: S101 - the query always has a row
    return _as_kept(*row)


def _as_kept(states: str, chosen: str | None, withdrawn: Sequence[str]) -> Kept:
    preferences = Preferences() if chosen is None else msgspec.json.decode(chosen, type=Preferences)
    return Kept(dict(_STATES.decode(states)), preferences, frozenset(withdrawn))


def _last_night(connection: psycopg.Connection) -> int:
    """Return the last night of which a view is kept; 0 if none is."""
    row = connection.execute(load_query("feed_last_night")).fetchone()
    return row[0] if row and row[0] is not None else 0


def lock_person(connection: psycopg.Connection, customer: str) -> None:
    """Lock what is kept of a person until the transaction ends.

    The lock comes first: what is read after it is what the one before has left.

    Raises:
        UserError: There is no such customer.
    """
    if connection.execute(load_query("feed_lock"), [customer]).fetchone() is None:
        raise UserError("facts.unknown-customer", f"there is no customer {customer}")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _connected(url: str) -> psycopg.Connection:
    connection = connect(url)
    connection.autocommit = True  # a query is its own transaction, without two further round trips
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # see `lock_person`
    return connection


def _ping(connection: psycopg.Connection) -> None:
    connection.execute(load_query("ping"))
