"""The command `tuppence store`."""

import typer

from tuppence.cli.output import Store, console, echo, table, track
from tuppence.wiring import open_facts


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="store", help="Look after a store.", no_args_is_help=True)

    @app.command(epilog="Example: `tuppence store check --store demo`")
    def check(store: Store) -> None:
        """Read everything in a store, and compare it with its checksums."""
        facts = open_facts(store)
        rows = []
        for name, customers in track(facts.partitions(), "partitions"):
            batch = facts.read(name)
            transactions = len(batch.transactions.columns["amount"].values)
            rows.append((name, f"{customers:,}", f"{transactions:,}"))
        columns = ("partition", "customers", "transactions")
        console().print(table(columns, rows, columns[1:]))
        echo(f"{store}: whole")

    @app.command(epilog="Example: `tuppence store compact --store demo`")
    def compact(store: Store) -> None:
        """Rewrite a store after many imports, so that it reads faster. Its facts stay the same."""
        open_facts(store).compact()
        echo(f"{store}: compacted")

    program.add_typer(app)
