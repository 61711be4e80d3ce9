"""Real servers, started on loopback for the tests that ask for them."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from local.servers import MissingError, Server, postgresql
from psycopg import sql

from tuppence.adapters.postgres.migrating import make_login, migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[Server, str]]:
    """A PostgreSQL, and its owner's address."""
    try:
        with postgresql(durable=False) as (server, url):
            yield server, url
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def migrated(postgres: tuple[Server, str]) -> str:
    """The name of a database with all tables and no rows, of which tests get copies."""
    url = _create(postgres[1], "migrated", "template1")
    migrate(url)
    return "migrated"


@pytest.fixture
def new_database(postgres: tuple[Server, str]) -> Iterator[Callable[[str], str]]:
    """Make copies of a database for one test; return the owner's address of each."""
    _, url = postgres
    made: list[str] = []

    def make(template: str) -> str:
        made.append(f"test_{len(made)}")
        return _create(url, made[-1], template)

    yield make
    with psycopg.connect(url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _create(url: str, name: str, template: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture
def empty_database(new_database: Callable[[str], str]) -> Callable[[], str]:
    """Make databases without tables; return the owner's address of each."""
    return lambda: new_database("template1")


@pytest.fixture
def database(new_database: Callable[[str], str], migrated: str) -> str:
    """The owner's address of a database with all tables and no rows."""
    return new_database(migrated)


@pytest.fixture
def rows_of(database: str) -> Callable[..., list[tuple[object, ...]]]:
    """Asks the database as its owner."""

    def ask(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(database) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def login(database: str) -> Iterator[Callable[..., str]]:
    """Make logins for one test; give the address of each: `login("ann", "author", "reviewer")`.

    Logins are of the whole server, which tests share: one that stayed would keep its roles.
    """
    made: set[str] = set()

    def make(name: str, *roles: str) -> str:
        make_login(database, name, "pass", roles)
        made.add(name)
        return f"postgresql://{name}:pass@{database.partition('@')[2]}"

    yield make
    with psycopg.connect(database, autocommit=True) as connection:
        there = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for name in map(sql.Identifier, sorted(made & there)):
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))
