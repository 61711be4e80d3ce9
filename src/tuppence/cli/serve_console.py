"""The command `tuppence serve console`."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.console import console_service, copy_catalogue
from tuppence.bootstrap.services import run_service
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    FeedPolicy,
    Purposes,
    Store,
    current_time,
    echo,
)
from tuppence.cli.serving import LOOPBACK
from tuppence.logs import write_logs

_GIGABYTE = 1_000_000_000


def add_command(app: typer.Typer) -> None:
    """Add the command to its group."""

    @app.command(epilog="Example: `tuppence serve console --store demo`")
    def console(
        store: Store,
        rules: Annotated[
            Path,
            typer.Option(
                help="The folder of rule files; the shipped catalogue is copied to it if there is "
                "no such folder."
            ),
        ] = Path("rules"),
        policy: FeedPolicy = None,
        port: Annotated[int, typer.Option(min=1, max=65535)] = 8605,
        memory: Annotated[
            float,
            typer.Option(min=0, max=1_000, help="Gigabytes of facts that previews keep in memory."),
        ] = 2.0,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Write rules in a browser, and see at once what they do to every customer of a store.

        Only programs of this machine can reach it. What is saved is in the rule files, which
        tuppence run --rules takes.
        """
        write_logs("console", sys.stderr)
        key = secrets.token_urlsafe(32)
        budget, wanted = int(memory * _GIGABYTE), frozenset(purposes)
        service = console_service(store, rules, policy, wanted, budget, current_time, key)
        copied = copy_catalogue(rules)  # after whatever may be wrong with the store
        echo(f"the rules are in {rules}{', copied from the catalogue' if copied else ''}")
        echo(f"open http://{LOOPBACK}:{port}/?key={key}")
        echo("it ends with Ctrl-C")
        run_service(service, LOOPBACK, port, 1, None, log_metrics=False)
