"""A mapping and tables of a bank, read for tests."""

from pathlib import Path
from typing import Any

from tests.building import TOKENS
from tests.statements import TODAY

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.tabular import Owners, ParsedTable, read_table
from tuppence.facts.schema import Schema

MAPPING = """
table: transactions
columns:
  id: Id
  booking date: Date
  amount: Amount
  category: Category
  text: Text
constants: {account: main, customer: me, currency: GBP}
"""


def read(
    tmp_path: Path, text: str | bytes, mapping: str = MAPPING, name: str = "bank.csv"
) -> ParsedTable:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (tmp_path / "mapping.yaml").write_text(mapping)
    store = FactStore.create(tmp_path / "store", Schema())
    owners = Owners(store.customers(), store.owners())
    meaning = read_mapping(tmp_path / "mapping.yaml", Schema())
    return read_table(path, meaning, Schema(), owners, TODAY, TOKENS)


def transactions(reading: ParsedTable, *names: str) -> list[tuple[Any, ...]]:
    assert reading.rows.transactions is not None
    return reading.rows.transactions.select(names).rows()


def reasons(reading: ParsedTable) -> list[tuple[int, str]]:
    return reading.rejects.select("row", "reason").rows()


def read_mapping_text(tmp_path: Path, text: str) -> Any:
    (tmp_path / "mapping.yaml").write_text(text)
    return read_mapping(tmp_path / "mapping.yaml", Schema())
