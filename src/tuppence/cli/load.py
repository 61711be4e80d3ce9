"""The command `tuppence load`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.address import is_address, store_at
from tuppence.bootstrap.database import fact_database, is_database
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import waiting
from tuppence.cli.output import Store, date_option, echo, progress, track
from tuppence.errors import UserError
from tuppence.usecases.copy_facts import Agreement, dump_facts, load_facts, share_facts


def register(program: typer.Typer) -> None:
    """Add the command."""

    @program.command(
        epilog="Examples: `tuppence load --store demo --to postgresql://localhost/bank "
        "--consent-from 2026-01-01 --consent-until 2099-01-01`, and back: "
        "`tuppence load --from postgresql://localhost/bank --store copy`"
    )
    def load(
        ctx: typer.Context,
        store: Store,
        to: Annotated[
            str | None,
            typer.Option(help="Load into this database, or into the store at this address."),
        ] = None,
        from_: Annotated[
            str | None, typer.Option("--from", help="Load from this database into the store.")
        ] = None,
        consent_until: Annotated[
            str | None,
            typer.Option(help="First day after the consent of customers new to the database."),
        ] = None,
        consent_from: Annotated[str | None, typer.Option(help="First day of that consent.")] = None,
        jurisdiction: Annotated[
            str,
            typer.Option(
                help="Jurisdiction of that consent, for customers whose country is not known."
            ),
        ] = "GB",
    ) -> None:
        """Load the facts of a store into PostgreSQL, or back; all of them, or none.

        They can also be loaded into a store at an address, such as s3://bucket/store, that a
        cluster evaluates. Many machines may do so at the same time; each adds what it has.

        Loading the same facts again changes nothing. Consents of the store are loaded with them. In
        a database every customer has a consent, so give the dates of the consent to record for new
        customers who have none in the store.
        """
        if (to is None) == (from_ is None):
            raise UserError("cli.load", "give either --to or --from", "tuppence load --help")
        began = time.monotonic()
        if from_ is not None:
            copy = open_store(store)
            with (
                fact_database(from_) as database,
                copy.make(database.schema(), *waiting(ctx)) as facts,
            ):
                count = dump_facts(database, facts, copy.consents)
        elif is_address(to := str(to)) and not is_database(to):
            count = _share(store, to)
        else:
            if consent_from is None or consent_until is None:
                message = "say with --consent-from and --consent-until when the consent holds"
                raise UserError("cli.load", message, "tuppence load --help tells why")
            agreement = Agreement(
                date_option(consent_from, "--consent-from"),
                date_option(consent_until, "--consent-until"),
                jurisdiction,
            )
            with fact_database(to) as database:
                count = load_facts(
                    open_store(store),
                    database,
                    agreement,
                    lambda parts: track(parts, "partitions"),
                )
        seconds = time.monotonic() - began
        echo(f"{count:,} transactions in {seconds:.1f} s ({count / max(seconds, 0.001):,.0f}/s)")


def _share(store: Path, address: str) -> int:
    """Add the facts of a store to one at an address, and return how many transactions it has."""
    there, here = store_at(address), open_store(store)
    with progress() as bar:
        total = sum(count for _, count in here.facts().partitions())
        task = bar.add_task("customers", total=total, unit="customers", per_step=1)
        return share_facts(here, there, lambda customers: bar.advance(task, customers))
