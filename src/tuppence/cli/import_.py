"""The commands `tuppence import …`."""

import datetime
from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.mapping import read_mapping
from tuppence.bootstrap.local import import_dependencies, open_store
from tuppence.cli.changing import waiting
from tuppence.cli.import_history import register_history
from tuppence.cli.output import (
    Store,
    console,
    date_option,
    echo,
    only_identifiers,
    table,
    today,
    track,
)
from tuppence.facts.schema import Schema, read_attributes
from tuppence.usecases.import_bank_data import (
    ImportDependencies,
    Standard,
    import_statement,
    import_tables,
)
from tuppence.usecases.keep_import import Known

Today = Annotated[
    str | None,
    typer.Option("--today", help="No row may be dated later; the system's date if omitted."),
]


STANDARDS = {
    Standard("open-banking", open_banking.items, "GB"): (
        "Import data from UK Open Banking, versions 3.1 and 4.0."
    ),
    Standard("berlin-group", berlin_group.items, "EU"): (
        "Import data from the Berlin Group's NextGenPSD2, version 1.3."
    ),
    Standard("plaid", plaid.items, "US"): "Import transactions from Plaid.",
}
_ABOUT = (
    "Imports accounts, balances and booked transactions of one customer. Importing the same "
    "documents again changes nothing, later documents override earlier ones, and pending "
    "transactions are skipped until they are booked. Merchants, categories, own transfers, income "
    "and refunds are recognised. Items that cannot be imported are set aside in the folder "
    "`rejects` of the store, each with its place and the reason."
)


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
        mapping: Annotated[Path, typer.Option(help="YAML file that maps columns to fields.")],
        store: Store,
        attributes: Annotated[
            Path | None,
            typer.Option(help="A file that declares more customer attributes, for a new store."),
        ] = None,
        today_: Today = None,
    ) -> None:
        """Import transactions, accounts or customers from tables.

        Importing the same rows again changes nothing. Merchants, categories, own transfers, income
        and refunds are recognised where the mapping does not give them. Bad rows are set aside in
        the folder `rejects` of the store, each with its number and the reason. Doubts about the
        other rows are printed, such as balances that do not follow from the amounts.
        """
        schema = read_attributes(attributes) if attributes else Schema()
        with open_store(store).make(schema, *waiting(ctx)) as facts:
            meaning = read_mapping(mapping, facts.schema)
            deps = import_dependencies(open_store(store), facts, _latest(today_))
            found = list(import_tables(track(files, "files"), meaning, deps))
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
        _print_known(sum((one.known for one in found), Known()), deps)
        for one in found:
            for what, count in one.left_out:
                echo(f"skipped: {count:,} rows of {one.name} ({what})")
            _print_replaced(one.replaced, one.name)
            for doubt in one.doubts:
                echo(f"doubt: {one.name}: {doubt}")

    for standard, title in STANDARDS.items():
        _register_standard(app, standard, title)
    register_history(app)
    program.add_typer(app)


def _register_standard(app: typer.Typer, standard: Standard, title: str) -> None:
    example = f"`tuppence import {standard.name} fetched/ --customer ann --store money`"

    @app.command(standard.name, help=f"{title}\n\n{_ABOUT}", epilog=f"Example: {example}")
    def read(
        ctx: typer.Context,
        paths: Annotated[
            list[Path], typer.Argument(help="JSON, NDJSON, or folders of them, oldest first.")
        ],
        customer: Annotated[
            str,
            typer.Option(help="Customer of the documents.", callback=only_identifiers("customer")),
        ],
        store: Store,
        account: Annotated[
            str | None,
            typer.Option(
                help="The account of documents that name none, as the Berlin Group's may.",
                callback=only_identifiers("account"),
            ),
        ] = None,
        today_: Today = None,
    ) -> None:
        documents = read_documents(paths)
        if account and standard.items is berlin_group.items:
            documents = (
                one._replace(content=berlin_group.with_account(one.content, account))
                for one in documents
            )
        with open_store(store).make(Schema(), *waiting(ctx)) as facts:
            deps = import_dependencies(open_store(store), facts, _latest(today_))
            found = import_statement(documents, standard, customer, deps)
        rows = [(what, *(f"{n:,}" for n in astuple(count))) for what, count in found.counts.items()]
        columns = ("what", "new", "changed", "unchanged")
        console().print(table(columns, rows, columns[1:]))
        _print_known(found.known, deps)
        if found.consents:
            echo(f"consents: {found.consents:,} → tuppence consent list {found.customer}")
        if found.removed:
            echo(f"removed: {found.removed:,} transactions that the bank has taken back")
        for what, count in sorted(found.ignored.items()):
            echo(f"skipped: {count:,} {what}")
        if found.rejects:
            echo(f"rejected: {found.rejects:,} of {found.items:,} items → {found.rejects_file}")
        _print_replaced(found.replaced, "these documents")
        for doubt in found.doubts:
            echo(f"doubt: {doubt}")


def _print_known(known: Known, deps: ImportDependencies) -> None:
    """Print the shares of transactions with a known merchant and a known category."""
    if known.transactions:
        merchants, categories = (n / known.transactions for n in known[1:])
        echo(
            f"known: the merchant of {merchants:.0%} and the category of {categories:.0%} "
            f"of {known.transactions:,} transactions (lists {deps.enricher.version})"
        )


def _print_replaced(count: int, what: str) -> None:
    """Print how many transactions only an earlier import of the same bytes gave."""
    if count:
        echo(f"removed: {count:,} transactions that an earlier import of {what} gave, and now not")


def _latest(text: str | None) -> datetime.date:
    """Return the latest day on which a transaction can be booked."""
    day = date_option(text, "--today") if text else None
    return datetime.date.fromisoformat(str(day)) if day else today()
