"""Real servers, started on loopback for the tests that ask for them."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from local.servers import MissingError, Server, postgresql

from tuppence.adapters.postgres.migrating import make_login, migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[Server, str]]:
    """A PostgreSQL, and its owner's address."""
    try:
        with postgresql() as (server, url):
            yield server, url
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def empty_database(
    postgres: tuple[Server, str], request: pytest.FixtureRequest
) -> Iterator[Callable[[], str]]:
    """Makes databases without tables; gives the owner's address of each."""
    _, url = postgres
    made: list[str] = []

    def make() -> str:
        name = f"t{abs(hash(request.node.nodeid))}_{len(made)}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))

    yield make
    with psycopg.connect(url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(empty_database: Callable[[], str]) -> str:
    """The owner's address of a database with all tables and no rows."""
    url = empty_database()
    migrate(url)
    return url


@pytest.fixture
def rows_of(database: str) -> Callable[..., list[tuple[object, ...]]]:
    """Asks the database as its owner."""

    def ask(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(database) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def login(database: str) -> Callable[..., str]:
    """Make logins; give the address of each: `login("ann", "author", "reviewer")`."""

    def make(name: str, *roles: str) -> str:
        make_login(database, name, "pass", roles)
        return f"postgresql://{name}:pass@{database.partition('@')[2]}"

    return make
