"""Facts in PostgreSQL, read and loaded in columns."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import adbc_driver_manager
import msgspec
import polars as pl
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from tuppence.adapters.postgres.connection import database_errors, execute, load_query, run
from tuppence.errors import UserError
from tuppence.facts.consent import Consent, Use
from tuppence.facts.rows import Rows, columns, with_attributes
from tuppence.facts.schema import Field, Schema
from tuppence.feel.values import Date
from tuppence.usecases.copy_facts import CUSTOMERS_PER_PARTITION, Agreement

TABLES: Final = ("customers", "accounts", "transactions")


def read_schema(connection: dbapi.Connection) -> Schema:
    """Return the schema of the facts in a database."""
    rows = execute(connection, "attributes")
    declared = rows.column("declaration").to_pylist() if rows else []
    return Schema(tuple(msgspec.json.decode(text, type=Field) for text in declared))


def page(connection: dbapi.Connection, after: str, use: Use, limit: int) -> list[str]:
    """Return customers whose consents allow a use of their facts, ordered by identifier.

    Args:
        connection: Connection to the database.
        after: The identifier before the page.
        use: The intended use.
        limit: Maximum number of customers.
    """
    rows = execute(connection, "page", after, *_parameters(use), limit)
    return rows.column("id").to_pylist() if rows else []


def gone(connection: dbapi.Connection, customers: Sequence[str]) -> list[str]:
    """Return those of some customers who are not in the database."""
    rows = execute(connection, "gone", customers)
    return rows.column("id").to_pylist() if rows else []


def tables(
    connection: dbapi.Connection,
    customers: Sequence[str],
    use: Use | None,
    fields: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """Yield the rows of customers for each of `TABLES`, as of one moment.

    Args:
        connection: Connection to the database, on which this is a transaction of its own.
        customers: Identifiers of the customers; unknown ones are ignored.
        use: The intended use of the facts, which consents must allow. None yields all facts, which
            is for people's own right to their data, and for copies that keep the consents beside
            the facts.
        fields: Fields of transactions to read; None for all.
    """
    if use is None:
        execute(connection, "select_all", customers)
    else:
        execute(connection, "select_consenting", customers, *_parameters(use))
    with connection.cursor() as cursor:
        for table in TABLES:
            query = load_query(table)
            if table == "transactions" and fields is not None:
                query = f"SELECT {_columns(fields)} FROM ({query}) AS rows"  # noqa: S608 - known names
            cursor.execute(query)
            yield cursor.fetch_record_batch()
    connection.commit()


def _parameters(use: Use) -> tuple[Date, Date, list[str]]:
    """Return a use as parameters of a query: today, the as-of date, purposes."""
    return Date(use.today), Date(use.as_of), sorted(use.purposes)


def _columns(fields: Sequence[str]) -> str:
    """Return the quoted columns of fields, and those that identify and order transactions."""
    known = columns("transactions", Schema())
    return ", ".join(f'"{name}"' for name in known if name in {*fields, "id", "sequence"})


def everything(connection: dbapi.Connection) -> Iterator[Rows]:
    """Yield all facts, in pages of customers."""
    schema = read_schema(connection)
    after = ""
    while True:
        ids = execute(connection, "everybody", after, CUSTOMERS_PER_PARTITION)
        customers = ids.column("id").to_pylist() if ids else []
        if not customers:
            return
        frames = [pl.DataFrame(reader) for reader in tables(connection, customers, None)]
        after = customers[-1]
        yield Rows(with_attributes(frames[0], schema), frames[1], frames[2])


def consents(connection: dbapi.Connection, customers: Sequence[str]) -> list[Consent]:
    """Return the consents of customers."""
    rows = execute(connection, "consents", customers)
    return [
        Consent(**row | {"scope": tuple(row["scope"])})
        for row in (rows.to_pylist() if rows else ())
    ]


def rows_of(connection: dbapi.Connection, customer: str, use: Use | None = None) -> Rows:
    """Return the rows of a customer; no rows if there are none.

    Args:
        connection: Connection to the database.
        customer: The customer.
        use: The intended use, as for `tables`.
    """
    schema = read_schema(connection)
    frames = [pl.DataFrame(reader) for reader in tables(connection, [customer], use)]
    if not frames[0].height:
        return Rows()
    return Rows(with_attributes(frames[0], schema), frames[1], frames[2])


def feed_of(connection: dbapi.Connection, customer: str) -> Mapping[str, Any]:
    """Return all that is kept of a customer's feeds, for JSON."""
    rows = execute(connection, "feed_export", customer)
    connection.commit()
    found: dict[str, Any] = {}
    for row in rows.to_pylist() if rows else ():
        found = msgspec.json.decode(row["found"])
    return found


