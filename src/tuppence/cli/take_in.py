"""The command `tuppence take-in`."""

from typing import Annotated

import typer

from tuppence.bankdata.mapping import read_mapping
from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.fleet import open_inbox
from tuppence.bootstrap.imports import import_dependencies
from tuppence.bootstrap.store import open_store
from tuppence.cards import masked
from tuppence.cli.changing import waiting
from tuppence.cli.output import Store, date_option, echo, today
from tuppence.facts.schema import Schema
from tuppence.plain_text import printable
from tuppence.usecases.copy_facts import Agreement, load_changes
from tuppence.usecases.import_bank_data import import_tables
from tuppence.usecases.take_in_files import TakenIn, take_in


def register(program: typer.Typer) -> None:
    """Add the command."""

    @program.command(
        "take-in",
        epilog="Example: `tuppence take-in s3://bank-files --store /store --to postgresql:// "
        "--consent-from 2026-01-01 --consent-until 2099-01-01`",
    )
    def take_in_(
        ctx: typer.Context,
        inbox: Annotated[str, typer.Argument(help="A bucket, as s3://BUCKET.")],
        store: Store,
        to: Annotated[str, typer.Option(help="Load the store into this database afterwards.")],
        consent_from: Annotated[
            str | None,
            typer.Option(help="First day of the consent of customers who are new to the database."),
        ] = None,
        consent_until: Annotated[
            str | None, typer.Option(help="First day after that consent.")
        ] = None,
        jurisdiction: Annotated[
            str,
            typer.Option(
                help="Jurisdiction of that consent, for customers whose country is not known."
            ),
        ] = "GB",
    ) -> None:
        """Import the tables that have arrived in a bucket, and load what is new into the database.

        A file `inbox/SOURCE/FILE` is read by the mapping `inbox/SOURCE/mapping.yaml`. It is then
        moved to `imported/SOURCE/`, with a file of the rows that could not be taken and the
        reasons, or to `refused/SOURCE/`, with the reason. Files that arrive meanwhile are imported,
        too. If a file was refused, the exit status is 4, and the others are loaded all the same.
        The output names files and numbers, but never quotes what is in them.

        Without the dates of a consent, new customers of whom the files and the store know none are
        loaded, and not evaluated until one is recorded.
        """
        if (consent_from is None) != (consent_until is None):
            raise typer.BadParameter("--consent-from and --consent-until go together")
        agreement = None
        if consent_from is not None and consent_until is not None:
            agreement = Agreement(
                date_option(consent_from, "--consent-from"),
                date_option(consent_until, "--consent-until"),
                jurisdiction,
            )
        arriving = open_inbox(inbox)
        refused = 0
        with open_store(store).make(Schema(), *waiting(ctx)) as facts:
            deps = import_dependencies(open_store(store), facts, today())
            for taken in take_in(
                arriving,
                lambda file, mapping: next(
                    import_tables([file], read_mapping(mapping, facts.schema, {}), deps)
                ),
            ):
                refused += taken.imported is None
                _print(taken)
        # Even if nothing arrived: an earlier load may have failed.
        with fact_database(to) as database:
            count = load_changes(open_store(store), database, agreement)
        echo(f"{count:,} transactions were loaded into the database")
        if refused:
            raise typer.Exit(4)


def _print(taken: TakenIn) -> None:
    name = printable(masked("/".join(filter(None, taken.file))), keep="")
    if taken.imported is None:
        echo(f"{name}: refused, see the reason beside it")
        return
    found = taken.imported
    counts = f"{found.counts.new:,} new, {found.counts.changed:,} changed"
    echo(f"{name}: {found.rows:,} rows, {counts}, {found.rejects:,} rejected")
