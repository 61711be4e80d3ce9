"""Databases for contracts that PostgreSQL has to keep, too."""

from tests.integration.conftest import (  # noqa: F401 - fixtures
    database,
    login,
    migrated,
    new_database,
    postgres,
)
