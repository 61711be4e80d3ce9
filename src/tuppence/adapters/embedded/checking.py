"""Reads every file of a store, and compares it with its checksums."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checksums import add_checksum, has_checksum
from tuppence.adapters.embedded.consents import CONSENTS, Consents
from tuppence.adapters.embedded.corrections import read_corrections
from tuppence.adapters.embedded.database import RESULTS, Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.feed_file import FEED
from tuppence.adapters.embedded.files import disk_errors
from tuppence.adapters.embedded.identifier_key import has_identifier_key, read_identifier_key
from tuppence.adapters.embedded.locking import StoreChangedError, consistent
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.adapters.embedded.rejects import Rejects, read_rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.sqlite import FileKind, SqliteFile, has_content
from tuppence.errors import UserError

_SQLITE_FILES: Final = (
    (layout.RESULTS, RESULTS),
    (layout.CONSENTS, CONSENTS),
    (layout.FEED, FEED),
)


class CheckedPart(NamedTuple):
    """A part of a store that was read.

    Attributes:
        name: Name of a partition, or of a file below the store's folder.
        content: Its content, such as "500 customers, 260,000 transactions".
        problems: Descriptions of what is damaged, and where; empty if nothing is.
        remedy: Advice for a damaged part.
    """

    name: str
    content: str
    problems: tuple[str, ...] = ()
    remedy: str = ""


CheckStep = Callable[[], CheckedPart]


def check_store(
    store: Path, track: Callable[[Sequence[CheckStep]], Iterable[CheckStep]]
) -> list[CheckedPart]:
    """Read every part of a store, all of the facts as of one moment.

    Args:
        store: The store's folder.
        track: Yields the steps of the check, and shows how far it is.

    Raises:
        UserError: There is no store, or its manifest is damaged.
    """
    return consistent(lambda: [check_part() for check_part in track(_check_steps(store))])


def _check_steps(store: Path) -> list[CheckStep]:
    """Return the steps of a check, each of which reads a part of the store."""
    facts = FactStore(store)
    rulesets = RulesetDirectory(store / layout.RULESETS)
    models = ModelDirectory(store / layout.MODELS)
    return [
        partial(_part, f"{layout.FACTS}/{layout.MANIFEST}", partial(_check_manifest, facts)),
        *(partial(_part, f"partition {name}", partial(_check_partition, facts, name, customers))
          for name, customers in facts.partitions()),
        partial(_part, "imports", partial(_check_imports, facts)),
        *(partial(_part, name, partial(_check_sqlite, store / name, kind))
          for name, kind in _SQLITE_FILES if has_content(store / name)),
        *(partial(_part, path.name, partial(_check_census, facts))
          for path in [store / layout.CENSUS] if path.exists()),
        *(partial(_part, path.name, partial(_check_corrections, path))
          for path in [store / layout.CORRECTIONS] if path.exists()),
        *(partial(_part, f"{layout.RULESETS}/{digest}.json",
                  partial(_check_ruleset, rulesets, digest))
          for digest in rulesets.digests()),
        *(partial(_part, f"{layout.MODELS}/{digest}.json", partial(_check_model, models, digest))
          for digest in models.digests()),
        partial(_part, layout.IDENTIFIER_KEY, partial(_check_key, store)),
        *(partial(_part, path.relative_to(store).as_posix(), partial(_check_rejects, path))
          for path in Rejects(store).paths()),
    ]  # fmt: skip


def upgrade_store(store: Path) -> None:
    """Give each file of an older store its checksums, as the next write to it would.

    Raises:
        UserError: A file is damaged or cannot be written.
    """
    FactStore(store).compact()
    if has_content(store / layout.RESULTS):
        Database(store / layout.RESULTS).close()
    Consents(store).upgrade()
    for path in Rejects(store).paths():
        with disk_errors(path):
            add_checksum(path)


def _part(name: str, check: Callable[[], CheckedPart]) -> CheckedPart:
    """Return a part, as a check describes it or with the error it ended with.

    Raises:
        StoreChangedError: The store was changed meanwhile, which is no damage.
    """
    try:
        return check()._replace(name=name)
    except StoreChangedError:
        raise
    except UserError as error:
        return CheckedPart(name, "", (error.message,), error.hint)


def _check_manifest(facts: FactStore) -> CheckedPart:
    count = f"{len(facts.partitions()):,} partitions"
    return CheckedPart("", count) if facts.is_checked else _unchecked(count)


def _check_partition(facts: FactStore, name: str, customers: int) -> CheckedPart:
    content = f"{customers:,} customers"
    try:
        batch = facts.read(name)
    except StoreChangedError:
        raise
    except UserError as error:
        return CheckedPart("", content, (error.message,), error.hint)
    transactions = len(batch.transactions.columns["amount"].values)
    return CheckedPart("", f"{content}, {transactions:,} transactions")


def _check_imports(facts: FactStore) -> CheckedPart:
    count, rows = facts.read_history()
    return CheckedPart("", f"{count:,} that can be taken back, with {rows:,} transactions")


def _check_sqlite(path: Path, kind: FileKind) -> CheckedPart:
    with SqliteFile(path, kind, read_only=True) as file:
        if problems := file.check():
            return CheckedPart("", "", tuple(problems), kind.remedy)
        content = ", ".join(f"{count:,} {table}" for table, count in file.count_rows().items())
        return CheckedPart("", content) if file.is_checked else _unchecked(content)


def _check_ruleset(rulesets: RulesetDirectory, digest: str) -> CheckedPart:
    return CheckedPart("", f"{len(rulesets.get(digest)):,} bytes")


def _check_model(models: ModelDirectory, digest: str) -> CheckedPart:
    return CheckedPart("", f"{len(models.get(digest)):,} bytes")


def _check_key(store: Path) -> CheckedPart:
    try:
        if not has_identifier_key(store):
            return CheckedPart("", "none is needed")
    except StoreChangedError:
        raise
    except UserError as error:
        if error.code == "store.key-missing":
            raise
        return CheckedPart("", "none, and whether it is needed stands in a damaged part")
    return CheckedPart(
        "", f"a secret of {len(read_identifier_key(store / layout.IDENTIFIER_KEY))} bytes"
    )


def _check_census(facts: FactStore) -> CheckedPart:
    census = facts.census
    count = 0 if census is None else sum(map(len, (*census.usual.values(), *census.rises.values())))
    return CheckedPart("", f"{count:,} figures")


def _check_corrections(path: Path) -> CheckedPart:
    return CheckedPart("", f"{len(read_corrections(path)):,} corrections")


def _check_rejects(path: Path) -> CheckedPart:
    try:
        content = f"{read_rejects(path).height:,} rows"
    except FileNotFoundError:  # an import or an erasure has removed it since it was listed
        return CheckedPart("", "0 rows")
    return CheckedPart("", content) if has_checksum(path) else _unchecked(content)


def _unchecked(content: str) -> CheckedPart:
    remedy = "tuppence store compact brings the store up to date"
    return CheckedPart("", content, ("an older version wrote it, without checksums",), remedy)
