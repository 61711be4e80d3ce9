"""The tables of the database, from any version to any other."""

from collections.abc import Sequence
from pathlib import Path

import alembic.command
import sqlalchemy
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql

from tuppence.adapters.postgres.connection import connect, database_errors, named
from tuppence.errors import UserError


def migrate(url: str, to: str = "head") -> tuple[str, str]:
    """Bring the tables to a version, in one transaction.

    Args:
        url: Of the database, as `postgresql://…`; the login owns the tables.
        to: A version such as `0001`, `head` for the newest, `base` for none.

    Returns:
        The version before and the one after; `base` where there are no tables.

    Raises:
        UserError: There is no such version, or the database refuses.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    versions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    target = versions[0] if to == "head" else to
    if target not in {*versions, "base"}:
        known = ", ".join([*reversed(versions), "base"])
        raise UserError("database.version", f"there is no version {to}", f"there is {known}")
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
    """Make a login with some roles, or give it a new password and these roles too.

    Args:
        url: Of the database; the login there may make others.
        name: Of the new login.
        password: The server gets what it needs to check it, and never sees it.
        roles: Without their prefix: reader, loader, author, reviewer, publisher or service.

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


def call_convert(url: str, function: str) -> None:
    """Have Aurora call a function on AWS whenever a definition is approved or retired.

    Args:
        url: Of the database, which may call the function.
        function: Its ARN.

    Raises:
        UserError: That is no ARN of a function, or the database cannot call functions.
    """
    parts = function.split(":")
    if len(parts) < 7 or parts[2] != "lambda":
        message = f"{function!r} is not the ARN of a function"
        raise UserError("database.function", message, "it begins with arn:aws:lambda:REGION:")
    literals = {"function": sql.Literal(function), "region": sql.Literal(parts[3])}
    with connect(url) as connection, database_errors():
        connection.execute(sql.SQL(named("call_convert")).format(**literals))


def run_script(connection: sqlalchemy.Connection, revision: str, way: str) -> None:
    """Run the statements of a migration.

    Args:
        connection: Of the migration.
        revision: The file of the migration, which has its statements beside it.
        way: `up` or `down`.
    """
    statements = Path(revision).with_suffix(f".{way}.sql").read_text("utf-8")
    connection.connection.cursor().execute(statements)
