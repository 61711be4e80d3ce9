"""The command `tuppence store`."""

import typer

from tuppence.bootstrap.store import check_store, upgrade_store
from tuppence.cli.changing import hold
from tuppence.cli.output import Store, console, echo, table, track
from tuppence.errors import UserError


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="store", help="Check or compact a store.", no_args_is_help=True)

    @app.command(epilog="Example: `tuppence store check --store demo`")
    def check(store: Store) -> None:
        """Read all files of a store, and compare them with their checksums.

        It names every damaged part, and what to do about it.
        """
        parts = check_store(store, lambda steps: track(steps, "parts"))
        rows = [(part.name, part.content or "damaged") for part in parts]
        console().print(table(("part", "content"), rows))
        damaged = [part for part in parts if part.problems]
        if damaged:
            raise UserError(
                "store.corrupt",
                f"{store}: {len(damaged)} of {len(parts)} parts are not as they were written",
                details=[
                    f"{part.name}: {line}"
                    for part in damaged
                    for line in (*part.problems, f"→ {part.remedy}")
                ],
            )
        echo(f"{store}: whole")

    @app.command(epilog="Example: `tuppence store compact --store demo`")
    def compact(ctx: typer.Context, store: Store) -> None:
        """Rewrite a store after many imports, to make reading faster. Its facts stay the same.

        A store of an older version gets checksums.
        """
        hold(ctx, store)
        upgrade_store(store)
        echo(f"{store}: compacted")

    program.add_typer(app)