def erase(connection: dbapi.Connection, customer: str) -> Mapping[str, int]:
    """Erase a customer, and return the number of their rows in each table, which may be 0.

    Raises:
        UserError: A row that names the customer would be left; then nothing is erased.
    """
    with turn(connection), database_errors():
        run(connection, "facts_lock")
        before = _traces(connection, customer)
        execute(connection, "forget", customer)
        left = [table for table, count in _traces(connection, customer).items() if count]
        if left:
            message = f"rows of this customer would be left in {', '.join(left)}"
            raise UserError("privacy.left", message, "nothing was erased")
        connection.commit()
    return before


def _traces(connection: dbapi.Connection, customer: str) -> Mapping[str, int]:
    """Return the number of rows of each table that name a customer."""
    rows = execute(connection, "traces", customer)
    return (
        {} if rows is None else {name: rows.column(name)[0].as_py() for name in rows.schema.names}
    )


def load(
    connection: dbapi.Connection,
    schema: Schema,
    parts: Iterable[Rows],
    agreement: Agreement | None,
    consents_of: Callable[[Sequence[str]], Sequence[Consent]] = lambda _: (),
    names: Collection[str] = (),
) -> None:
    """Load facts in one transaction; rows with the same keys are replaced.

    Loads and erasures wait for each other. After an error the connection can load again: a store
    may have to be read anew, because it was changed meanwhile.

    Args:
        connection: Connection to the database.
        schema: Schema of the facts.
        parts: The facts.
        agreement: The consent to record for new customers without a known consent, if any.
        consents_of: Returns the known consents of some customers.
        names: Names of parts of a store whose transactions the database has then.

    Raises:
        UserError: The database has other attributes of customers, or a row violates a constraint.
    """
    with database_errors(), _all_or_nothing(connection):
        run(connection, "facts_lock")
        _declare(connection, schema)
        begin = execute(connection, "load_begin")
        bulk_load = bool(begin and begin.column("bulk_load")[0].as_py())
        run(connection, "load_stage")
        if bulk_load:
            run(connection, "load_drop_constraints")
        owners = pl.DataFrame(schema={"id": pl.String, "customer": pl.String})
        for part in _prefetch(parts):
            if part.accounts is not None:
                owners = part.accounts.select("id", "customer")
            _load_part(connection, part, owners, agreement, consents_of, bulk_load=bulk_load)
        if bulk_load:
            run(connection, "load_add_constraints")
        execute(connection, "load_parts", sorted(names))
        connection.commit()


@contextlib.contextmanager
def turn(connection: dbapi.Connection) -> Iterator[None]:
    """Keep other loads and erasures out until the end of the block.

    Loads wait before they read their stores, so none brings back what was erased or replaced while
    it waited.
    """
    with database_errors():
        execute(connection, "load_turn")
        connection.commit()
    try:
        yield
    finally:
        with contextlib.suppress(adbc_driver_manager.Error):  # the lock ended with the session
            connection.rollback()
            execute(connection, "load_turn_end")
            connection.commit()


