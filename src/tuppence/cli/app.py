"""The program `tuppence`: its commands, and how errors are shown."""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException
from typer.rich_utils import rich_abort_error, rich_format_error

from tuppence.cards import masked
from tuppence.cli.output import error_console
from tuppence.errors import UserError
from tuppence.plain_text import printable

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C."""
COMMANDS: Final[Mapping[str, str]] = {
    "schema": "schema",
    "synth": "synth",
    "import": "import_",
    "enrich": "enrich",
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
    "take-in": "take_in",
    "database": "database",
    "definitions": "definitions",
    "dispatch": "dispatch",
    "serve": "serve",
    "fleet": "fleet",
    "cost": "cost",
}
"""The module of each command. Only the needed one is loaded, since all of them take a second."""


def build(wanted: str = "") -> typer.Typer:
    """Return the program with one command, or with all commands if there is no such command."""
    app = typer.Typer(
        name="tuppence",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )

    @app.callback()  # with it a single command keeps its name
    def program(
        _version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_print_version, is_eager=True, help="Print the version."
            ),
        ] = False,
    ) -> None:
        """Bank data in, personal money insights out."""

    modules = [COMMANDS[wanted]] if wanted in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in modules:
        importlib.import_module(f"tuppence.cli.{module}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuppence {importlib.metadata.version('tuppence')}")
        raise typer.Exit


def main() -> None:
    """Run the program; exit with 0, with 1 for a UserError, or with 2 for wrong arguments."""
    try:
        sys.exit(build(sys.argv[1] if len(sys.argv) > 1 else "")(standalone_mode=False))
    except UserError as error:
        _show(error)
        sys.exit(error.exit_status)
    except TyperException as error:
        shown = printable(masked(error.format_message()))
        error.format_message = lambda: shown  # type: ignore[method-assign]
        rich_format_error(error)  # type: ignore[arg-type]
        sys.exit(error.exit_code)
    except typer.Abort:
        rich_abort_error()
        sys.exit(1)
    except KeyboardInterrupt:
        error_console().print("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _show(error: UserError) -> None:
    """Print an error, which may quote a file or an option, without card numbers."""
    console = error_console()

    def say(text: str) -> None:
        console.print(masked(text), markup=False, highlight=False, soft_wrap=True)

    for line in error.details:
        say(line)
    console.print(f"[bold red]error\\[{error.code}][/]: ", end="")
    say(error.message)
    if error.hint:
        console.print("[bold]hint[/]: ", end="")
        say(error.hint)
