"""The commands `tuppence import …`."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bankdata.banks import shipped_banks
from tuppence.bankdata.categories import ACCOUNT_TYPES
from tuppence.bankdata.mapping import ACCOUNT_TYPE, OPENING_BALANCE, nearest, read_mapping
from tuppence.bootstrap.imports import import_dependencies, proposal_dependencies
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import waiting
from tuppence.cli.import_documents import register_documents
from tuppence.cli.import_history import register_history
from tuppence.cli.imported import (
    Today,
    check_currency,
    latest,
    print_forgotten,
    print_known,
    print_replaced,
)
from tuppence.cli.mapping import agreed_mapping
from tuppence.cli.output import Store, console, echo, only_identifiers, table, track
from tuppence.errors import UserError
from tuppence.facts.attributes import read_attributes
from tuppence.facts.schema import Schema
from tuppence.usecases.import_bank_data import ImportDependencies, ImportedTable, import_tables
from tuppence.usecases.keep_import import Known


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="import", no_args_is_help=True)

    @app.callback()  # with it a single command keeps its name
    def group() -> None:
        """Import bank data into a store."""

    example = "`tuppence import csv statement.csv --mapping mybank.yaml --store money`"

    @app.command(epilog=f"Example: {example}")
    def csv(
        ctx: typer.Context,
        files: Annotated[list[Path], typer.Argument(help="CSV or Parquet.")],
        store: Store,
        mapping: Annotated[
            Path | None,
            typer.Option(help="YAML file that maps columns to fields; proposed if omitted."),
        ] = None,
        bank: Annotated[
            str, typer.Option(help="A shipped mapping; see `tuppence import banks`.")
        ] = "",
        account: Annotated[
            str | None,
            typer.Option(
                help="The account, if the file names none.",
                callback=only_identifiers("account"),
            ),
        ] = None,
        customer: Annotated[
            str | None,
            typer.Option(
                help="The customer, if the file names none.",
                callback=only_identifiers("customer"),
            ),
        ] = None,
        currency: Annotated[
            str | None, typer.Option(help="Currency of the amounts, if the file names none.")
        ] = None,
        account_type: Annotated[
            str | None, typer.Option(help=f"Type of a new account: {', '.join(ACCOUNT_TYPES)}.")
        ] = None,
        opening_balance: Annotated[
            str | None,
            typer.Option(help="Balance before the first row of a file that has no balances."),
        ] = None,
        yes: Annotated[
            bool, typer.Option("--yes", help="Import without asking whether the rows are right.")
        ] = False,
        attributes: Annotated[
            Path | None,
            typer.Option(help="A file that declares more customer attributes, for a new store."),
        ] = None,
        today_: Today = None,
    ) -> None:
        """Import transactions, accounts or customers from tables.

        Without a mapping, one is proposed for the first file, by its header or by what its columns
        hold; it is written beside the file, the first rows are shown as it reads them, and they are
        imported after a yes. Nothing is guessed: what the file leaves open is asked.

        Importing the same rows again changes nothing. Merchants, categories, own transfers, income
        and refunds are recognised where the mapping does not give them. Bad rows are set aside in
        the folder `rejects` of the store, each with its number and the reason. Doubts about the
        other rows are printed, such as balances that do not follow from the amounts.
        """
        schema = read_attributes(attributes) if attributes else Schema()
        given = {
            "account": account,
            "customer": customer,
            "currency": currency,
            ACCOUNT_TYPE: account_type,
            OPENING_BALANCE: opening_balance,
        }
        known = {key: value for key, value in given.items() if value is not None}
        _check_known(known, mapping, bank)
        if mapping is None:
            proposing = proposal_dependencies(open_store(store), schema, latest(today_))
            meaning = agreed_mapping(files[0], bank, known, proposing, yes=yes)
            if len(files) > 1 and account is None and "account" not in meaning.columns:
                message = "the files name no account, so they may be of several"
                hint = "import them one by one, or give --account if all are of one"
                raise UserError("import.undecided", message, hint)
        with open_store(store).make(schema, *waiting(ctx)) as facts:
            if mapping is not None:
                meaning = read_mapping(mapping, facts.schema, known)
            deps = import_dependencies(open_store(store), facts, latest(today_))
            found = list[ImportedTable]()
            try:
                found.extend(import_tables(track(files, "files"), meaning, deps))
            finally:  # if a file is refused, those before it stay
                _print_tables(found, deps)

    @app.command(epilog="Example: `tuppence import banks`")
    def banks() -> None:
        """List the banks and apps whose exports have a shipped mapping."""
        rows = [
            (name, ", ".join(bank.names), bank.country, bank.export)
            for name, bank in shipped_banks().items()
        ]
        console().print(table(("--bank", "bank or app", "country", "export"), rows))

    register_documents(app)
    register_history(app)
    program.add_typer(app)


def _print_tables(found: Sequence[ImportedTable], deps: ImportDependencies) -> None:
    """Print the outcome of files, if any was imported."""
    if not found:
        return
    columns = ("file", "rows", "new", "changed", "unchanged", "rejected")
    rows = [
        (
            one.name,
            *(f"{n:,}" for n in (one.rows, *astuple(one.counts))),
            f"{one.rejects:,}" + (f" → {one.rejects_file}" if one.rejects_file else ""),
        )
        for one in found
    ]
    console().print(table(columns, rows, columns[1:5]))
    print_known(sum((one.known for one in found), Known()), deps)
    for one in found:
        for what, count in one.left_out:
            echo(f"skipped: {count:,} rows of {one.name} ({what})")
        print_replaced(one.replaced, one.name)
        print_forgotten(one.forgotten)
        for doubt in one.doubts:
            echo(f"doubt: {one.name}: {doubt}")


def _check_known(known: Mapping[str, str], mapping: Path | None, bank: str) -> None:
    """Check options that give a mapping, or fields of it.

    Raises:
        UserError: Two of them contradict each other, or a word is unknown.
    """
    if mapping is not None and bank:
        raise UserError("cli.both", "--mapping and --bank name a mapping each", "leave one out")
    kind = known.get(ACCOUNT_TYPE, ACCOUNT_TYPES[0])
    if kind not in ACCOUNT_TYPES:
        message = f"--account-type: {kind!r} is no type of an account"
        raise UserError("mapping.unknown-word", message, nearest(kind, ACCOUNT_TYPES))
    check_currency(known.get("currency", ""))
