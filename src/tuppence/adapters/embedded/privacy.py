"""What a store holds of one person: all of it for them, and erasing it, with a proof.

A store has facts, results, and rows that an import set aside. Its ledger counts, its rulesets are
about nobody, and logs name nobody.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
import polars as pl

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.files import disk_errors
from tuppence.adapters.embedded.rejects import list_rejects, read_rejects, write_rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.sqlite import has_content
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.rules.ruleset import Ruleset, read_ruleset
from tuppence.runs.privacy import held

NAMING: Final = ("id", "customer", "account")
"""Columns of facts that name a customer, an account or a transaction."""

_NAMING_TABLES: Final = """
SELECT tables.name FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND columns.name = 'customer_id'
"""


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        accounts: How many.
        transactions: How many.
        results: Whether there were any.
        consents: How many.
        rejects: Rows that an import had set aside.
        files: How many were looked through afterwards.
    """

    accounts: int
    transactions: int
    results: bool
    consents: int
    rejects: int
    files: int


def held_in_store(store: Path, customer: str) -> dict[str, Any]:
    """All that a store holds of a customer, for JSON, with the reason of every result.

    Raises:
        UserError: There is no such customer.
    """
    source = FactStore(store)
    rows = source.rows_of(customer)
    names = _names(customer, rows.accounts)
    found = held(
        rows, source.schema, Consents(store).of(customer), _evaluated(store, source, customer)
    )
    found["set aside"] = [
        row
        for path in list_rejects(store)
        for row in read_rejects(path).iter_rows(named=True)
        if _is_of(path, customer) or _names_one(row.values(), names)
    ]
    return found


def erase(store: Path, customer: str) -> Erased:
    """Erase a customer from a store, then look through all of it.

    Begun again after it was broken off, it goes on: the facts, which tell whose accounts are whose,
    are erased last.

    Raises:
        UserError: There is no such customer, or something of them is still there.
    """
    source = FactStore(store)
    rows = source.rows_of(customer)
    names = _names(customer, rows.accounts)
    results = False
    if (store / "results.sqlite").exists():
        with Database(store / "results.sqlite") as database:
            results = database.erase(customer)
    consents = Consents(store).erase(customer)
    rejects = sum(_without(path, customer, names) for path in list_rejects(store))
    source.erase(customer)
    files, traces = look_for(store, names)
    if traces:
        message = f"{store}: something of this customer is still in {', '.join(traces)}"
        raise UserError("privacy.left", message, "nothing else is: have a look at these files")
    heights = {table: frame.height for table, frame in rows.tables().items()}
    return Erased(
        heights.get("accounts", 0),
        heights.get("transactions", 0),
        results,
        consents,
        rejects,
        files,
    )


def look_for(store: Path, names: frozenset[str]) -> tuple[int, list[str]]:
    """Read every file of a store: how many there are, and which name one of these.

    Nothing that writes the files is asked, so that this can disagree with it.
    """
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    traces = [path for path in files if any(_names_one(row, names) for row in _texts(path))]
    return len(files), [path.relative_to(store).as_posix() for path in traces]


def _texts(path: Path) -> Iterator[list[Any]]:
    """What may name somebody in a file: whole columns, or rows."""
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        yield from (frame[name].to_list() for name in NAMING if frame.schema.get(name) == pl.String)
    elif path.suffix == ".csv":
        yield from (list(row) for row in read_rejects(path).iter_rows())
    elif path.suffix == ".sqlite":
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for (table,) in database.execute(_NAMING_TABLES).fetchall():
                query = f'SELECT customer_id FROM "{table}"'  # noqa: S608 - a table of the file
                yield [row[0] for row in database.execute(query)]
    elif path.name == "dictionaries.json":
        yield msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]]).get("account", [])


def _names(customer: str, accounts: pl.DataFrame | None) -> frozenset[str]:
    return frozenset({customer, *(() if accounts is None else accounts["id"])})


def _names_one(cells: Any, names: frozenset[str]) -> bool:
    """Whether a cell is one of the names, or JSON in which one is a value."""
    for cell in cells:
        is_json = isinstance(cell, str) and cell.startswith(("{", "["))
        if cell in names or (is_json and any(_quoted(name) in cell for name in names)):
            return True
    return False


def _quoted(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _evaluated(store: Path, source: FactStore, customer: str) -> tuple[Ruleset, Date] | None:
    """The ruleset and the date of a customer's results."""
    path = store / "results.sqlite"
    if not has_content(path):
        return None
    with Database(path, read_only=True) as database:
        row = database.get([customer]).get(customer)
    if row is None:
        return None
    content = RulesetDirectory(store / "rulesets").get(row.ruleset)
    return read_ruleset(content, source.schema), Date(row.as_of)


def _is_of(path: Path, customer: str) -> bool:
    """Whether a file has what was set aside of this customer only."""
    return path.name.endswith(f"-{quote(customer, safe='')}.rejects.csv")


def _without(path: Path, customer: str, names: frozenset[str]) -> int:
    """Take the rows about somebody out of a file of rejects; how many there were."""
    frame = read_rejects(path)
    about = [_is_of(path, customer) or _names_one(row, names) for row in frame.iter_rows()]
    if any(about):
        with disk_errors(path):
            write_rejects(path, frame.filter(~pl.Series(about)))
    return sum(about)
