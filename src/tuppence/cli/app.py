"""The program `tuppence`: its commands, and how errors are shown."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import typer
from typer.exceptions import TyperException

import tuppence
from tuppence.cards import masked
from tuppence.cli.screen import error_console
from tuppence.errors import UserError
from tuppence.plain_text import printable

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C."""


class Command(NamedTuple):
    """A command, or a group of commands, which is loaded when it is needed.

    Attributes:
        module: Its module in this package.
        help: The first line of its help.
    """

    module: str
    help: str


COMMANDS: Final[Mapping[str, Command]] = {
    "schema": Command(
        "schema", "Show the fields that a rule may read, each with its type, unit and meaning."
    ),
    "synth": Command("synth", "Create a store with a synthetic population of the United Kingdom."),
    "import": Command("import_", "Import bank data into a store."),
    "enrich": Command("enrich", "Show what is found in a bank's text, and correct it."),
    "rules": Command("rules", "Check, try out and publish rules."),
    "catalogue": Command(
        "catalogue",
        "List insights with their kind, title, days shown, days hidden, and days of history.",
    ),
    "plan": Command(
        "plan", "Show whether rules are evaluated in columns or one by one, and the cost of each."
    ),
    "run": Command("run", "Evaluate every rule for every customer, and store the results."),
    "results": Command("results", "List results: one for each customer and rule."),
    "feed": Command(
        "feed", "Show a customer's insights as the customer sees them, most relevant first."
    ),
    "relevance": Command(
        "relevance", "Learn the order of feeds, show and judge it, and publish it."
    ),
    "deliver": Command(
        "deliver", "Tell people, or an app's backend, what is new in feeds since they were told."
    ),
    "explain": Command(
        "explain",
        "Explain the result of a rule: its clauses, their values, and the transactions used.",
    ),
    "prove": Command("proof", "Write a proof of a result, which can be checked without the store."),
    "verify": Command(
        "proof", "Check a proof: that no byte was changed, and that its result follows."
    ),
    "replay": Command(
        "replay",
        "Evaluate a past night again, and compare it with what it counted; nothing is stored.",
    ),
    "compare": Command(
        "replay", "Compare two rulesets over one night, rule by rule and customer by customer."
    ),
    "streams": Command(
        "streams",
        "Show a customer's bills, subscriptions and income, as found in the transactions.",
    ),
    "forecast": Command(
        "streams", "Show what a customer's accounts will hold the day before the next pay."
    ),
    "discover": Command(
        "discover",
        "Propose drafts of rules: measures that few people exceed, and segments that differ.",
    ),
    "feel": Command("feel", "Evaluate an expression of the rule language."),
    "store": Command("store", "Check or compact a store."),
    "consent": Command("consent", "Manage the consents of a store's customers."),
    "export": Command(
        "privacy", "Export all data about a customer as JSON, with an explanation of every result."
    ),
    "forget": Command(
        "privacy", "Erase a customer permanently, then search for anything that still names them."
    ),
    "load": Command(
        "load", "Load the facts of a store into PostgreSQL, or back; all of them, or none."
    ),
    "take-in": Command(
        "take_in",
        "Import the tables that have arrived in a bucket, and load what is new into the database.",
    ),
    "database": Command("database", "Manage the tables and logins of the PostgreSQL database."),
    "definitions": Command("definitions", "Manage the rules in a database."),
    "dispatch": Command("dispatch", "Evaluate every customer who consents, with running engines."),
    "serve": Command(
        "serve", "Run a service until it gets SIGTERM; then it finishes open requests."
    ),
    "fleet": Command(
        "fleet", "Manage runs on AWS; region and credentials are those of the AWS command line."
    ),
    "cost": Command(
        "cost", "Show the monthly cost of a fleet on AWS by component, each with its formula."
    ),
}
"""All commands. Only the needed one is loaded, since all of them take a second."""


def build(*wanted: str) -> typer.Typer:
    """Return the program with some commands, or with all of them."""
    app = _program()
    for module in dict.fromkeys(COMMANDS[name].module for name in wanted or COMMANDS):
        importlib.import_module(f"tuppence.cli.{module}").register(app)
    return app


def _list_commands() -> typer.Typer:
    """Return a program that can only list its commands."""
    app = _program()
    for name, command in COMMANDS.items():
        app.command(name, help=command.help)(lambda: None)
    return app


def _program() -> typer.Typer:
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

    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuppence {tuppence.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the program; exit with 0, with 1 for a UserError, or with 2 for wrong arguments."""
    try:
        wanted = sys.argv[1] if len(sys.argv) > 1 else ""
        program = build(wanted) if wanted in COMMANDS else _list_commands()
        sys.exit(program(standalone_mode=False))
    except UserError as error:
        _show(error)
        sys.exit(error.exit_status)
    except TyperException as error:
        shown = printable(masked(error.format_message()))
        from typer.rich_utils import rich_format_error  # noqa: PLC0415 - takes longer than the rest

        error.format_message = lambda: shown  # type: ignore[method-assign]
        rich_format_error(error)  # type: ignore[arg-type]
        sys.exit(error.exit_code)
    except typer.Abort:
        from typer.rich_utils import rich_abort_error  # noqa: PLC0415 - as above

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
