"""Where adapters meet ports: what the command line works with on one machine."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import PARTITION_SIZE, FactStore
from tuppence.adapters.embedded.identifier_key import has_identifier_key, identifier_key
from tuppence.adapters.embedded.locking import consistent, locked, locked_file
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.sqlite import has_content
from tuppence.bankdata.masking import Tokens
from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.checking import CheckedRule
from tuppence.rules.ruleset import Ruleset, read_ruleset
from tuppence.usecases.erasure import erase_everywhere
from tuppence.usecases.ledger import Tally

if TYPE_CHECKING:
    from tuppence.adapters.embedded.checking import CheckedPart, CheckStep
    from tuppence.adapters.embedded.privacy import ErasureReport
    from tuppence.adapters.postgres.definitions import Definitions
    from tuppence.bootstrap.aws import Fleet
    from tuppence.engine.preview import Preview
    from tuppence.results.result import ResultStore
    from tuppence.rules.ruleset import RulesetStore
    from tuppence.usecases.import_bank_data import ImportDependencies
    from tuppence.usecases.publishing import Confirmation
    from tuppence.usecases.run import Outcome


T = TypeVar("T")


def open_facts(store: Path) -> FactStore:
    """The facts of a store.

    Raises:
        UserError: There is no store, or it is damaged.
    """
    return FactStore(store)


@contextlib.contextmanager
def lock_store(
    store: Path, command: str, say: Callable[[str], None], *, make: bool = False
) -> Iterator[None]:
    """Hold the lock of a store during a whole command, and remove what an earlier one left behind.

    Args:
        store: The store's folder.
        command: Shown to commands that wait for this one.
        say: Called with one sentence before waiting for another command.
        make: Whether the store may be missing.

    Raises:
        UserError: There is no store, or another command did not release the lock.
    """
    if not make:
        FactStore(store)  # where there is no store, none is made
    with locked(store, command, say):
        if (store / "facts" / "manifest.json").exists():
            FactStore(store).remove_unnamed()
        yield


def read_facts(store: Path, read: Callable[[FactStore], T]) -> T:
    """Return what a function reads of a store's facts, all of it as of one moment.

    Args:
        store: The store's folder.
        read: Called again with newer facts where the store was changed while it read.
    """
    return consistent(lambda: read(FactStore(store)))


def create_facts(store: Path, schema: Schema) -> FactStore:
    """The facts of a store, which is made where there is none.

    Raises:
        UserError: The store exists and its customers have other attributes.
    """
    return FactStore.create(store, schema)


def tokens_of(store: Path) -> Tokens:
    """Return the names that a store gives to identifiers that hold a card number."""
    return Tokens(lambda: identifier_key(store))


def import_dependencies(store: Path, facts: FactStore, today: date) -> "ImportDependencies":
    """Return what an import into a store works with.

    Args:
        store: The store's folder.
        facts: Its facts.
        today: No row may be dated later.
    """
    from tuppence.bankdata.enrichment.enricher import Enricher  # noqa: PLC0415 - reads its lists
    from tuppence.usecases.import_bank_data import ImportDependencies  # noqa: PLC0415

    return ImportDependencies(
        facts, Rejects(store), Consents(store), tokens_of(store), Enricher(), today
    )


def name_in(store: Path, customer: str) -> str:
    """Return the name that a store has for a customer: a token for what may be a card number.

    A store of an older version may have the identifier itself.
    """
    if not has_identifier_key(store):
        return customer
    token = tokens_of(store).of(customer)
    is_known = token != customer and customer in FactStore(store).customers()["id"]
    return customer if is_known else token


def open_results(store: Path) -> Database:
    """The results and the ledger of a store, to be read.

    Raises:
        UserError: Nothing has run in this store.
    """
    path = store / "results.sqlite"
    if not has_content(path):
        message = f"{store}: there are no results here"
        raise UserError("results.missing", message, "tuppence run makes them")
    return Database(path, reading=True)


def consents_of(store: Path) -> Consents:
    """What the customers of a store agreed to."""
    return Consents(store)


def permitted_facts(store: Path, use: Use, customer: str | None = None) -> PermittedFacts:
    """Return the facts of a store as far as its consents let them be read for a use.

    Args:
        store: Its folder.
        use: What they are wanted for.
        customer: Only this customer will be asked for; None where anybody may be.

    Raises:
        UserError: There is no store, or it is damaged.
    """
    return PermittedFacts(FactStore(store), Consents(store).limited(use, customer))


def read_permitted(
    store: Path, use: Use, read: Callable[[PermittedFacts], T], customer: str | None = None
) -> T:
    """Return what a function reads of the facts that consents permit, all as of one moment.

    Args:
        store: The store's folder.
        use: What the facts are wanted for.
        read: Called again with newer facts where the store was changed while it read.
        customer: Only this customer will be asked for; None where anybody may be.
    """
    return consistent(lambda: read(permitted_facts(store, use, customer)))


def check_store(
    store: Path, track: "Callable[[Sequence[CheckStep]], Iterable[CheckStep]]"
) -> "list[CheckedPart]":
    """Read every part of a store, all of the facts as of one moment.

    Args:
        store: The store's folder.
        track: Yields the steps of the check, and shows how far it is.
    """
    from tuppence.adapters.embedded.checking import check_steps  # noqa: PLC0415 - for two commands

    return consistent(lambda: [check_part() for check_part in track(check_steps(store))])


def upgrade_store(store: Path) -> None:
    """Compact a store, and give its files checksums where an older version wrote them."""
    from tuppence.adapters.embedded.checking import upgrade_store  # noqa: PLC0415

    upgrade_store(store)


def rejects_of(store: Path) -> Rejects:
    """Return the rows that imports into a store could not take."""
    return Rejects(store)


def held_of(store: Path, customer: str) -> dict[str, Any]:
    """All that a store holds of a customer, for JSON, with the reason of every result."""
    from tuppence.adapters.embedded.privacy import held_in_store  # noqa: PLC0415 - loads the engine

    return held_in_store(store, name_in(store, customer))


def held_in_database(url: str, results: str, rulesets: str, customer: str) -> dict[str, Any]:
    """All that the services hold of a customer: facts and consents in a database, and results.

    Raises:
        UserError: There is no such customer.
    """
    from tuppence.usecases.privacy import held  # noqa: PLC0415 - it loads the engine

    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.facts import consents, read_schema, rows_of  # noqa: PLC0415

    with contextlib.closing(connect_columns(url)) as connection:
        schema, rows = read_schema(connection), rows_of(connection, customer)
        agreed = consents(connection, [customer])
    if rows.customers is None:
        raise UserError("facts.unknown-customer", f"there is no customer {customer}")
    kept = ruleset_store(rulesets)
    row = result_store(results, kept)().get([customer]).get(customer)
    evaluated = None
    if row is not None:
        evaluated = read_ruleset(kept.get(row.ruleset), schema), Date(row.as_of)
    return held(rows, schema, agreed, evaluated)


def erase_in_database(
    url: str, results: str, rulesets: str, customer: str, settle: float
) -> tuple[Mapping[str, int], bool]:
    """Erase a customer from the services; look again after `settle` seconds."""
    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.facts import erase  # noqa: PLC0415

    store = result_store(results, ruleset_store(rulesets))()
    with contextlib.closing(connect_columns(url)) as connection:
        return erase_everywhere(
            customer, lambda: erase(connection, customer), store, lambda: time.sleep(settle)
        )


def erase_customer(store: Path, customer: str) -> "ErasureReport":
    """Erase a customer from a store, then look through all of it."""
    from tuppence.adapters.embedded.privacy import erase  # noqa: PLC0415 - it loads the engine

    return erase(store, name_in(store, customer))


def run_here(
    store: Path,
    ruleset: Ruleset,
    use: Use,
    processes: int,
    advance: Callable[[Tally], None],
) -> "Outcome":
    """A run over the store's facts as far as they may be read, in this process or in several."""
    from tuppence.adapters.embedded.workers import in_processes, in_threads  # noqa: PLC0415
    from tuppence.engine.columnar import Engine  # noqa: PLC0415 - these load the compiler
    from tuppence.usecases.run import CUSTOMERS_PER_ITEM, in_process, run, work_items  # noqa: PLC0415

    stored, as_of = FactStore(store), Date(use.as_of)
    limited = Consents(store).limited(use)
    facts = PermittedFacts(stored, limited)
    RulesetDirectory(store / "rulesets").put(ruleset)
    plan = make_plan(ruleset, as_of, facts.schema)
    columns_only = all(rule.whole for rule in plan.columns.rules)
    if columns_only:
        evaluator = in_threads(store, stored.digest, limited, Engine(plan), processes)
    elif processes == 1:
        evaluator = in_process(facts, Engine(plan))
    else:
        one = facts.read(facts.partitions()[0][0]).slice(0, 1)
        Engine(plan).evaluate(one)  # compiled once here, and loaded by the processes
        evaluator = in_processes(store, stored.digest, limited, ruleset.content, as_of, processes)
    gc.freeze()  # rules and plans stay to the end: the collector need not look at them again
    customers = PARTITION_SIZE if columns_only else CUSTOMERS_PER_ITEM
    with Database(store / "results.sqlite") as database:
        items = work_items(facts, customers, facts.left_out)
        return run(facts, items, ruleset, as_of, database, database, evaluator, advance)


