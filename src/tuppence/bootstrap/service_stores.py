"""Opens what the services keep: rulesets, models, results and feeds, in files or on AWS."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import is_store
from tuppence.adapters.embedded.identifier_key import read_identifier_key
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.bankdata.masking import Tokens
from tuppence.bootstrap.database import is_database
from tuppence.bootstrap.extras import extra
from tuppence.errors import UserError
from tuppence.results.result import ResultStore
from tuppence.rules.ruleset import RulesetStore
from tuppence.usecases.learn_order import ModelStore

if TYPE_CHECKING:
    from tuppence.adapters.aws.feeds import DynamoFeeds


def ruleset_store(where: str) -> RulesetStore:
    """Return the rulesets in a folder, or in a bucket such as s3://bucket/rulesets/."""
    if not where.startswith("s3://"):
        return RulesetDirectory(Path(where))
    with extra("aws"):
        from tuppence.bootstrap.aws import s3_rulesets  # noqa: PLC0415

    return s3_rulesets(where)


def model_store(where: str) -> ModelStore:
    """Return the models of the order of feeds in a folder, or in a bucket: s3://bucket/models/."""
    if not where.startswith("s3://"):
        return ModelDirectory(Path(where))
    with extra("aws"):
        from tuppence.bootstrap.aws import s3_models  # noqa: PLC0415

    return s3_models(where)


def result_store(where: str, rulesets: RulesetStore) -> Callable[[], ResultStore]:
    """Return a function that opens results in a file, at dynamodb://table, or at postgresql://…."""
    if is_database(where):
        with extra("database"):
            from tuppence.adapters.postgres.results import PostgresResults  # noqa: PLC0415

        return lambda: PostgresResults(where)
    if not where.startswith("dynamodb://"):
        refuse_part_of_store(Path(where))
        return lambda: Database(Path(where), write_ahead=True)
    with extra("aws"):
        from tuppence.bootstrap.aws import dynamo_results  # noqa: PLC0415

    return dynamo_results(where.removeprefix("dynamodb://"), rulesets.get)


def results_of_services(where: str, rulesets: RulesetStore) -> ResultStore:
    """Open the results that the services keep; a file that is not there is not made.

    Raises:
        UserError: There is no such file, so that nothing in it would be found.
    """
    in_file = not where.startswith("dynamodb://") and not is_database(where)
    if in_file and not Path(where).exists():
        hint = "name the file that the engines keep their results in"
        raise UserError("results.missing", f"{where}: there are no results here", hint)
    return result_store(where, rulesets)()


def feeds_of_services(where: str) -> "DynamoFeeds | None":
    """Return what is kept of feeds outside of the database; None if the database keeps it.

    Args:
        where: The table, such as dynamodb://table; empty for the database.

    Raises:
        UserError: The address is not one of a table.
    """
    if not where:
        return None
    with extra("aws"):
        from tuppence.bootstrap.aws import dynamo_feeds  # noqa: PLC0415

    feeds, _ = dynamo_feeds(where, lambda _: False, lambda: time.time_ns() // 1_000_000)
    return feeds


def tokens_of_services(key: Path | None, customer: str) -> Tokens:
    """Return the names that the services have for identifiers that hold a card number.

    Args:
        key: The file of the secret that the store, of which the facts are, made tokens with.
            Without it there is an error, `privacy.key-missing`, where a token is needed.
        customer: The identifier that the error is about.
    """

    def secret() -> bytes:
        if key is None:
            message = f"{customer}: may hold a card number, which a database has as a token only"
            hint = (
                "give --key with the file identifiers.key of the store that was loaded into the "
                "database, or the token that replaced the number"
            )
            raise UserError("privacy.key-missing", message, hint)
        return read_identifier_key(key)

    return Tokens(secret)


def refuse_part_of_store(path: Path) -> None:
    """Raise UserError for a results file of a store: only commands that lock it may write there."""
    if is_store(path.parent):
        message = f"{path}: this file belongs to the store {path.parent}"
        hint = "name a file outside of it; tuppence run writes the results of a store"
        raise UserError("store.shared", message, hint)
