"""Agrees with a person on the mapping of a bank's file: proposal, preview, questions and a yes."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import typer

from tuppence.bankdata.mapping import TableMapping, read_mapping
from tuppence.bankdata.proposed import Proposal, mapping_text
from tuppence.bankdata.tabular import Owners, ParsedTable
from tuppence.cards import masked
from tuppence.cli.output import console, echo, table
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.feel.values import Date
from tuppence.plain_text import printable
from tuppence.usecases.propose_mapping import (
    ProposalDependencies,
    currency_by_account,
    propose_mapping,
    read_with,
)

ENDING: Final = ".mapping.yaml"
"""The ending that the name of a file gets for that of its mapping."""
_ROWS: Final = 10
_REASONS: Final = 3
_SHOWN: Final = (
    "booking date", "amount", "balance", "account", "type", "category", "merchant", "text",
)  # fmt: skip


def agreed_mapping(
    path: Path, bank: str, known: Mapping[str, str], deps: ProposalDependencies, *, yes: bool
) -> TableMapping:
    """Return the mapping that a person has agreed to, after showing how it reads the file.

    Args:
        path: The file.
        bank: Name of a shipped mapping, if any.
        known: Constants of fields that options give.
        deps: The settings of the proposal.
        yes: Whether the person has agreed in advance.

    Raises:
        UserError: Something is left open, or nobody can be asked.
    """
    beside = path.with_name(path.name + ENDING)
    if not bank and beside.exists():
        mapping = read_mapping(beside, deps.schema, known)
        echo(f"mapping: {beside}")
    else:
        proposal = _decided(path, bank, known, deps, beside)
        mapping = proposal.mapping
        echo(f"mapping: {proposal.origin}")
        _write(proposal, beside)
        for doubt in proposal.doubts:
            echo(f"doubt: {masked(doubt)}")
    _show(read_with(path, mapping, deps), deps.owners)
    if yes:
        return mapping
    if not sys.stdin.isatty():
        message = "nothing was imported, because nobody can be asked whether these rows are right"
        raise UserError("import.unconfirmed", message, "if they are, repeat the command with --yes")
    typer.confirm("import these rows", abort=True)
    return mapping


def _decided(
    path: Path, bank: str, known: Mapping[str, str], deps: ProposalDependencies, beside: Path
) -> Proposal:
    """Return a proposal without questions, after asking them.

    Raises:
        UserError: There are questions, and nobody to ask.
    """
    answers = dict(known)
    while True:
        proposal = propose_mapping(path, bank, answers, deps)
        if not proposal.questions:
            return proposal
        if not sys.stdin.isatty():
            raise _undecided(path, proposal, beside)
        for question in proposal.questions:
            choices = f" ({' or '.join(question.choices)})" if question.choices else ""
            answers[question.key] = typer.prompt(printable(question.text + choices)).strip()


def _undecided(path: Path, proposal: Proposal, beside: Path) -> UserError:
    """Return the error that names what is open, after writing the mapping if it has gaps."""
    if not all(question.option for question in proposal.questions):
        _write(proposal, beside)
    details = []
    for question in proposal.questions:
        choices = f" ({' or '.join(question.choices)})" if question.choices else ""
        how = question.option or f"{question.key} in {beside.name}"
        details.append(f"{question.text}{choices} Say it with {how}.")
    message = f"{path}: nothing was imported, because the file leaves open what is asked above"
    return UserError("import.undecided", message, "answer and repeat the command", details)


def _write(proposal: Proposal, beside: Path) -> None:
    """Write a mapping for editing, never over an existing file."""
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(mapping_text(proposal))
        echo(f"written: {beside}, for editing")
    except FileExistsError:
        echo(f"not written: {beside} exists")
    except OSError as error:
        echo(f"not written: {beside}: {error.strerror}")


def _show(reading: ParsedTable, owners: Owners) -> None:
    """Print the first rows as they are understood, and what is wrong with others."""
    rows = reading.rows.transactions
    if rows is not None and rows.height:
        currencies = currency_by_account(reading, owners)
        names = [name for name in _SHOWN if rows[name].count()]
        cells = [
            [_cell(row, name, currencies[row["account"]]) for name in names]
            for row in rows.head(_ROWS).iter_rows(named=True)
        ]
        console().print(table(names, cells, ("amount", "balance")))
        used = sorted({currencies[account] for account in rows["account"].unique()})
        more = f"and {rows.height - len(cells):,} more rows; " if rows.height > len(cells) else ""
        echo(f"{more}amounts are in {' and '.join(used)}")
    for what, count in reading.left_out:
        echo(f"skipped: {count:,} rows ({what})")
    for place, reason in reading.rejects.head(_REASONS).select(pl.nth(0, 1)).iter_rows():
        echo(f"would be set aside: row {place}: {reason}")
    if reading.rejects.height > _REASONS:
        echo(f"would be set aside: {reading.rejects.height - _REASONS:,} more rows")
    for doubt in reading.doubts:
        echo(f"doubt: {doubt}")


def _cell(row: Mapping[str, Any], name: str, currency: str) -> str:
    """Return a field of a transaction as people write it."""
    value = row[name]
    if value is None:
        return ""
    if name == "booking date":
        return str(Date(value))
    if name in {"amount", "balance"}:
        digits = minor_digits(currency) or 0
        return f"{Decimal(value).scaleb(-digits):,.{digits}f}"
    return str(value)
