"""Opens and manages the database; its drivers are an extra, imported when they are needed."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from tuppence.bootstrap.extras import extra

if TYPE_CHECKING:
    from tuppence.adapters.postgres.definitions import Definitions
    from tuppence.adapters.postgres.fact_database import FactDatabase


def is_database(where: str) -> bool:
    """Return whether something is kept in a database: at an address such as postgresql://host."""
    return where.startswith(("postgresql://", "postgres://"))


@contextlib.contextmanager
def fact_database(url: str) -> "Iterator[FactDatabase]":
    """Connect to the facts and consents of a database, for the duration of the block."""
    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.fact_database import FactDatabase  # noqa: PLC0415

    with contextlib.closing(connect_columns(url)) as connection:
        yield FactDatabase(connection)


def migrate_database(url: str, to: str = "head") -> tuple[str, str]:
    """Migrate the tables of a database; return the versions before and after."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import migrate  # noqa: PLC0415 - an extra

    return migrate(url, to)


def retain_feeds(url: str, first: date) -> tuple[int, int]:
    """Remove old events and views of feeds; return the number of months, and of views."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import retain_feeds  # noqa: PLC0415 - an extra

    return retain_feeds(url, first)


def make_login(url: str, name: str, password: str, roles: Sequence[str]) -> None:
    """Create a login of a database with some roles, or give it a new password."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import make_login  # noqa: PLC0415 - an extra

    make_login(url, name, password, roles)


def call_convert(url: str, function: str) -> None:
    """Make Aurora call the convert function whenever a definition is approved or retired."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import call_convert  # noqa: PLC0415 - an extra

    call_convert(url, function)


def open_definitions(url: str) -> "Definitions":
    """Return the definitions of a database."""
    with extra("database"):
        from tuppence.adapters.postgres.definitions import Definitions  # noqa: PLC0415

    return Definitions(url)
