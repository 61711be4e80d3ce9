"""The commands `tuppence import` for documents of banks' interfaces and for statement files."""

from dataclasses import astuple
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tuppence.bankdata import berlin_group, camt, mt940, ofx, open_banking, plaid, qif
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.exports import Decode, FileDefaults, read_exports
from tuppence.bootstrap.imports import import_dependencies, proposal_dependencies
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import waiting
from tuppence.cli.imported import (
    Today,
    check_currency,
    latest,
    print_forgotten,
    print_known,
    print_replaced,
)
from tuppence.cli.output import Store, console, echo, only_identifiers, table
from tuppence.facts.schema import Schema
from tuppence.usecases.import_bank_data import (
    ImportDependencies,
    ImportedStatement,
    Standard,
    import_statement,
)
from tuppence.usecases.propose_mapping import only_customer

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


Encoding = Annotated[
    str,
    typer.Option(
        help="Encoding of the files, in place of the one that they name. Without it, those that "
        "name none and are not UTF-8 are taken for windows-1252."
    ),
]


class Export(NamedTuple):
    """A format of statement files.

    Attributes:
        standard: Its name, and how its items are found.
        decode: Turns the bytes of a file into a document.
        endings: Endings of the names of files.
    """

    standard: Standard
    decode: Decode
    endings: tuple[str, ...]


EXPORTS = {
    Export(Standard("ofx", ofx.items, ""), ofx.decode, ofx.ENDINGS): (
        "Import OFX or QFX files of accounts and cards."
    ),
    Export(Standard("mt940", mt940.items, ""), mt940.decode, mt940.ENDINGS): (
        "Import MT940 statements."
    ),
    Export(Standard("camt053", camt.items, ""), camt.decode, camt.ENDINGS): (
        "Import camt.053 statements of ISO 20022."
    ),
}
QIF = Export(Standard("qif", qif.items, ""), qif.decode, qif.ENDINGS)
_ABOUT_EXPORTS = (
    "Importing the same files again changes nothing. Pending transactions are skipped until they "
    "are booked. Merchants, categories, own transfers, income and refunds are recognised. What "
    "cannot be imported is set aside in the folder `rejects` of the store, each with its place and "
    "the reason."
)
ExportPaths = Annotated[list[Path], typer.Argument(help="Files, or folders of them, oldest first.")]
ExportCustomer = Annotated[
    str | None,
    typer.Option(
        help="Customer of the files; the only one of the store if omitted, or `me` if it has none.",
        callback=only_identifiers("customer"),
    ),
]


def register_documents(app: typer.Typer) -> None:
    """Add the commands to the group of imports."""
    for standard, title in STANDARDS.items():
        _register_standard(app, standard, title)
    for export, title in EXPORTS.items():
        _register_export(app, export, title)
    _register_qif(app)


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
        if account and standard.items is not berlin_group.items:
            message = f"documents of {standard.name} name their accounts: omit --account"
            raise typer.BadParameter(message)
        if account:
            documents = (
                one._replace(content=berlin_group.with_account(one.content, account))
                for one in documents
            )
        with open_store(store).make(Schema(), *waiting(ctx)) as facts:
            deps = import_dependencies(open_store(store), facts, latest(today_))
            found = import_statement(documents, standard, customer, deps)
        _print_statement(found, deps)


def _register_export(app: typer.Typer, export: Export, title: str) -> None:
    example = f"`tuppence import {export.standard.name} statement{export.endings[0]} --store money`"

    @app.command(
        export.standard.name, help=f"{title}\n\n{_ABOUT_EXPORTS}", epilog=f"Example: {example}"
    )
    def read(
        ctx: typer.Context,
        paths: ExportPaths,
        store: Store,
        customer: ExportCustomer = None,
        encoding: Encoding = "",
        today_: Today = None,
    ) -> None:
        given = FileDefaults(latest(today_), encoding=encoding)
        _import_export(ctx, export, paths, store, customer, given)


def _register_qif(app: typer.Typer) -> None:
    @app.command(
        "qif",
        help=f"Import a QIF file of a bookkeeping program.\n\n{_ABOUT_EXPORTS}",
        epilog="Example: `tuppence import qif all.qif --account main --currency GBP --store money`",
    )
    def read(
        ctx: typer.Context,
        paths: ExportPaths,
        store: Store,
        customer: ExportCustomer = None,
        account: Annotated[
            str | None,
            typer.Option(
                help="The account of files that name none.", callback=only_identifiers("account")
            ),
        ] = None,
        currency: Annotated[
            str, typer.Option(help="Currency of the amounts, which QIF files do not name.")
        ] = "",
        date_format: Annotated[
            str, typer.Option(help="Format of dates that can be read in two ways, as %d/%m/%Y.")
        ] = "",
        encoding: Encoding = "",
        today_: Today = None,
    ) -> None:
        check_currency(currency)
        given = FileDefaults(latest(today_), account or "", currency, date_format, encoding)
        _import_export(ctx, QIF, paths, store, customer, given)


def _import_export(
    ctx: typer.Context,
    export: Export,
    paths: list[Path],
    store: Path,
    customer: str | None,
    given: FileDefaults,
) -> None:
    """Import statement files, of the only customer of the store if nobody is named."""
    proposing = proposal_dependencies(open_store(store), Schema(), given.today)
    customer = customer or only_customer(proposing.owners)
    money = dict(proposing.owners.customers.select("id", "currency").iter_rows())
    given = given._replace(currency=given.currency or money.get(customer, ""))
    documents = list(read_exports(paths, export.endings, export.decode, given))
    with open_store(store).make(Schema(), *waiting(ctx)) as facts:
        deps = import_dependencies(open_store(store), facts, given.today)
        found = import_statement(documents, export.standard, customer, deps)
    _print_statement(found, deps)


def _print_statement(found: ImportedStatement, deps: ImportDependencies) -> None:
    """Print the outcome of the documents of a customer."""
    rows = [(what, *(f"{n:,}" for n in astuple(count))) for what, count in found.counts.items()]
    columns = ("what", "new", "changed", "unchanged")
    console().print(table(columns, rows, columns[1:]))
    print_known(found.known, deps)
    if found.consents:
        echo(f"consents: {found.consents:,} → tuppence consent list {found.customer}")
    if found.removed:
        echo(f"removed: {found.removed:,} transactions that the bank has taken back")
    for what, count in sorted(found.ignored.items()):
        echo(f"skipped: {count:,} {what}")
    if found.rejects:
        echo(f"rejected: {found.rejects:,} of {found.items:,} items → {found.rejects_file}")
    print_replaced(found.replaced, "these documents")
    print_forgotten(found.forgotten)
    for doubt in found.doubts:
        echo(f"doubt: {doubt}")
