"""Starts real servers on loopback for the tests that need them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from filelock import FileLock
from local.servers import MissingError, Server, postgresql
from playwright.sync_api import Browser
from psycopg import sql
from tests.browsing import chromium
from tests.written import WRITTEN, write

from tuppence.bootstrap.database import make_login, migrate_database


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[Server, str]]:
    """Yield a PostgreSQL, and its owner's address."""
    try:
        with postgresql(durable=False) as (server, url):
            yield server, url
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def killable() -> Iterator[tuple[Server, str]]:
    """Yield a server of a database that may be killed, and the owner's address of the database."""
    try:
        with postgresql() as (server, url):
            migrate_database(url)
            yield server, url
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of templates by their names; one process writes them for all others."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "templates"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "all").exists():
            try:
                write(folder, *WRITTEN)
            except MissingError as error:
                pytest.skip(str(error))
            (folder / "all").touch()
    return {name: folder / name for name in WRITTEN}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield the browser; while it runs, no test of this process can use asyncio in its thread."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres: tuple[Server, str]) -> str:
    """Return the name of a database with all tables and no rows, which tests copy."""
    url = _create(postgres[1], "migrated", "template1")
    migrate_database(url)
    return "migrated"


@pytest.fixture(scope="session")
def new_template(postgres: tuple[Server, str], migrated: str) -> Callable[[str], str]:
    """Return a function that makes a database with all tables, which tests fill once and copy.

    It takes the name of the database, and returns the owner's address.
    """
    return lambda name: _create(postgres[1], name, migrated)


@pytest.fixture
def new_database(postgres: tuple[Server, str]) -> Iterator[Callable[[str], str]]:
    """Yield a function that copies a database for one test and returns the owner's address."""
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
    """Return a function that makes a database without tables and returns the owner's address."""
    return lambda: new_database("template1")


@pytest.fixture
def database(new_database: Callable[[str], str], migrated: str) -> str:
    """Return the owner's address of a database with all tables and no rows."""
    return new_database(migrated)


@pytest.fixture
def rows_of(database: str) -> Callable[..., list[tuple[object, ...]]]:
    """Return a function that queries the database as its owner."""

    def ask(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(database) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def login(database: str) -> Iterator[Callable[..., str]]:
    """Yield a function that makes a login and returns its address: `login("ann", "author")`.

    Logins belong to the whole server, which tests share: a login left behind would keep its roles.
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
