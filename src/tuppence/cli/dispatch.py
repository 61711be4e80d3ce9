"""The command `tuppence dispatch`."""

import functools
import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from tuppence import logs
from tuppence.bootstrap.engines import dispatching
from tuppence.bootstrap.tracing import begin_tracing
from tuppence.cli.output import (
    Format,
    FormatOption,
    TlsCa,
    console,
    date_option,
    echo,
    print_json,
    progress,
    table,
)
from tuppence.errors import UserError
from tuppence.structured import read_text
from tuppence.usecases.dispatch import dispatch_run
from tuppence.usecases.ledger import Tally
from tuppence.usecases.run import RunOutcome


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog="Example: `tuppence dispatch --relay http://127.0.0.1:8601 --relay-token "
        "relay.token --engines http://127.0.0.1:8600 --token engine.token "
        "--ruleset 0123456789abcdef --as-of 2026-06-30 --ledger ledger.sqlite`"
    )
    def dispatch(
        relay: Annotated[str, typer.Option(help="Address of the SQL relay.", show_default=False)],
        relay_token: Annotated[Path, typer.Option(help="File with the token for the relay.")],
        engines: Annotated[str, typer.Option(help="Address of the engines' load balancer.")],
        token: Annotated[Path, typer.Option(help="File with the token for the engines.")],
        ruleset: Annotated[str, typer.Option(help="Digest of a published ruleset.")],
        as_of: Annotated[str, typer.Option(help="The date that rules take for today.")],
        ledger: Annotated[Path, typer.Option(help="File that records the progress.")],
        run_id: Annotated[
            str, typer.Option(help="Name of the run; its date and ruleset if omitted.")
        ] = "",
        customers_per_item: Annotated[
            int, typer.Option(min=1, max=1_000, help="Maximum number of customers of a request.")
        ] = 500,
        parallel: Annotated[
            int, typer.Option(min=1, max=64, help="Maximum number of concurrent requests.")
        ] = 8,
        tls_ca: TlsCa = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Evaluate every customer who consents, with running engines.

        After an interruption the same command resumes the run. A finished run is not repeated
        unless it gets another name.
        """
        date = date_option(as_of, "--as-of")
        name = run_id or f"{date}-{ruleset}"
        began = time.monotonic()
        logs.begin(uuid.uuid4().hex)  # the id that engines and relay log
        begin_tracing("dispatch")
        with progress() as bar:
            task = bar.add_task("customers", total=None, unit="customers")

            def advance(customers: int, tally: Tally) -> None:
                bar.update(task, total=customers)
                bar.advance(task, tally.customers)

            try:
                with dispatching(
                    relay,
                    read_text(relay_token).strip(),
                    engines,
                    read_text(token).strip(),
                    ledger,
                    functools.partial(echo, err=True),
                    tls_ca,
                ) as (facts, service, kept):
                    outcome = dispatch_run(
                        name,
                        facts,
                        service,
                        ruleset,
                        date,
                        kept,
                        advance,
                        customers_per_item,
                        parallel,
                    )
            except KeyboardInterrupt:
                bar.stop()
                hint = "the same command continues where it stopped"
                raise UserError("run.interrupted", "interrupted", hint, exit_status=130) from None
        _print(outcome, ruleset, as_of, time.monotonic() - began, format_)


def _print(outcome: RunOutcome, ruleset: str, as_of: str, seconds: float, format_: Format) -> None:
    name = outcome.run_id
    counts = {
        n: getattr(outcome.tally, n)
        for n in Tally.__struct_fields__
        if n not in {"problems", "by_rule"}
    }
    if format_ is Format.JSON:
        state = {"already_finished": outcome.already_finished, "resumed_items": outcome.resumed}
        print_json({"run_id": name, "ruleset": ruleset, "as_of": as_of, **state, **counts})
        return
    echo(f"Run {name}" + (", finished before" if outcome.already_finished else ""))
    rows = [(count, f"{number:,}") for count, number in counts.items()]
    console().print(table(("", "count"), [*rows, ("seconds", f"{seconds:.1f}")], ("count",)))
