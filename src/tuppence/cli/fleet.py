"""The commands `tuppence fleet …`."""

import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from tuppence.bootstrap.fleet import open_fleet
from tuppence.cli.output import (
    Format,
    FormatOption,
    console,
    echo,
    only_identifiers,
    print_json,
    progress,
    table,
)
from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.fleet.progress import Progress

Environment = Annotated[
    str,
    typer.Option(
        "--env", help="Environment, such as prod.", envvar="TUPPENCE_ENV", show_default=False
    ),
]
AsOf = Annotated[str, typer.Option(help="The date that rules take for today.")]
Digest = Annotated[
    str, typer.Option(help="Digest of a ruleset; the last published one if omitted.")
]
POLL_SECONDS = 2.0
MAX_TITLES = 20


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="fleet", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Manage runs on AWS; region and credentials are those of the AWS command line."""

    _add_runs(app)
    _add_operations(app)
    program.add_typer(app)


def _add_runs(app: typer.Typer) -> None:
    example = "`tuppence fleet start --env prod --as-of 2026-06-30"

    @app.command(epilog=f"Examples: {example}`, and for some customers: {example} --prefix C001`")
    def start(
        env: Environment,
        as_of: AsOf,
        ruleset: Digest = "",
        run_id: Annotated[
            str,
            typer.Option(help="Name of the run; date, ruleset and selection if omitted."),
        ] = "",
        prefix: Annotated[
            str, typer.Option(help="Only customers whose identifier begins with this.")
        ] = "",
        customer: Annotated[
            list[str] | None,
            typer.Option(
                help="Only this customer; may be repeated.", callback=only_identifiers("customer")
            ),
        ] = None,
    ) -> None:
        """Start a run by hand, or resume the run of the same name."""
        asked = Start(
            as_of=as_of,
            ruleset=ruleset or None,
            run_id=run_id or None,
            prefix=prefix,
            customers=tuple(customer or ()),
        )
        found = open_fleet(env).start(asked)
        state = "all customers are listed" if found["listed"] else "listing goes on"
        echo(f"run {found['run_id']}: {state} on {found['pages']:,} pages")

    @app.command(
        epilog="Example: `tuppence fleet status 2026-06-30-0123456789abcdef --env prod --wait`"
    )
    def status(
        run_id: Annotated[str, typer.Argument(help="Name of the run.")],
        env: Environment,
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait until all items are done or given up.")
        ] = False,
        minutes: Annotated[
            int, typer.Option(min=1, help="With --wait: stop waiting after this time.")
        ] = 240,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show the progress of a run, and the items that were given up.

        The exit status is 0 if the run is complete, 3 if it is still running, 4 if something was
        given up.
        """
        found = _wait(open_fleet(env).progress, run_id, minutes if wait else 0)
        if format_ is Format.JSON:
            print_json(msgspec.to_builtins(found))
        else:
            _print(found)
        raise typer.Exit(0 if found.complete else 4 if found.titles else 3)

    smoke_example = "tuppence fleet smoke C0000001 --as-of 2026-06-30 --run-id smoke-1 --env dev"

    @app.command(epilog=f"Example: `{smoke_example}`")
    def smoke(
        customer: Annotated[
            str,
            typer.Argument(
                help="Identifier of a customer who is in the database and has consented.",
                callback=only_identifiers("customer"),
            ),
        ],
        env: Environment,
        as_of: AsOf,
        run_id: Annotated[str, typer.Option(help="A name that no other run has.")],
        minutes: Annotated[int, typer.Option(min=1, help="Stop waiting after this time.")] = 15,
    ) -> None:
        """Evaluate one known customer in a run of its own, to see that a deployment works.

        The exit status is 0 only if the customer was listed and evaluated.
        """
        fleet = open_fleet(env)
        fleet.start(Start(as_of=as_of, run_id=run_id, prefix=customer))
        found = _wait(fleet.progress, run_id, minutes)
        if found.ended and not found.pages:
            message = f"{customer} was not listed"
            hint = "load this customer with a consent, or name another one"
            raise UserError("fleet.smoke", message, hint)
        if found.pages > 1 or found.items > 1:
            message = f"identifiers of other customers begin with {customer}, too"
            hint = "name a customer whose identifier begins no other"
            raise UserError("fleet.smoke", message, hint)
        _print(found)
        raise typer.Exit(0 if found.complete else 4 if found.titles else 3)

    @app.command(epilog="Example: `tuppence fleet night --env prod --as-of 2026-06-30 --wait`")
    def night(
        env: Environment,
        as_of: AsOf,
        ruleset: Digest = "",
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait until the night is finished or has failed.")
        ] = False,
        minutes: Annotated[
            int, typer.Option(min=1, help="With --wait: stop waiting after this time.")
        ] = 240,
    ) -> None:
        """Begin a night by parts, for everybody in the store of the environment, or resume it.

        Parts that are done already are not done again. With --wait the exit status is 0 if the
        night is finished, 3 if it is still running, and 1 if parts are missing, which are named.
        """
        fleet = open_fleet(env)
        execution = fleet.begin_night(Start(as_of=as_of, ruleset=ruleset or None))
        echo(f"begun: {execution}")
        if not wait:
            return
        end = time.monotonic() + 60 * minutes
        while not (found := fleet.night(execution)).ended and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        if found.problem:
            raise UserError("fleet.night", found.problem, "the same command does what is missing")
        if found.output is None:
            echo("the night goes on")
            raise typer.Exit(3)
        echo(f"finished: {found.output['customers']:,} customers")

    @app.command(epilog="Example: `tuppence fleet redrive 2026-06-30-0123456789abcdef --env prod`")
    def redrive(
        run_id: Annotated[str, typer.Argument(help="Name of the run.")], env: Environment
    ) -> None:
        """Send all pages and items of a run that were given up again."""
        pages, items = open_fleet(env).redrive(run_id)
        echo(f"sent again: {pages:,} pages, {items:,} items")


