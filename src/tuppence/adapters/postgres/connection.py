"""Connections to PostgreSQL, named queries, and the translation of database errors."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Final

import adbc_driver_manager
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from tuppence.errors import TransientError, UserError
from tuppence.feel.values import Date

_CONFLICT: Final = (
    "definition.conflict",
    "the definition has changed since it was read",
    "read it again, in its review or by tuppence definitions review RULE",
)
_MEANINGS: Final = {
    "definitions_step": (
        "database.refused",
        "a definition cannot take this step",
        "look at its versions, or at tuppence definitions history RULE",
    ),
    "definitions_four_eyes": (
        "database.refused",
        "a login that has changed a definition since its last approval may not approve it",
        "have somebody else approve it",
    ),
    "definitions_issuer": (
        "database.refused",
        "it was changed under an identity of another issuer, which may be the same person",
        "approve it where it was changed: with a login, or in the service",
    ),
    "remarks_once": (
        "database.refused",
        "the same person has approved this version already",
        "have somebody else approve it, too",
    ),
    "definitions_version": _CONFLICT,
    "definitions_pkey": _CONFLICT,
    "definitions_digest": _CONFLICT,
    "definitions_frozen": ("database.refused", "a definition can be changed as a draft only", ""),
    **{
        f"feed_{table}_customer_id_fkey": (
            "facts.unknown-customer",
            "there is no such customer any more",
            "",
        )
        for table in ("events", "preferences", "states", "views")
    },
    "append_only": ("database.refused", "rows of this table can only be added", ""),
    "customers_identifier": (
        "database.refused",
        "the identifier of a customer is too long, or not all of it is visible",
        "",
    ),
    "accounts_identifier": (
        "database.refused",
        "the identifier of an account is too long, or not all of it is visible",
        "",
    ),
}
"""Code, message and hint of the error for a violated constraint."""

_NO_TABLES: Final = {"3F000", "42P01"}
_TOO_LONG: Final = "57014"


@functools.cache
def load_query(name: str) -> str:
    """Return the text of a named query, which is the file `queries/NAME.sql`."""
    return resources.files(__package__).joinpath(f"queries/{name}.sql").read_text("utf-8")


def connect(url: str) -> psycopg.Connection:
    """Return a connection for queries with few rows.

    Raises:
        UserError: The server cannot be reached, or refuses the connection.
    """
    with database_errors():
        return psycopg.connect(
            url,
            connect_timeout=10,
            application_name="tuppence",
            cursor_factory=psycopg.RawCursor,  # parameters are $1, as in PostgreSQL
        )


def connect_columns(url: str) -> dbapi.Connection:
    """Return a connection that transfers millions of rows in columns, set up for reading facts.

    Raises:
        UserError: The server cannot be reached, or refuses the connection.
    """
    with database_errors():
        connection = dbapi.connect(url, autocommit=False)
        run(connection, "session")
        connection.commit()
        return connection


def execute(connection: dbapi.Connection, name: str, *parameters: Any) -> pa.Table | None:
    """Return the rows of a named query; None for a statement that returns no rows.

    Args:
        connection: The connection to use.
        name: Name of the query.
        parameters: Texts, whole numbers, dates, and lists of texts.
    """
    with connection.cursor() as cursor:
        names = [str(number) for number in range(1, len(parameters) + 1)]
        bound = pa.record_batch([_array(p) for p in parameters], names) if parameters else None
        cursor.execute(load_query(name), parameters=bound)
        return cursor.fetch_arrow_table() if cursor.description else None


def run(connection: dbapi.Connection, name: str) -> None:
    """Run the statements of a named file one by one; none may contain a semicolon."""
    for statement in load_query(name).split(";"):
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _array(parameter: Any) -> pa.Array:
    if isinstance(parameter, Date):
        return pa.array([parameter.day], pa.int32()).cast(pa.date32())
    texts = isinstance(parameter, Sequence) and not isinstance(parameter, str)
    return pa.array([parameter], pa.list_(pa.string()) if texts else None)


@contextlib.contextmanager
def database_errors() -> Iterator[None]:
    """Turn errors of the drivers into errors a person can act on.

    Raises:
        TransientError: `database.unreachable` or `database.busy`: trying again may help.
        UserError: `database.refused` if a constraint is violated or a privilege is missing.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        message = "another process has held a lock for too long"
        raise TransientError("database.busy", message, "try again when it has finished") from None
    except psycopg.OperationalError as error:
        raise _unreachable(str(error)) from None
    except psycopg.IntegrityError as error:
        unknown = ("database.refused", _first_line(error), "")
        raise UserError(*_MEANINGS.get(error.diag.constraint_name or "", unknown)) from None
    except (psycopg.Error, adbc_driver_manager.Error) as error:
        if isinstance(error, adbc_driver_manager.Error) and unreachable(error):
            raise _unreachable(str(error)) from None
        if error.sqlstate == _TOO_LONG:
            message = "a query of the database took too long"
            raise UserError("database.timeout", message, "ask for less at a time") from None
        if error.sqlstate in _NO_TABLES:
            message = "the database lacks tables that are needed"
            hint = "tuppence database migrate creates them"
            raise UserError("database.version", message, hint) from None
        raise UserError("database.refused", f"the database refused: {_first_line(error)}") from None


def unreachable(error: adbc_driver_manager.Error) -> bool:
    """Return whether the connection failed, not the query."""
    return not error.sqlstate or error.sqlstate[:2] == "08" or error.sqlstate[:3] == "57P"


def _unreachable(problem: str) -> TransientError:
    message = f"the database cannot be used now: {problem.splitlines()[0] if problem else 'gone'}"
    hint = "check that it is running, then try again"
    return TransientError("database.unreachable", message, hint)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
