"""Migrates the tables of the database, and makes its logins."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import alembic.command
import sqlalchemy
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql

from tuppence.adapters.postgres.connection import connect, database_errors, load_query
from tuppence.errors import UserError


def migrate(url: str, to: str = "head") -> tuple[str, str]:
    """Migrate the tables to a version, in one transaction.

    Args:
        url: Address of the database, as `postgresql://…`; the login owns the tables.
        to: A version such as `0001`, `head` for the newest, `base` for none.

    Returns:
        The versions before and after; `base` without tables.

    Raises:
        UserError: There is no such version, or the database refuses.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    versions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    target = versions[0] if to == "head" else to
    if target not in {*versions, "base"}:
        known = ", ".join([*reversed(versions), "base"])
        raise UserError("database.version", f"there is no version {to}", f"choose one of {known}")
    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.begin() as connection, database_errors():
            before = MigrationContext.configure(connection).get_current_revision() or "base"
            config.attributes["connection"] = connection
            forward = target != "base" and (before == "base" or target > before)
            change = alembic.command.upgrade if forward else alembic.command.downgrade
            if before != target:
                change(config, target)
    except sqlalchemy.exc.DBAPIError as error:
        with database_errors():
            raise error.orig or error from None
    return before, target


def make_login(url: str, name: str, password: str, roles: Sequence[str]) -> None:
    """Create a login with some roles, or give an existing one a new password and these roles.

    Args:
        url: Address of the database, for a login that may create others.
        name: Name of the login.
        password: Password of the login; the server receives only a SCRAM verifier of it.
        roles: Roles without their prefix: reader, loader, author, reviewer, publisher or service.

    Raises:
        UserError: The database refuses.
    """
    with connect(url) as connection, database_errors():
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = $1", [name]).fetchone()
        secret = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        ).decode()
        statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("CREATE" if known is None else "ALTER"), sql.Identifier(name), secret
        )
        connection.execute(statement)
        for role in roles:
            grant = sql.SQL("GRANT {} TO {}")
            names = (sql.Identifier(f"tuppence_{role}"), sql.Identifier(name))
            connection.execute(grant.format(*names))


def retain_feeds(url: str, first: date) -> tuple[int, int]:
    """Remove events of feeds of the months before a day, and views of earlier nights.

    Args:
        url: Address of the database, whose owner logs in.
        first: The first day that is kept.

    Returns:
        The number of months, and of views.

    Raises:
        UserError: They are too young, or somebody uses them for too long.
    """
    with connect(url) as connection, database_errors():
        found = connection.execute(load_query("feed_retain"), [str(first)]).fetchone()
    return (0, 0) if found is None else (found[0], found[1])


def call_convert(url: str, function: str) -> None:
    """Make Aurora call a function on AWS whenever a definition is approved or retired.

    Args:
        url: Address of the database, which may call the function.
        function: ARN of the function.

    Raises:
        UserError: The ARN is malformed, or the database cannot call functions.
    """
    parts = function.split(":")
    if len(parts) < 7 or parts[2] != "lambda":
        message = f"{function!r} is not the ARN of a function"
        raise UserError("database.function", message, "an ARN begins with arn:aws:lambda:REGION:")
    literals = {"function": sql.Literal(function), "region": sql.Literal(parts[3])}
    with connect(url) as connection, database_errors():
        connection.execute(sql.SQL(load_query("call_convert")).format(**literals))


def run_script(connection: sqlalchemy.Connection, revision: str, direction: str) -> None:
    """Run the statements of a migration.

    Args:
        connection: Connection of the migration.
        revision: Path of the migration's module; its statements are in a file beside it.
        direction: `up` or `down`.
    """
    statements = Path(revision).with_suffix(f".{direction}.sql").read_text("utf-8")
    connection.connection.cursor().execute(statements)
