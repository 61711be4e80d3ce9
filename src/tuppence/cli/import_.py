"""The commands `tuppence import …`."""

import datetime
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tuppence.bankdata import berlin_group, camt, mt940, ofx, open_banking, plaid, qif
from tuppence.bankdata.banks import shipped_banks
from tuppence.bankdata.categories import ACCOUNT_TYPES
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.exports import Decode, Given, read_exports
from tuppence.bankdata.mapping import ACCOUNT_TYPE, OPENING_BALANCE, nearest, read_mapping
from tuppence.bootstrap.local import import_dependencies, open_store, proposal_dependencies
from tuppence.cli.changing import waiting
from tuppence.cli.import_history import register_history
from tuppence.cli.mapping import agreed_mapping
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
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import Schema, read_attributes
from tuppence.usecases.import_bank_data import (
    ImportDependencies,
    ImportedStatement,
    Standard,
    import_statement,
    import_tables,
)
from tuppence.usecases.keep_import import Known
from tuppence.usecases.propose_mapping import only_customer

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


class Export(NamedTuple):
    """A format of statement files.

    Attributes:
        standard: Its name, and how its items are found.
        decode: Turns the bytes of a file into a document.
        endings: How the names of files end.
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
            proposing = proposal_dependencies(open_store(store), schema, _latest(today_))
            meaning = agreed_mapping(files[0], bank, known, proposing, yes=yes)
            if len(files) > 1 and account is None and "account" not in meaning.columns:
                message = "the files name no account, so they may be of several"
                hint = "import them one by one, or give --account if all are of one"
                raise UserError("import.undecided", message, hint)
        with open_store(store).make(schema, *waiting(ctx)) as facts:
            if mapping is not None:
                meaning = read_mapping(mapping, facts.schema, known)
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

    @app.command(epilog="Example: `tuppence import banks`")
    def banks() -> None:
        """List the banks and apps whose exports have a shipped mapping."""
        rows = [
            (name, ", ".join(bank.names), bank.country, bank.export)
            for name, bank in shipped_banks().items()
        ]
        console().print(table(("--bank", "bank or app", "country", "export"), rows))

    for standard, title in STANDARDS.items():
        _register_standard(app, standard, title)
    for export, title in EXPORTS.items():
        _register_export(app, export, title)
    _register_qif(app)
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
        today_: Today = None,
    ) -> None:
        given = Given(_latest(today_))
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
        today_: Today = None,
    ) -> None:
        _check_known({"currency": currency}, None, "")
        given = Given(_latest(today_), account or "", currency, date_format)
        _import_export(ctx, QIF, paths, store, customer, given)


def _import_export(
    ctx: typer.Context,
    export: Export,
    paths: list[Path],
    store: Path,
    customer: str | None,
    given: Given,
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
    """Print what the documents of a customer gave."""
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
    code = known.get("currency", "")
    if code and minor_digits(code) is None:
        message = f"--currency: there is no currency {code!r}"
        raise UserError("import.currency", message, "write a code of ISO 4217, such as GBP")


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
        echo(f"removed: {count:,} transactions that only an earlier import of {what} had")


def _latest(text: str | None) -> datetime.date:
    """Return the latest day on which a transaction can be booked."""
    day = date_option(text, "--today") if text else None
    return datetime.date.fromisoformat(str(day)) if day else today()
