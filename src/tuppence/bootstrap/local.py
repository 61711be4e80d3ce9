"""Composes the use cases of the command line with adapters for one machine."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import is_store
from tuppence.adapters.embedded.identifier_key import read_identifier_key
from tuppence.adapters.embedded.locking import locked_file
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.store_folder import (
    StoreFolder as StoreFolder,  # noqa: PLC0414 - commands name the type
)
from tuppence.bankdata.masking import Tokens
from tuppence.bootstrap.extras import extra
from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts

if TYPE_CHECKING:
    from tuppence.adapters.aws.feeds import DynamoFeeds
    from tuppence.adapters.aws.fleet import Fleet
    from tuppence.adapters.aws.inbox import S3Inbox
    from tuppence.adapters.embedded.checking import CheckedPart, CheckStep
    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.adapters.embedded.privacy import PersonalFolder
    from tuppence.adapters.engines import HttpEngine, HttpEvaluations
    from tuppence.adapters.postgres.definitions import Definitions
    from tuppence.adapters.postgres.fact_database import FactDatabase
    from tuppence.adapters.relay_facts import RelayFacts
    from tuppence.facts.schema import Schema
    from tuppence.results.result import ResultStore
    from tuppence.rules.ruleset import RulesetStore
    from tuppence.usecases.import_bank_data import ImportDependencies
    from tuppence.usecases.learn_order import ModelStore
    from tuppence.usecases.propose_mapping import ProposalDependencies
    from tuppence.usecases.run_night import NightDependencies


def open_store(path: Path) -> StoreFolder:
    """Return the store in a folder, without checking whether it exists."""
    return StoreFolder(path)


def import_dependencies(
    store: StoreFolder, facts: "FactStore", today: date
) -> "ImportDependencies":
    """Return the dependencies of an import into a store.

    Args:
        store: The store.
        facts: Facts of the store.
        today: Latest allowed date of a row.
    """
    from tuppence.bankdata.enrichment.enricher import Enricher  # noqa: PLC0415 - reads its lists
    from tuppence.usecases.import_bank_data import ImportDependencies  # noqa: PLC0415

    enricher = Enricher(store.corrections.all())
    return ImportDependencies(facts, store.rejects, store.consents, store.tokens, enricher, today)


def proposal_dependencies(
    store: StoreFolder, schema: "Schema", today: date
) -> "ProposalDependencies":
    """Return the dependencies of a proposal for a store, which need not exist yet.

    Args:
        store: The store.
        schema: Schema of a store that does not exist.
        today: Latest allowed date of a row.
    """
    import polars as pl  # noqa: PLC0415 - for one command

    from tuppence.bankdata.enrichment.enricher import Enricher  # noqa: PLC0415 - reads its lists
    from tuppence.bankdata.tabular import Owners  # noqa: PLC0415 - for one command
    from tuppence.usecases.propose_mapping import ProposalDependencies  # noqa: PLC0415

    if is_store(store.path):
        facts = store.facts()
        owners = Owners(facts.customers(), facts.owners())
        return ProposalDependencies(facts.schema, owners, Enricher(), today)
    names = {"customers": ("id", "currency"), "accounts": ("id", "customer", "currency")}
    tables = {
        key: pl.DataFrame(schema=dict.fromkeys(value, pl.String)) for key, value in names.items()
    }
    return ProposalDependencies(schema, Owners(**tables), Enricher(), today)


def night_dependencies(store: StoreFolder, use: Use) -> "NightDependencies":
    """Return the dependencies of a run over the facts that consents allow to be used."""
    from tuppence.adapters.embedded.workers import Workers  # noqa: PLC0415 - loads the compiler
    from tuppence.usecases.run_night import NightDependencies  # noqa: PLC0415 - loads the compiler

    facts = store.facts()
    limited = store.consents.limited(use)
    workers = Workers(store.path, facts.digest, limited)
    return NightDependencies(PermittedFacts(facts, limited), workers, store.rulesets, store.results)


def check_store(
    store: Path, track: "Callable[[Sequence[CheckStep]], Iterable[CheckStep]]"
) -> "list[CheckedPart]":
    """Read every part of a store, and return what was found; see `checking`."""
    from tuppence.adapters.embedded import checking  # noqa: PLC0415 - for two commands

    return checking.check_store(store, track)


def upgrade_store(store: Path) -> None:
    """Compact a store, and add checksums to files of an older version."""
    from tuppence.adapters.embedded import checking  # noqa: PLC0415 - for two commands

    checking.upgrade_store(store)


def personal_folder(store: StoreFolder) -> "PersonalFolder":
    """Return the access to personal data in a store."""
    from tuppence.adapters.embedded.privacy import PersonalFolder  # noqa: PLC0415 - loads the engine

    return PersonalFolder(store)


@contextlib.contextmanager
def fact_database(url: str) -> "Iterator[FactDatabase]":
    """Connect to the facts and consents of a database, for the duration of the block."""
    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.fact_database import FactDatabase  # noqa: PLC0415

    with contextlib.closing(connect_columns(url)) as connection:
        yield FactDatabase(connection)


def migrate_database(url: str, to: str) -> tuple[str, str]:
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


@contextlib.contextmanager
def running_engines(
    addresses: Sequence[str], token: str, tls_ca: Path | None = None
) -> "Iterator[Sequence[HttpEngine]]":
    """Connect to every running engine at some addresses, for the duration of the block."""
    with extra("engine"):
        from tuppence.adapters.engines import discover  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        engines = discover(addresses, token, tls_ca)
        for engine in engines:
            stack.callback(engine.close)
        yield engines


@contextlib.contextmanager
def dispatching(
    relay: str,
    relay_token: str,
    engines: str,
    token: str,
    ledger: Path,
    say: Callable[[str], None],
    tls_ca: Path | None,
) -> "Iterator[tuple[RelayFacts, HttpEvaluations, Database]]":
    """Yield the facts, the engines and the ledger of a run through running engines.

    One process at a time can use a ledger; others wait.

    Args:
        relay: Address of the SQL relay.
        relay_token: Token for the relay.
        engines: Address of the engines' load balancer.
        token: Token for the engines.
        ledger: File that records the progress.
        say: Called with one sentence before waiting for another run.
        tls_ca: Authorities for the certificates of https addresses, in PEM.

    Raises:
        UserError: The ledger is part of a store, or another run kept it for too long.
    """
    _refuse_part_of_store(ledger)
    with extra("engine"):
        from tuppence.adapters.engines import HttpEvaluations  # noqa: PLC0415
        from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415

    lock = ledger.with_name(f"{ledger.name}.lock")
    with (
        locked_file(lock, ledger, "dispatch", say),
        contextlib.closing(RelayFacts(relay, relay_token, tls_ca=tls_ca)) as facts,
        contextlib.closing(HttpEvaluations(engines, token, tls_ca=tls_ca)) as service,
        Database(ledger, write_ahead=True) as database,
    ):
        yield facts, service, database


def ruleset_store(where: str) -> "RulesetStore":
    """Return the rulesets in a folder, or in a bucket such as s3://bucket/rulesets/."""
    if not where.startswith("s3://"):
        return RulesetDirectory(Path(where))
    with extra("aws"):
        from tuppence.bootstrap.aws import s3_rulesets  # noqa: PLC0415

    return s3_rulesets(where)


