"""The command `tuppence rules publish`."""

import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from tuppence import logs
from tuppence.bootstrap.database import open_definitions
from tuppence.bootstrap.engines import running_engines
from tuppence.bootstrap.service_stores import ruleset_store
from tuppence.cli.output import (
    Database,
    Format,
    FormatOption,
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

_logger: Final = logging.getLogger(__name__)
SETTLE_SECONDS = 1.0
"""Pause after a change, since several rules that are approved together are published together."""


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
            typer.Option(help="Address of an engine, or of several engines with the same name."),
        ] = None,
        token: Annotated[
            Path | None, typer.Option(help="File with the token of a caller of the engines.")
        ] = None,
        ruleset: Annotated[
            str,
            typer.Option(help="Digest of a ruleset to publish again, instead of approved rules."),
        ] = "",
        as_of: Annotated[
            str, typer.Option(help="Day on which the rules must be valid; today if omitted.")
        ] = "",
        by: Annotated[str, typer.Option(help="A name to show beside the login.")] = "",
        watch: Annotated[
            bool,
            typer.Option(
                "--watch",
                help="Keep running, and publish whenever a rule is approved or retired; logs JSON "
                "lines to standard error.",
            ),
        ] = False,
        tls_ca: TlsCa = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Build a ruleset from the approved definitions, and have every engine serve it.

        The definitions are translated to FEEL, checked, and tried on their test customers. If there
        are errors, all of them are listed and nothing is changed. Every engine must confirm that it
        can serve the ruleset before any engine does. Concurrent publications wait.
        """
        definitions = open_definitions(database)
        secret = read_text(token).strip() if token else ""

        def warn(warning: str) -> None:
            if format_ is Format.TABLE:
                echo(f"warning: {warning}")

        def once() -> str:
            logs.begin(uuid.uuid4().hex)  # the id that engines log
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
            return digest

        if watch:
            logs.write_logs("publish", sys.stderr)
            watch_changes(definitions.changes(), once)
        else:
            once()


def watch_changes(
    changes: Iterable[str], publish_once: Callable[[], str], settle_seconds: float = SETTLE_SECONDS
) -> None:
    """Publish after each change, and log the outcome; an error does not end the loop."""
    _logger.info("waiting")
    for rule in changes:
        _logger.info("changed", extra={"rule": rule})
        time.sleep(settle_seconds)
        start = time.monotonic()
        try:
            digest = publish_once()
        except UserError as error:
            refusal = {"code": error.code, "errors": [*error.details, error.message]}
            _logger.error("refused", extra=refusal)  # noqa: TRY400 - no bug
        else:
            duration = round(time.monotonic() - start, 6)
            _logger.info("published", extra={"ruleset": digest, "duration": duration})


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