def loaded(connection: dbapi.Connection) -> frozenset[str]:
    """Return the names of parts of stores whose transactions the database has."""
    rows = execute(connection, "loaded")
    return frozenset(rows.column("name").to_pylist() if rows else ())


@contextlib.contextmanager
def _all_or_nothing(connection: dbapi.Connection) -> Iterator[None]:
    """End the transaction of a connection at an error."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(adbc_driver_manager.Error):  # the connection is broken
            connection.rollback()
        raise


def _prefetch(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the parts, preparing the next one in a thread while the consumer uses the last one."""
    iterator = iter(parts)
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, iterator, None)
        while (part := upcoming.result()) is not None:
            upcoming = pool.submit(next, iterator, None)
            yield part


def _load_part(
    connection: dbapi.Connection,
    part: Rows,
    owners: pl.DataFrame,
    agreement: Agreement | None,
    consents_of: Callable[[Sequence[str]], Sequence[Consent]],
    *,
    bulk_load: bool,
) -> None:
    if part.customers is not None:
        _copy(connection, "new_customers", _customers_for_sql(part.customers))
        execute(connection, "load_customers")
        known = msgspec.json.encode(consents_of(part.customers["id"].to_list())).decode()
        execute(connection, "load_store_consents", known)
        if agreement is not None:
            granted, expires = agreement.granted, agreement.expires
            execute(connection, "load_consents", granted, expires, agreement.jurisdiction)
    if part.accounts is not None:
        _copy(connection, "new_accounts", _for_sql(part.accounts))
        execute(connection, "load_accounts")
    if part.transactions is not None:
        owned = part.transactions.join(
            owners, left_on="account", right_on="id", how="left", maintain_order="left"
        )
        if bulk_load:
            _copy(connection, "transactions", _for_sql(owned), schema="tuppence")
        else:
            _copy(connection, "new_transactions", _for_sql(owned))
            execute(connection, "load_transactions")
    run(connection, "load_clear")


def _declare(connection: dbapi.Connection, schema: Schema) -> None:
    """Declare the attributes of the first customers, or check that they are the same as before."""
    present = read_schema(connection)
    if present == schema:
        return
    if present.attributes:
        message = "the customers in the database have other attributes"
        raise UserError("store.attributes", message, "load into a new database")
    for place, attribute in enumerate(schema.attributes):
        declaration = msgspec.json.encode(attribute).decode()
        execute(connection, "load_attribute", attribute.name, place, declaration)


def _customers_for_sql(frame: pl.DataFrame) -> pl.DataFrame:
    """Return customers with their declared attributes as one JSON column."""
    stored = {f.name for f in Schema().customer} | {"id"}
    others = [name for name in frame.columns if name not in stored]
    encoded = pl.struct(others).struct.json_encode() if others else pl.lit("{}")
    smaller = [pl.col(n).cast(pl.Int32) for n in ("birth year", "household size")]
    return _for_sql(frame.with_columns(*smaller, attributes=encoded).drop(others))


def _for_sql(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with the names and types of columns in the database."""
    dates = [name for name in ("booking date", "since", "opened") if name in frame.columns]
    texts = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Enum)]
    frame = frame.with_columns(pl.col(dates).cast(pl.Date), pl.col(texts).cast(pl.String))
    small = [name for name in frame.columns if name.endswith(" confidence")]
    frame = frame.with_columns(pl.col(small).cast(pl.Int16))
    names = {"customer": "customer_id", "account": "account_id"}
    return frame.rename({n: names.get(n, n.replace(" ", "_")) for n in frame.columns})


def _copy(connection: dbapi.Connection, table: str, rows: pl.DataFrame, schema: str = "") -> None:
    """Append rows to a table of a schema, or to a temporary one."""
    with connection.cursor() as cursor:
        cursor.adbc_ingest(
            table,
            rows.to_arrow(compat_level=pl.CompatLevel.oldest()),
            mode="append",
            temporary=not schema,
            db_schema_name=schema or None,
        )
