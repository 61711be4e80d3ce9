"""Composes the database to which the parts of a night write the results that are new."""

from typing import TYPE_CHECKING

import msgspec
import psycopg

from tuppence.adapters.postgres.results import PostgresResults
from tuppence.errors import UserError

if TYPE_CHECKING:
    from tuppence.adapters.objects.nights import OpenResults


class ResultsDatabase(msgspec.Struct, frozen=True):
    """Opens the results in a database.

    Attributes:
        url: Address of the database, without a password.
    """

    url: str

    def __call__(self) -> PostgresResults:
        """Open them; each thread needs its own."""
        return PostgresResults(self.url)


def results_database(url: str) -> "OpenResults":
    """Return what opens the results in the database at an address.

    Raises:
        UserError: It is no address of a database, or has a password, which workers would be sent.
    """
    try:
        has_password = "password" in psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        message = "--results is no address of a database"
        hint = "write it as postgresql://LOGIN@HOST/DATABASE"
        raise UserError("results.address", message, hint) from None
    if has_password:
        message = "--results has a password, which would be sent to the workers of a cluster"
        hint = "leave it out, and set PGPASSWORD, or PGPASSFILE, on each machine that does parts"
        raise UserError("results.password", message, hint)
    return ResultsDatabase(url)
