"""Proposes the mapping of a bank's file, and shows how its rows would be read."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from tuppence.bankdata.enrichment.enricher import Enricher, Evidence
from tuppence.bankdata.evidence import Circumstances
from tuppence.bankdata.mapping import TableMapping
from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.proposal import ME, propose
from tuppence.bankdata.proposed import Proposal
from tuppence.bankdata.tabular import Owners, ParsedTable, read_table
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

_SHOPS: Final = frozenset({"groceries", "eating out", "clothing", "household", "transport"})
"""Categories of what is bought in shops."""
_SURE: Final = 80
"""Minimum confidence in a shop, in hundredths."""


class ProposalDependencies(NamedTuple):
    """The settings of a proposal.

    Attributes:
        schema: The fields that the store can hold.
        owners: Customers and accounts that are in the store already.
        enricher: Finds shops in texts.
        today: No row may be dated later.
    """

    schema: Schema
    owners: Owners
    enricher: Enricher
    today: date


def propose_mapping(
    path: Path, bank: str, answers: Mapping[str, str], deps: ProposalDependencies
) -> Proposal:
    """Propose the mapping of a file.

    Args:
        path: A CSV file.
        bank: Name of the shipped mapping to use; if empty, the header may find one.
        answers: Answers to questions of an earlier proposal, and fields that are known.
        deps: The settings.

    Raises:
        UserError: The file cannot be read, or no mapping can be proposed.
    """

    def is_shop(text: str) -> bool:
        found = deps.enricher.find(Evidence(text, None, None, is_payment=True))
        sure = (found.merchant_confidence or 0) >= _SURE
        return sure and found.category in _SHOPS

    about = Circumstances(deps.schema, deps.owners, deps.today, is_shop, bank, answers)
    return propose(path, about)


def read_with(path: Path, mapping: TableMapping, deps: ProposalDependencies) -> ParsedTable:
    """Read a file as an import would, without importing it.

    Raises:
        UserError: The file cannot be read by the mapping.
    """
    tokens = Tokens(lambda: bytes(32))  # the tokens of the store are made by the import
    return read_table(path, mapping, deps.schema, deps.owners, deps.today, tokens)


def currency_by_account(reading: ParsedTable, owners: Owners) -> dict[str, str]:
    """Return the currency of each account, whether it is stored or new."""
    rows = reading.rows
    found = dict(owners.accounts.select("id", "currency").iter_rows())
    money = dict(owners.customers.select("id", "currency").iter_rows())
    if rows.customers is not None:
        money |= dict(rows.customers.select("id", "currency").iter_rows())
    if rows.accounts is not None:
        pairs = rows.accounts.select("id", "customer").iter_rows()
        found |= {account: money[customer] for account, customer in pairs}
    return found


def only_customer(owners: Owners) -> str:
    """Return the customer whom a person's own files are about.

    Raises:
        UserError: The store has several.
    """
    customers = owners.customers["id"].to_list()
    if len(customers) > 1:
        message = f"the store has {len(customers):,} customers"
        raise UserError("import.undecided", message, "say whose files these are with --customer")
    return str(customers[0]) if customers else ME
