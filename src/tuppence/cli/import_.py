"""The command `tuppence import`."""

from pathlib import Path
from typing import Annotated

import typer

from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.cli.output import Store, console, date_option, table, today, track
from tuppence.errors import UserError
from tuppence.facts.rows import Counts
from tuppence.facts.schema import Schema, read_attributes
from tuppence.wiring import create_facts


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="import", no_args_is_help=True)

    @app.callback()  # with it a single command keeps its name
    def group() -> None:
        """Bring bank data into a store."""

    example = "`tuppence import csv statement.csv --mapping mybank.yaml --store money`"

    @app.command(epilog=f"Example: {example}")
    def csv(
        files: Annotated[list[Path], typer.Argument(help="CSV with a header, or Parquet.")],
        mapping: Annotated[Path, typer.Option(help="What the columns mean: a YAML file.")],
        store: Store,
        attributes: Annotated[
            Path | None, typer.Option(help="Declares more customer attributes; for a new store.")
        ] = None,
        today_: Annotated[
            str | None,
            typer.Option(
                "--today", help="No row may be dated later; the system's date if left out."
            ),
        ] = None,
    ) -> None:
        """Import transactions, accounts or customers from tables.

        Importing the same rows again changes nothing. Bad rows are set aside in the folder
        `rejects` of the store, each with its number and the reason.
        """
        schema = read_attributes(attributes) if attributes else Schema()
        read_mapping(mapping, schema)  # a wrong mapping must not leave an empty store behind
        facts = create_facts(store, schema)
        meaning = read_mapping(mapping, facts.schema)
        day = date_option(today_, "--today") if today_ else None
        latest = today().fromisoformat(str(day)) if day else today()
        rows = []
        for file in track(files, "files"):
            owners = Owners(facts.customers(), facts.owners())
            reading = read_table(file, meaning, facts.schema, owners, latest)
            aside = facts.set_aside(file.name, reading.rejects)
            if reading.rejects.height == reading.count:
                raise UserError(
                    "import.all-rejected",
                    f"{file}: all {reading.count} rows were rejected; "
                    f"row 1: {reading.rejects['reason'][0]}",
                    f"{aside} has the reason for each; nothing was imported from this file",
                )
            counts = facts.append(reading.rows).get(meaning.table, Counts())
            rejected = f"{reading.rejects.height:,}" + (f" → {aside}" if aside else "")
            numbers = (reading.count, counts.new, counts.changed, counts.unchanged)
            rows.append((file.name, *(f"{n:,}" for n in numbers), rejected))
        columns = ("file", "rows", "new", "changed", "unchanged", "rejected")
        console().print(table(columns, rows, columns[1:5]))

    program.add_typer(app)
