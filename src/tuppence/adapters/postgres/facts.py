"""Facts in PostgreSQL: read as columns, and loaded from columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
import polars as pl
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from tuppence.adapters.postgres.connection import database_errors, execute, named, run
from tuppence.errors import UserError
from tuppence.facts.consent import Consent, Use
from tuppence.facts.rows import Rows, columns, with_attributes
from tuppence.facts.schema import Field, Schema
from tuppence.feel.values import Date
from tuppence.usecases.copy_facts import CUSTOMERS_PER_PARTITION, Agreement

TABLES: Final = ("customers", "accounts", "transactions")


def read_schema(connection: dbapi.Connection) -> Schema:
    """The schema of the facts in a database."""
    found = execute(connection, "attributes")
    declared = found.column("declaration").to_pylist() if found else []
    return Schema(tuple(msgspec.json.decode(text, type=Field) for text in declared))


def page(connection: dbapi.Connection, after: str, use: Use, limit: int) -> list[str]:
    """Customers whose consents allow a use of their facts, in the order of their identifiers.

    Args:
        connection: Where.
        after: The identifier before the page.
        use: The use.
        limit: How many at most.
    """
    found = execute(connection, "page", after, *_parameters(use), limit)
    return found.column("id").to_pylist() if found else []


def gone(connection: dbapi.Connection, customers: Sequence[str]) -> list[str]:
    """Return those of some customers who are not in the database."""
    found = execute(connection, "gone", customers)
    return found.column("id").to_pylist() if found else []


def tables(
    connection: dbapi.Connection,
    customers: Sequence[str],
    use: Use | None,
    fields: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """The rows of customers: `TABLES` one after another, as they were at one moment.

    Args:
        connection: Where; the transaction begins and ends here.
        customers: Their identifiers; those that there are not are left out.
        use: What the facts are wanted for: only what consents allow for it is given. None gives
            everything, which is for people's own right to their data, and for copies that keep the
            consents beside the facts.
        fields: Columns of the transactions that are needed; all where it is None.
    """
    if use is None:
        execute(connection, "want_all", customers)
    else:
        execute(connection, "want", customers, *_parameters(use))
    with connection.cursor() as cursor:
        for table in TABLES:
            query = named(table)
            if table == "transactions" and fields is not None:
                query = f"SELECT {_chosen(fields)} FROM ({query}) AS rows"  # noqa: S608 - known names
            cursor.execute(query)
            yield cursor.fetch_record_batch()
    connection.commit()


def _parameters(use: Use) -> tuple[Date, Date, list[str]]:
    """A use as parameters of a query: today, the as-of date, purposes."""
    return Date(use.today), Date(use.as_of), sorted(use.purposes)


def _chosen(fields: Sequence[str]) -> str:
    """The columns of the fields, and those that rows are told apart and ordered by."""
    known = columns("transactions", Schema())
    return ", ".join(f'"{name}"' for name in known if name in {*fields, "id", "sequence"})


def everything(connection: dbapi.Connection) -> Iterator[Rows]:
    """Yield all facts, some customers at a time."""
    schema = read_schema(connection)
    after = ""
    while True:
        found = execute(connection, "everybody", after, CUSTOMERS_PER_PARTITION)
        customers = found.column("id").to_pylist() if found else []
        if not customers:
            return
        frames = [pl.DataFrame(reader) for reader in tables(connection, customers, None)]
        after = customers[-1]
        yield Rows(with_attributes(frames[0], schema), frames[1], frames[2])


def consents(connection: dbapi.Connection, customers: Sequence[str]) -> list[Consent]:
    """What customers agreed to."""
    found = execute(connection, "consents", customers)
    rows = found.to_pylist() if found else []
    return [Consent(**row | {"scope": tuple(row["scope"])}) for row in rows]


def rows_of(connection: dbapi.Connection, customer: str) -> Rows:
    """All rows of one customer; none where there is no such customer."""
    schema = read_schema(connection)
    frames = [pl.DataFrame(reader) for reader in tables(connection, [customer], None)]
    if not frames[0].height:
        return Rows()
    return Rows(with_attributes(frames[0], schema), frames[1], frames[2])


def erase(connection: dbapi.Connection, customer: str) -> Mapping[str, int]:
    """Erase a customer and return how many rows there were in each table; perhaps none.

    Raises:
        UserError: A row that names them is still there; then nothing is erased.
    """
    with database_errors():
        run(connection, "facts_lock")
        before = _traces(connection, customer)
        execute(connection, "forget", customer)
        left = [table for table, count in _traces(connection, customer).items() if count]
        if left:
            raise UserError("privacy.left", f"rows of this customer stay in {', '.join(left)}")
        connection.commit()
    return before


def _traces(connection: dbapi.Connection, customer: str) -> Mapping[str, int]:
    found = execute(connection, "traces", customer)
    return (
        {}
        if found is None
        else {name: found.column(name)[0].as_py() for name in found.schema.names}
    )


def load(
    connection: dbapi.Connection,
    schema: Schema,
    parts: Iterable[Rows],
    agreement: Agreement,
    consents_of: Callable[[Sequence[str]], Sequence[Consent]] = lambda _: (),
) -> None:
    """Put facts into the database, all or none; what is there of the same key is replaced.

    Waits for other loads and erasures, which see all of this one or nothing of it.

    Args:
        connection: Where.
        schema: Of the facts.
        parts: The facts.
        agreement: The consent of customers who are new and of whom none is known.
        consents_of: The consents that are known of some customers.

    Raises:
        UserError: The customers have other attributes, or a constraint stands against a row.
    """
    with database_errors():
        run(connection, "facts_lock")
        _declare(connection, schema)
        begin = execute(connection, "load_begin")
        straight = bool(begin and begin.column("straight")[0].as_py())
        run(connection, "load_stage")
        if straight:
            run(connection, "load_unguard")
        owners = pl.DataFrame(schema={"id": pl.String, "customer": pl.String})
        for part in _ahead(parts):
            if part.accounts is not None:
                owners = part.accounts.select("id", "customer")
            _load_part(connection, part, owners, agreement, consents_of, straight=straight)
        if straight:
            run(connection, "load_guard")
        connection.commit()


def _ahead(parts: Iterable[Rows]) -> Iterator[Rows]:
    """The parts, each made ready while the one before is on its way."""
    iterator = iter(parts)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, iterator, None)
            yield part


def _load_part(
    connection: dbapi.Connection,
    part: Rows,
    owners: pl.DataFrame,
    agreement: Agreement,
    consents_of: Callable[[Sequence[str]], Sequence[Consent]],
    *,
    straight: bool,
) -> None:
    if part.customers is not None:
        _copy(connection, "new_customers", _customers_for_sql(part.customers))
        execute(connection, "load_customers")
        told = msgspec.json.encode(consents_of(part.customers["id"].to_list())).decode()
        execute(connection, "load_store_consents", told)
        granted, expires = agreement.granted, agreement.expires
        execute(connection, "load_consents", granted, expires, agreement.jurisdiction)
    if part.accounts is not None:
        _copy(connection, "new_accounts", _for_sql(part.accounts))
        execute(connection, "load_accounts")
    if part.transactions is not None:
        owned = part.transactions.join(
            owners, left_on="account", right_on="id", how="left", maintain_order="left"
        )
        if straight:
            _copy(connection, "transactions", _for_sql(owned), schema="tuppence")
        else:
            _copy(connection, "new_transactions", _for_sql(owned))
            execute(connection, "load_transactions")
    run(connection, "load_clear")


def _declare(connection: dbapi.Connection, schema: Schema) -> None:
    """See that the database has the attributes; they are entered with the first customers."""
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
    """Customers with their declared attributes as one JSON column."""
    stored = {f.name for f in Schema().customer} | {"id"}
    others = [name for name in frame.columns if name not in stored]
    encoded = pl.struct(others).struct.json_encode() if others else pl.lit("{}")
    smaller = [pl.col(n).cast(pl.Int32) for n in ("birth year", "household size")]
    return _for_sql(frame.with_columns(*smaller, attributes=encoded).drop(others))


def _for_sql(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with the names and the dates of the database."""
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
