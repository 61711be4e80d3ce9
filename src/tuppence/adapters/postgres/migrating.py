"""The tables of the database, from any version to any other."""

from pathlib import Path

import alembic.command
import sqlalchemy
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tuppence.adapters.postgres.connection import database_errors
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


def run_script(connection: sqlalchemy.Connection, revision: str, way: str) -> None:
    """Run the statements of a migration.

    Args:
        connection: Of the migration.
        revision: The file of the migration, which has its statements beside it.
        way: `up` or `down`.
    """
    statements = Path(revision).with_suffix(f".{way}.sql").read_text("utf-8")
    connection.connection.cursor().execute(statements)