def model_store(where: str) -> "ModelStore":
    """Return the models of the order of feeds in a folder, or in a bucket: s3://bucket/models/."""
    if not where.startswith("s3://"):
        return ModelDirectory(Path(where))
    with extra("aws"):
        from tuppence.bootstrap.aws import s3_models  # noqa: PLC0415

    return s3_models(where)


def result_store(where: str, rulesets: "RulesetStore") -> "Callable[[], ResultStore]":
    """Return a function that opens results in a file, or in a table such as dynamodb://table."""
    if not where.startswith("dynamodb://"):
        _refuse_part_of_store(Path(where))
        return lambda: Database(Path(where), write_ahead=True)
    with extra("aws"):
        from tuppence.bootstrap.aws import dynamo_results  # noqa: PLC0415

    return dynamo_results(where.removeprefix("dynamodb://"), rulesets.get)


def results_of_services(where: str, rulesets: "RulesetStore") -> "ResultStore":
    """Open the results that the services keep; a file that is not there is not made.

    Raises:
        UserError: There is no such file, so that nothing in it would be found.
    """
    if not where.startswith("dynamodb://") and not Path(where).exists():
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


def _refuse_part_of_store(path: Path) -> None:
    """Raise UserError for a results file of a store: only commands that lock it may write there."""
    if is_store(path.parent):
        message = f"{path}: this file belongs to the store {path.parent}"
        hint = "name a file outside of it; tuppence run writes the results of a store"
        raise UserError("store.shared", message, hint)


def open_fleet(environment: str) -> "Fleet":
    """Return the fleet of an environment on AWS."""
    with extra("aws"):
        from tuppence.adapters.aws.fleet import Fleet  # noqa: PLC0415

    return Fleet(environment)


def open_inbox(address: str) -> "S3Inbox":
    """Return the inbox in a bucket.

    Raises:
        UserError: The address is not s3://BUCKET.
    """
    bucket = address.removeprefix("s3://").rstrip("/")
    if not address.startswith("s3://") or not bucket or "/" in bucket:
        raise UserError("inbox.address", f"{address!r} is no bucket", "write it as s3://BUCKET")
    with extra("aws"):
        from tuppence.adapters.aws.clients import client  # noqa: PLC0415
        from tuppence.adapters.aws.inbox import S3Inbox  # noqa: PLC0415
        from tuppence.bankdata.table_file import MAX_BYTES  # noqa: PLC0415

    return S3Inbox(client("s3", seconds=60.0), bucket, MAX_BYTES)


def add_caller(name: str, callers: Path) -> str:
    """Return a new token for a caller, and add its digest to the file of callers."""
    with extra("engine"):
        from tuppence.services.access import add_caller  # noqa: PLC0415

    return add_caller(name, callers)
