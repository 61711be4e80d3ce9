"""The program `tuppence`: its commands, and how errors are shown."""

import os
import sys

import typer

from tuppence.cli import (
    explain,
    feed,
    feel,
    import_,
    results,
    rules,
    run,
    schema,
    store,
    synth,
)
from tuppence.cli.output import error_console
from tuppence.errors import UserError

INTERRUPTED = 130


def build() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        name="tuppence",
        help="Bank data in, personal money insights out.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    for module in (schema, synth, run, results, feed, explain, feel):
        module.register(app)
    for group in (import_, rules, store):
        app.add_typer(group.build())
    return app


def main() -> None:
    """Run the program; end it with 0, 1 for an error of the user's, 2 for a wrong call."""
    try:
        build()()
    except UserError as error:
        console = error_console()
        for line in error.details:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error\\[{error.code}][/]: ", end="")
        console.print(error.message, markup=False, highlight=False, soft_wrap=True)
        if error.hint:
            console.print("[bold]hint[/]: ", end="")
            console.print(error.hint, markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        error_console().print("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
