"""The command `tuppence import`."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import quote

import polars as pl
import typer

from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.inference import inferred
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.parts import Agreed, Items, day_of
from tuppence.bankdata.statement import EPOCH, read_statement, with_held
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.cards import masked
from tuppence.cli.changing import hold
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
from tuppence.facts.consent import PURPOSE, Consent
from tuppence.facts.rows import Counts, Rows
from tuppence.facts.schema import Schema, read_attributes
from tuppence.wiring import consents_of, create_facts, rejects_of, tokens_of

Today = Annotated[
    str | None,
    typer.Option("--today", help="No row may be dated later; the system's date if left out."),
]


class Reader(NamedTuple):
    """A standard of banks' interfaces: what it is, and how its documents are read."""

    title: str
    items: Items
    jurisdiction: str


READERS = {
    "open-banking": Reader(
        "Import what UK Open Banking gives, versions 3.1 and 4.0.", open_banking.items, "GB"
    ),
    "berlin-group": Reader(
        "Import what the Berlin Group's NextGenPSD2 gives, version 1.3.", berlin_group.items, "EU"
    ),
    "plaid": Reader("Import what Plaid gives for transactions.", plaid.items, "US"),
}
_ABOUT = (
    "Accounts, balances and booked transactions of one customer. The same documents again change "
    "nothing, later ones hold over earlier ones, and what is pending is left out until it is "
    "booked. Merchants, categories, own transfers, income and refunds are found in them. What "
    "cannot be taken is set aside in the folder `rejects` of the store, each with its place and "
    "the reason."
)


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="import", no_args_is_help=True)

    @app.callback()  # with it a single command keeps its name
    def group() -> None:
        """Bring bank data into a store."""

    example = "`tuppence import csv statement.csv --mapping mybank.yaml --store money`"

    @app.command(epilog=f"Example: {example}")
    def csv(
        ctx: typer.Context,
        files: Annotated[list[Path], typer.Argument(help="CSV with a header, or Parquet.")],
        mapping: Annotated[Path, typer.Option(help="What the columns mean: a YAML file.")],
        store: Store,
        attributes: Annotated[
            Path | None, typer.Option(help="Declares more customer attributes; for a new store.")
        ] = None,
        today_: Today = None,
    ) -> None:
        """Import transactions, accounts or customers from tables.

        Importing the same rows again changes nothing. Merchants, categories, own transfers, income
        and refunds are found where the mapping does not give them. Bad rows are set aside in the
        folder `rejects` of the store, each with its number and the reason.
        """
        schema = read_attributes(attributes) if attributes else Schema()
        read_mapping(mapping, schema)  # a wrong mapping must not leave an empty store behind
        hold(ctx, store, make=True)
        facts = create_facts(store, schema)
        meaning = read_mapping(mapping, facts.schema)
        latest = _latest(today_)
        enricher, tokens = Enricher(), tokens_of(store)
        rows = []
        told: list[pl.DataFrame | None] = []
        for file in track(files, "files"):
            owners = Owners(facts.customers(), facts.owners())
            reading = read_table(file, meaning, facts.schema, owners, latest, tokens)
            source = masked(file.name).replace("*", "x")
            aside = rejects_of(store).put(source, reading.rejects)
            if reading.rejects.height == reading.count:
                raise UserError(
                    "import.all-rejected",
                    f"{file}: all {reading.count} rows were rejected; "
                    f"row 1: {reading.rejects.to_series(1)[0]}",
                    f"{aside} has the reason for each; nothing was imported from this file",
                )
            incoming = inferred(
                reading.rows, _stored(facts.rows_of, reading.rows, owners), enricher
            )
            told.append(incoming.transactions)
            counts = facts.append(incoming).get(meaning.table, Counts())
            rejected = f"{reading.rejects.height:,}" + (f" → {aside}" if aside else "")
            numbers = (reading.count, counts.new, counts.changed, counts.unchanged)
            rows.append((masked(file.name), *(f"{n:,}" for n in numbers), rejected))
        columns = ("file", "rows", "new", "changed", "unchanged", "rejected")
        console().print(table(columns, rows, columns[1:5]))
        _tell_known(told, enricher)

    for name, reader in READERS.items():
        _register_reader(app, name, reader)
    program.add_typer(app)


