"""The command `tuppence database`."""

from typing import Annotated

import typer

from tuppence.cli.output import Database, echo
from tuppence.structured import read_secret
from tuppence.wiring import call_convert, make_reader, migrate_database


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="database", no_args_is_help=True)

    @app.callback()  # with it a single command keeps its name
    def group() -> None:
        """Look after the PostgreSQL database."""

    example = "`tuppence database migrate --database postgresql://owner@localhost/bank`"

    @app.command(epilog=f"Example: {example}")
    def migrate(
        database: Database,
        to: Annotated[
            str, typer.Option(help="A version such as 0001; head is the newest, base none.")
        ] = "head",
        reader: Annotated[
            str, typer.Option(help="Make a login of this name too, that may only read.")
        ] = "",
        password: Annotated[
            str, typer.Option(help="Where its password is: a file, or env:NAME.")
        ] = "",
        convert: Annotated[
            str, typer.Option(help="ARN of the function that Aurora calls when a rule is decided.")
        ] = "",
    ) -> None:
        """Bring the tables of a database to a version, forward or back, in one transaction.

        The login must own the tables. Going back drops what the later versions added.
        """
        if bool(reader) != bool(password):
            raise typer.BadParameter("--reader and --password go together")
        before, after = migrate_database(database, to)
        echo(f"from {before} to {after}" if before != after else f"at {after} already")
        if reader:
            make_reader(database, reader, read_secret(password))
            echo(f"{reader} may read")
        if convert:
            call_convert(database, convert)
            echo(f"calls {convert} when a definition is approved or retired")

    program.add_typer(app)
