"""Composes what the order of feeds is learned from: a store, or the services."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.extras import extra
from tuppence.bootstrap.service_stores import feeds_of_services, model_store
from tuppence.bootstrap.store import StoreFolder
from tuppence.relevance.fitting import WINDOW
from tuppence.usecases.learn_order import LogColumns, read_log, renew_models

if TYPE_CHECKING:
    from tuppence.facts.schema import Schema
    from tuppence.usecases.learn_order import ModelStore


class Learning(NamedTuple):
    """The log of feeds, and the models that are made from it.

    Attributes:
        read_log: Reads the log: the number of last nights that are needed, or all.
        models: The models.
        schema: Returns the schema of the facts, for policies.
    """

    read_log: "Callable[[int | None], LogColumns]"
    models: "ModelStore"
    schema: "Callable[[], Schema]"


def learning_of_store(store: StoreFolder) -> Learning:
    """Return the log and the models of a store."""
    return Learning(
        lambda nights: read_log(store.feed.log(nights)), store.models, lambda: store.schema
    )


def learning_of_services(url: str, models: str, feeds: str = "") -> Learning:
    """Return the log and the models of the services.

    Args:
        url: Address of the database; the login has the role feed.
        models: The models that the feed service reads: a folder, or s3://bucket/prefix/.
        feeds: The memory of feeds: a table, such as dynamodb://table; or empty for the database.

    Raises:
        UserError: A package is missing.
    """
    with extra("database"):
        from tuppence.adapters.postgres.feeds import Connections, PostgresFeeds  # noqa: PLC0415

    outside = feeds_of_services(feeds)

    def log(nights: int | None) -> LogColumns:
        if outside is not None:
            return read_log(outside.log(nights))
        with closing(Connections(url, 1)) as connections:
            return read_log(PostgresFeeds(connections).log(nights))

    def schema() -> "Schema":
        with fact_database(url) as facts:
            return facts.schema()

    return Learning(log, model_store(models), schema)


def renew_models_of(learning: Learning) -> int:
    """Destroy all models, and fit the published one again; return how many were destroyed."""
    return renew_models(learning.models, lambda: learning.read_log(WINDOW))[0]