def last_run(store: Path) -> tuple[Ruleset | None, Date | None]:
    """The ruleset and the date of the last run in a store; None where there was none."""
    latest = None
    if has_content(store / "results.sqlite"):
        with open_results(store) as database:
            latest = database.latest()
    if latest is None:
        return None, None
    return kept_ruleset(store, latest.ruleset), Date(latest.as_of)


def preview_here(store: Path, checked: CheckedRule, live: Ruleset | None, use: Use) -> "Preview":
    """What a rule would do over the facts of a store."""
    from tuppence.engine.preview import Previewer  # noqa: PLC0415 - it loads the compiler

    threads = os.cpu_count() or 1
    return read_permitted(
        store,
        use,
        lambda facts: Previewer(facts, live, Date(use.as_of), threads, facts.left_out).preview(
            checked
        ),
    )


def kept_ruleset(store: Path, digest: str) -> Ruleset:
    """The ruleset that results were made with."""
    content = RulesetDirectory(store / "rulesets").get(digest)
    return read_ruleset(content, FactStore(store).schema)


def migrate_database(url: str, to: str) -> tuple[str, str]:
    """Bring a database's tables to a version: the version before, and the one after."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import migrate  # noqa: PLC0415 - an extra

    return migrate(url, to)


def make_login(url: str, name: str, password: str, roles: Sequence[str]) -> None:
    """Make a login of the database with some roles, or give it a new password."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import make_login  # noqa: PLC0415 - an extra

    make_login(url, name, password, roles)


