"""The command `tuppence store`."""

import typer

from tuppence.cli.changing import hold
from tuppence.cli.output import Store, console, table, track
from tuppence.facts.source import FactSource
from tuppence.wiring import open_facts, read_facts


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="store", help="Look after a store.", no_args_is_help=True)

    @app.command(epilog="Example: `tuppence store check --store demo`")
    def check(store: Store) -> None:
        """Read everything in a store, and compare it with its checksums."""
        rows = read_facts(store, _read_all)
        columns = ("partition", "customers", "transactions")
        console().print(table(columns, rows, columns[1:]))
        typer.echo(f"{store}: whole")

    @app.command(epilog="Example: `tuppence store compact --store demo`")
    def compact(ctx: typer.Context, store: Store) -> None:
        """Rewrite a store after many imports, so that it reads faster. Its facts stay the same."""
        hold(ctx, store)
        open_facts(store).compact()
        typer.echo(f"{store}: compacted")

    program.add_typer(app)


def _read_all(facts: FactSource) -> list[tuple[str, str, str]]:
    """Read all facts; return each partition with its numbers of customers and transactions."""
    rows = []
    for name, customers in track(facts.partitions(), "partitions"):
        batch = facts.read(name)
        transactions = len(batch.transactions.columns["amount"].values)
        rows.append((name, f"{customers:,}", f"{transactions:,}"))
    return rows
