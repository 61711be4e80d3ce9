"""The program `tuppence`: its commands, and how errors are shown."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Final

import typer

from tuppence.cli.output import error_console
from tuppence.errors import UserError

INTERRUPTED: Final = 130
COMMANDS: Final[Mapping[str, str]] = {
    "schema": "schema",
    "synth": "synth",
    "import": "import_",
    "rules": "rules",
    "catalogue": "catalogue",
    "plan": "plan",
    "run": "run",
    "results": "results",
    "feed": "feed",
    "explain": "explain",
    "streams": "streams",
    "forecast": "streams",
    "feel": "feel",
    "store": "store",
    "consent": "consent",
    "export": "privacy",
    "forget": "privacy",
    "load": "load",
    "database": "database",
    "definitions": "definitions",
    "dispatch": "dispatch",
    "serve": "serve",
    "fleet": "fleet",
    "cost": "cost",
}
"""Each command and the module that has it. Loading all of them takes a second."""


def build(wanted: str = "") -> typer.Typer:
    """The program with one command, or with all of them where there is no such command."""
    app = typer.Typer(
        name="tuppence",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )

    @app.callback()  # with it a single command keeps its name
    def program() -> None:
        """Bank data in, personal money insights out."""

    modules = [COMMANDS[wanted]] if wanted in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in modules:
        importlib.import_module(f"tuppence.cli.{module}").register(app)
    return app


def main() -> None:
    """Run the program; end it with 0, 1 for an error of the user's, 2 for a wrong call."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
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
