"""The commands `tuppence import list` and `tuppence import undo`."""

from typing import Annotated

import typer

from tuppence.bootstrap.imports import import_dependencies
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import hold
from tuppence.cli.output import Format, FormatOption, Store, console, echo, print_json, table, today
from tuppence.feel.values import Date
from tuppence.usecases.undo_import import undo_import

COLUMNS = ("id", "on", "command", "from", "rows", "rejected rows")


def register_history(app: typer.Typer) -> None:
    """Add the commands to the group of imports."""

    @app.command("list", epilog="Example: `tuppence import list --store money`")
    def list_(
        store: Store,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """List the imports of a store that can be taken back, oldest first.

        The list begins with the first import by this version. It begins again after 200 imports,
        and after `tuppence load --from`, whose rows no import has read.
        """
        found = open_store(store).facts().imports()
        rows = [
            (one.id, str(Date(one.day)), one.command, one.source, one.rows, one.rejects)
            for one in found
        ]
        if format_ is Format.JSON:
            print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
            return
        shown = [(str(number), *texts, f"{n:,}", file) for number, *texts, n, file in rows]
        console().print(table(COLUMNS, shown, ("id", "rows")))

    @app.command(epilog="Example: `tuppence import undo 2 --store money`")
    def undo(
        ctx: typer.Context,
        number: Annotated[
            int, typer.Argument(metavar="ID", help="Number of the import.", show_default=False)
        ],
        store: Store,
    ) -> None:
        """Take an import back, whichever came after it.

        Its rows are removed, rows that it changed become what they were, and what was inferred is
        inferred again. Rows that other imports have too stay, and so do accounts and customers of
        which other imports have rows. The rows that it set aside are removed. Consents stay.
        """
        folder = hold(ctx, store)
        deps = import_dependencies(folder, folder.facts(), today())
        found = undo_import(number, deps.facts, deps.rejects, folder, deps.enricher)
        made, changes = found.made, found.changes
        echo(f"taken back: import {made.id}, {made.command} {made.source}")
        echo(
            f"transactions: {changes.removed:,} removed, {changes.changed:,} as they were before, "
            f"{changes.new:,} there again, {found.kept:,} kept, which other imports have too"
        )
        if found.rejects:
            echo(f"removed: {found.rejects:,} rows that were set aside")
        if found.gone:
            customers = "customer" if found.gone == 1 else "customers"
            echo(f"removed: {found.gone:,} {customers} without any other data")
        echo("results follow with the next run; to record consents, see tuppence consent")
