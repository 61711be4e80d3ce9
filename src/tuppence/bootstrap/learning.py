"""Composes what the order of feeds is learned from: a store, or the services."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.local import StoreFolder, fact_database
from tuppence.usecases.learn_order import LogColumns, read_log, renew_models

if TYPE_CHECKING:
    from tuppence.facts.schema import Schema


class Learning(NamedTuple):
    """The log of feeds, and the models that are made from it.

    Attributes:
        read_log: Reads the log.
        models: The models.
        schema: Returns the schema of the facts, for policies.
    """

    read_log: Callable[[], LogColumns]
    models: ModelDirectory
    schema: "Callable[[], Schema]"


def learning_of_store(store: StoreFolder) -> Learning:
    """Return the log and the models of a store."""
    return Learning(lambda: read_log(store.feed.log()), store.models, lambda: store.schema)


def learning_of_services(url: str, models: Path) -> Learning:
    """Return the log of a database, and the models of a folder.

    Args:
        url: Address of the database; the login has the role feed.
        models: The folder of models, which the feed service reads.

    Raises:
        UserError: A package is missing.
    """
    with extra("database"):
        from tuppence.adapters.postgres.feeds import Connections, PostgresFeeds  # noqa: PLC0415

    def log() -> LogColumns:
        with closing(Connections(url, 1)) as connections:
            return read_log(PostgresFeeds(connections).log())

    def schema() -> "Schema":
        with fact_database(url) as facts:
            return facts.schema()

    return Learning(log, ModelDirectory(models), schema)


def renew_models_of(learning: Learning) -> int:
    """Destroy all models, and fit the published one again; return how many were destroyed."""
    return renew_models(learning.models, learning.read_log)[0]