def _add_operations(app: typer.Typer) -> None:
    @app.command(name="pseudonym", epilog="Example: `tuppence fleet pseudonym C001 --env prod`")
    def name_in_logs(
        customer: Annotated[
            str,
            typer.Argument(
                help="Identifier of the customer.", callback=only_identifiers("customer")
            ),
        ],
        env: Environment,
    ) -> None:
        """Print the name that a customer has in the logs."""
        echo(open_fleet(env).pseudonym(customer))

    @app.command(epilog="Example: `tuppence fleet migrate --env prod`")
    def migrate(env: Environment) -> None:
        """Create or update the tables of the database, before services are deployed that use them.

        It runs the task of the migration stack and waits for its end.
        """
        open_fleet(env).migrate()
        echo("the database is up to date")

    @app.command(epilog="Example: `tuppence fleet convert --as-of 2026-06-30 --env prod`")
    def convert(
        env: Environment,
        as_of: Annotated[str, typer.Option(help="Use the rules in force on this date.")],
    ) -> None:
        """Build a ruleset from the approved definitions, and have all running engines serve it.

        The environment decides whether those are in the database, or rule files in the bucket of
        rulesets. A ruleset of newer definitions stays where there is one.
        """
        fleet = open_fleet(env)
        found = fleet.convert(Start(as_of=as_of))
        for warning in found["warnings"]:
            echo(f"warning: {warning}")
        served = fleet.refresh(found["ruleset"], found["edition"])
        echo(f"{len(served['engines'])} engines serve {served['ruleset']}")

    @app.command(epilog="Example: `tuppence fleet refresh --ruleset 0123456789abcdef --env prod`")
    def refresh(
        env: Environment,
        ruleset: Digest = "",
    ) -> None:
        """Have all running engines serve a ruleset, to publish it again or to roll back."""
        found = open_fleet(env).refresh(ruleset)
        echo(f"{len(found['engines'])} engines serve {found['ruleset']}")


def _wait(progress_of: Callable[[str], Progress], run_id: str, minutes: int) -> Progress:
    """Return the progress of a run, once it has ended or the time is up."""
    end = time.monotonic() + 60 * minutes
    found = progress_of(run_id)
    with progress() as bar:
        task = bar.add_task("items", total=None, unit="items")
        while not found.ended and time.monotonic() < end:
            bar.update(task, total=found.items, completed=found.done)
            time.sleep(POLL_SECONDS)
            found = progress_of(run_id)
    return found


def _print(found: Progress) -> None:
    state = "complete" if found.complete else "ended, not complete" if found.ended else "under way"
    echo(f"run {found.run_id}: {state}")
    listed = f"{found.pages:,}" + ("" if found.listed else " so far")
    rows = [
        ("pages of customers", listed),
        ("pages to be split", f"{found.unsplit:,}"),
        ("work items", f"{found.items:,}"),
        ("done", f"{found.done:,}"),
        ("given up", f"{found.given_up:,}"),
        ("pages given up", f"{found.given_up_pages:,}"),
    ]
    console().print(table(("", "count"), rows, ("count",)))
    for title in found.titles[:MAX_TITLES]:
        echo(f"given up: {title}")
    if len(found.titles) > MAX_TITLES:
        echo(f"and {len(found.titles) - MAX_TITLES:,} more: see --format json")
