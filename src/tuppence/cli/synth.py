"""The command `tuppence synth`."""

import time
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from tuppence.bankdata.synthetic import population
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import waiting
from tuppence.cli.output import Store, console, date_option, progress
from tuppence.errors import UserError
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence synth --customers 10000 --seed 1 --store demo`")
    def synth(
        ctx: typer.Context,
        store: Store,
        customers: Annotated[
            int, typer.Option(min=1, max=100_000_000, help="Number of customers.")
        ] = 10_000,
        seed: Annotated[int, typer.Option(min=0, help="Seed of the population.")] = 1,
        until: Annotated[str, typer.Option(help="The last day with transactions.")] = "2026-06-30",
        months: Annotated[int, typer.Option(min=1, max=120, help="Months of transactions.")] = 13,
    ) -> None:
        """Create a store with a synthetic population of the United Kingdom."""
        last = date_option(until, "--until")
        with open_store(store).make(Schema(), *waiting(ctx)) as facts:
            if facts.partitions():
                message = f"{store}: there are customers in this store already"
                raise UserError("synth.not-empty", message, "choose another folder")
            began = time.monotonic()
            facts.add_partitions(_shown(population(customers, seed, last, months), customers))
            count = facts.transaction_count
        seconds = time.monotonic() - began
        console().print(
            f"{customers:,} customers with {count:,} transactions in {store} "
            f"({seconds:.1f} s, {count / seconds:,.0f} transactions/s)",
            highlight=False,
        )


def _shown(parts: Iterable[tuple[int, Rows]], total: int) -> Iterator[Rows]:
    """Yield the rows of a population, and show how many of its customers have been taken."""
    with progress() as bar:
        task = bar.add_task("customers", total=total, unit="customers")
        for _, rows in parts:
            yield rows
            bar.advance(task, rows.customers.height if rows.customers is not None else 0)