def call_convert(url: str, function: str) -> None:
    """Have Aurora call the convert function whenever a definition is approved or retired."""
    with extra("database"):
        from tuppence.adapters.postgres.migrating import call_convert  # noqa: PLC0415 - an extra

    call_convert(url, function)


def load_facts(
    store: Path,
    parts_of: Callable[[FactStore], Iterable[Rows]],
    url: str,
    begins: Date,
    ends: Date,
    jurisdiction: str,
) -> int:
    """Put a store's facts and consents into a database, and return how many transactions.

    Customers who are new there, and of whom the store knows no consent, get one from day to day.
    """
    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.facts import Agreement, load  # noqa: PLC0415

    with contextlib.closing(connect_columns(url)) as connection:
        agreement = Agreement(begins, ends, jurisdiction)

        def load_all(facts: FactStore) -> int:
            load(connection, facts.schema, parts_of(facts), agreement, Consents(store).of_all)
            return facts.transaction_count

        return read_facts(store, load_all)


def dump_facts(url: str, store: Path) -> int:
    """Put a database's facts and consents into a store; the number of transactions there.

    Raises:
        UserError: The database knows no consent of a customer: a store would take them for its
            owner, whose facts may be read without one.
    """
    with extra("database"):
        from tuppence.adapters.postgres.connection import connect_columns  # noqa: PLC0415
        from tuppence.adapters.postgres.facts import (  # noqa: PLC0415
            PAGE,
            consents,
            everything,
            read_schema,
        )

    with contextlib.closing(connect_columns(url)) as connection:
        facts = FactStore.create(store, read_schema(connection))
        for rows in everything(connection):
            if rows.customers is not None:
                names = rows.customers["id"].to_list()
                agreed = consents(connection, names)
                without = set(names) - {one.customer for one in agreed}
                if without:
                    message = f"the database has no consent of {len(without):,} customers"
                    hint = "in a store they would count as its owners: record what they agreed to"
                    raise UserError("consent.none", message, hint)
                Consents(store).record(agreed)
            facts.append(rows, partition_size=PAGE)  # a page is a partition: nothing is merged
        return facts.transaction_count


