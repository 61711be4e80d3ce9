"""The command `tuppence rules publish`."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.local import open_definitions, ruleset_store, running_engines
from tuppence.cli.output import (
    Database,
    Format,
    TlsCa,
    console,
    date_option,
    echo,
    print_json,
    table,
    today,
)
from tuppence.errors import UserError
from tuppence.structured import read_text
from tuppence.usecases.publish_rules import Confirmation, publish_approved

SETTLE_SECONDS = 1.0
"""Several rules are often approved at once: what comes within this time is published together."""


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    example = "tuppence rules publish --database postgresql://localhost/bank --rulesets rulesets"

    @app.command(
        epilog=f"Examples: `{example} --engines http://engines:8602 --token publisher.token`, "
        "and to roll back: `tuppence rules publish --ruleset 0123456789abcdef …`"
    )
    def publish(
        database: Database,
        rulesets: Annotated[Path, typer.Option(help="Folder that the engines load from.")],
        engines: Annotated[
            list[str] | None,
            typer.Option(help="Address of an engine; of several, if a name stands for them."),
        ] = None,
        token: Annotated[
            Path | None, typer.Option(help="File with the token of a caller of the engines.")
        ] = None,
        ruleset: Annotated[
            str, typer.Option(help="Publish this digest again, instead of what is approved.")
        ] = "",
        as_of: Annotated[
            str, typer.Option(help="Day on which the rules must be valid; today if left out.")
        ] = "",
        by: Annotated[str, typer.Option(help="A name to show beside the login.")] = "",
        watch: Annotated[
            bool, typer.Option("--watch", help="Stay, and publish whenever a rule is approved.")
        ] = False,
        tls_ca: TlsCa = None,
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    ) -> None:
        """Make a ruleset of the approved definitions, and have every engine serve it.

        They are turned into FEEL, checked, and tried on their test customers. If anything is wrong
        all of it is listed, and nothing is changed. Every engine must confirm that it can serve
        the ruleset before any of them does. Others who publish meanwhile wait.
        """
        definitions = open_definitions(database)
        secret = read_text(token).strip() if token else ""

        def warn(warning: str) -> None:
            if format_ is Format.TABLE:
                echo(f"warning: {warning}")

        def once() -> None:
            day = date_option(as_of or today().isoformat(), "--as-of")
            digest, confirmed = publish_approved(
                definitions,
                ruleset_store(str(rulesets)),
                running_engines(engines or (), secret, tls_ca),
                day,
                by,
                warn,
                ruleset,
            )
            _print(digest, confirmed, format_)

        if watch:
            _watch(definitions.changes(), once)
        else:
            once()


def _watch(changes: Iterable[str], publish_once: Callable[[], None]) -> None:
    """Publish after each change; an error is shown, and ends nothing."""
    echo("waiting for rules that are approved or retired; Ctrl-C ends it", err=True)
    for rule in changes:
        echo(f"{rule} has changed", err=True)
        time.sleep(SETTLE_SECONDS)
        try:
            publish_once()
        except UserError as error:
            for line in (*error.details, f"error[{error.code}]: {error.message}"):
                echo(line, err=True)


def _print(digest: str, confirmed: Sequence[Confirmation], format_: Format) -> None:
    if format_ is Format.JSON:
        print_json({"ruleset": digest, "engines": [c._asdict() for c in confirmed]})
        return
    echo(f"published {digest}")
    if confirmed:
        rows = [(c.address, c.before or "nothing", c.now or "nothing") for c in confirmed]
        console().print(table(("engine", "served before", "serves now"), rows))
    else:
        echo("no engines were named: they serve it when they start")