def _register_reader(app: typer.Typer, name: str, reader: Reader) -> None:
    example = f"`tuppence import {name} fetched/ --customer ann --store money`"

    @app.command(name, help=f"{reader.title}\n\n{_ABOUT}", epilog=f"Example: {example}")
    def read(
        ctx: typer.Context,
        paths: Annotated[
            list[Path], typer.Argument(help="JSON, NDJSON, or folders of them, oldest first.")
        ],
        customer: Annotated[
            str, typer.Option(help="Whose data they are.", callback=only_identifiers("customer"))
        ],
        store: Store,
        today_: Today = None,
    ) -> None:
        hold(ctx, store, make=True)
        facts = create_facts(store, Schema())
        owners = Owners(facts.customers(), facts.owners())
        documents = read_documents(paths)
        tokens = tokens_of(store)
        customer = tokens.of(customer)
        found = read_statement(
            documents, reader.items, customer, facts.schema, owners, _latest(today_), tokens
        )
        rejects = found.reading.rejects
        aside = rejects_of(store).put(f"{name}/{quote(customer, safe='')}", rejects)
        is_known = customer in owners.customers["id"]
        stored = facts.rows_of(customer) if is_known else Rows()
        enricher = Enricher()
        incoming = inferred(with_held(found.reading.rows, stored), stored, enricher)
        consents = [_consent(customer, reader, one) for one in found.consents]
        known = {one.id: one for one in consents_of(store).of(customer)}
        # before the facts: whoever has facts and no consent counts as the store's owner
        consents_of(store).record(one.after(known.get(one.id)) for one in consents)
        counts = facts.append(incoming)
        removed = facts.remove(customer, found.removed) if found.removed and is_known else 0
        rows = [
            (what, *(f"{n:,}" for n in (count.new, count.changed, count.unchanged)))
            for what, count in counts.items()
        ]
        columns = ("what", "new", "changed", "unchanged")
        console().print(table(columns, rows, columns[1:]))
        _tell_known([incoming.transactions], enricher)
        if consents:
            echo(f"consents: {len(consents):,} → tuppence consent list {customer}")
        if removed:
            echo(f"removed: {removed:,} transactions that the bank has taken back")
        for what, count in sorted(found.left.items()):
            echo(f"left out: {count:,} {what}")
        if rejects.height:
            echo(f"rejected: {rejects.height:,} of {found.reading.count:,} items → {aside}")


def _consent(customer: str, reader: Reader, agreed: Agreed) -> Consent:
    """A consent as a store keeps it."""
    moments = (agreed.confirmed, agreed.expires, agreed.withdrawn)
    confirmed, expires, withdrawn = (moment and _day(moment) for moment in moments)
    return Consent(
        customer,
        agreed.id,
        PURPOSE,
        agreed.scope,
        reader.jurisdiction,
        min(_day(agreed.granted), *(day for day in (confirmed, expires and expires - 1) if day)),
        confirmed or None,
        expires or None,
        withdrawn or None,
    )


def _day(moment: str) -> int:
    return (day_of(moment) - EPOCH).days


def _tell_known(imported: Sequence[pl.DataFrame | None], enricher: Enricher) -> None:
    """Of how many transactions the merchant and the category are known, and by what."""
    parts = [part.select("merchant", "category").count() for part in imported if part is not None]
    rows = sum(part.height for part in imported if part is not None)
    if rows:
        known = pl.concat(parts).sum()
        merchants, categories = (known[name][0] / rows for name in ("merchant", "category"))
        echo(
            f"known: the merchant of {merchants:.0%} and the category of {categories:.0%} "
            f"of {rows:,} transactions (lists {enricher.version})"
        )


def _stored(rows_of: Callable[..., Rows], incoming: Rows, owners: Owners) -> Rows:
    """What is known of the customers whose transactions come in."""
    if incoming.transactions is None:
        return Rows()
    named = incoming.transactions.select(id="account").unique()
    whose = owners.accounts.join(named, on="id", how="semi")["customer"]
    if incoming.accounts is not None:
        whose = pl.concat([whose, incoming.accounts["customer"]])
    known = (
        whose.unique()
        .sort()
        .to_frame()
        .join(owners.customers, left_on="customer", right_on="id", how="semi")
    )
    return rows_of(*known["customer"])


def _latest(text: str | None) -> datetime.date:
    """The day after which nothing can be booked."""
    day = date_option(text, "--today") if text else None
    return datetime.date.fromisoformat(str(day)) if day else today()