def open_definitions(url: str) -> "Definitions":
    """The definitions of a database."""
    with extra("database"):
        from tuppence.adapters.postgres.definitions import Definitions  # noqa: PLC0415

    return Definitions(url)


def publish_ruleset(
    digest: str,
    rulesets: Path,
    addresses: Sequence[str],
    token: str,
    record: Callable[[Sequence[str]], None],
    tls_ca: Path | None = None,
) -> "list[Confirmation]":
    """Have every engine behind addresses serve a ruleset of a folder; see `publish`."""
    with extra("engine"):
        from tuppence.adapters.engines import discover  # noqa: PLC0415
        from tuppence.usecases.publishing import publish  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        engines = discover(addresses, token, tls_ca)
        for engine in engines:
            stack.callback(engine.close)
        return publish(digest, RulesetDirectory(rulesets), engines, record)


def run_through_engines(
    run_id: str,
    relay: str,
    relay_token: str,
    engines: str,
    token: str,
    ruleset: str,
    as_of: Date,
    ledger: Path,
    advance: Callable[[int, Tally], None],
    customers_per_item: int,
    parallel: int,
    say: Callable[[str], None],
    tls_ca: Path | None,
) -> "Outcome":
    """A run over all customers of a relay, through running engines; one at a time for a ledger.

    Raises:
        UserError: The ledger is part of a store, or another run kept it for too long.
    """
    _refuse_part_of_store(ledger)
    with extra("engine"):
        from tuppence.adapters.engines import HttpEvaluations  # noqa: PLC0415
        from tuppence.adapters.relay_facts import RelayFacts  # noqa: PLC0415
        from tuppence.usecases.dispatch import dispatch  # noqa: PLC0415

    lock = ledger.with_name(f"{ledger.name}.lock")
    with (
        locked_file(lock, ledger, "dispatch", say),
        contextlib.closing(RelayFacts(relay, relay_token, tls_ca=tls_ca)) as facts,
        contextlib.closing(HttpEvaluations(engines, token, tls_ca=tls_ca)) as service,
        Database(ledger, write_ahead=True) as database,
    ):
        return dispatch(
            run_id,
            facts,
            service,
            ruleset,
            as_of,
            database,
            advance,
            customers_per_item,
            parallel,
        )


def keep_ruleset(ruleset: Ruleset, rulesets: Path) -> None:
    """Put a ruleset into a folder."""
    RulesetDirectory(rulesets).put(ruleset)


def ruleset_store(where: str) -> "RulesetStore":
    """Rulesets in a folder, or in a bucket such as s3://bucket/rulesets/."""
    if not where.startswith("s3://"):
        return RulesetDirectory(Path(where))
    with extra("aws"):
        from tuppence.bootstrap.aws import s3_rulesets  # noqa: PLC0415

    return s3_rulesets(where)


def result_store(where: str, rulesets: "RulesetStore") -> "Callable[[], ResultStore]":
    """Opens results in a file, or in a table such as dynamodb://table."""
    if not where.startswith("dynamodb://"):
        _refuse_part_of_store(Path(where))
        return lambda: Database(Path(where), write_ahead=True)
    with extra("aws"):
        from tuppence.bootstrap.aws import dynamo_results  # noqa: PLC0415

    return dynamo_results(where.removeprefix("dynamodb://"), rulesets)


def _refuse_part_of_store(path: Path) -> None:
    """Raise UserError for a results file of a store: only commands that lock it may write there."""
    if (path.parent / "facts" / "manifest.json").exists():
        message = f"{path}: this file belongs to the store {path.parent}"
        hint = "name a file outside of it; tuppence run writes the results of a store"
        raise UserError("store.shared", message, hint)


def open_fleet(environment: str) -> "Fleet":
    """The fleet of an environment on AWS."""
    with extra("aws"):
        from tuppence.bootstrap.aws import Fleet  # noqa: PLC0415

    return Fleet(environment)


def add_caller(name: str, callers: Path) -> str:
    """Make a token for a caller and put its digest into the file of callers."""
    with extra("engine"):
        from tuppence.services.access import add_caller  # noqa: PLC0415

    return add_caller(name, callers)


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports of packages that are installed only where they are asked for."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"this needs the package {error.name}, which is not installed"
        raise UserError("install.extra", message, f"pip install 'tuppence[{name}]'") from None
