"""The command `tuppence serve console`."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.console import console_service, copy_catalogue, team_console
from tuppence.bootstrap.services import read_tls, run_service
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    FeedPolicy,
    Purposes,
    Store,
    TlsCa,
    current_time,
    echo,
)
from tuppence.cli.serving import LOOPBACK, Drain, Host, Port, TlsCertificate, TlsKey
from tuppence.errors import UserError
from tuppence.logs import write_logs
from tuppence.structured import read_secret
from tuppence.usecases.team_policy import read_team_policy

_GIGABYTE = 1_000_000_000


def add_command(app: typer.Typer) -> None:
    """Add the command to its group."""

    @app.command(
        epilog="Examples: `tuppence serve console --store demo`, and for a team: "
        "`tuppence serve console --store demo --database postgresql://console@localhost/bank`"
    )
    def console(
        store: Store,
        rules: Annotated[
            Path | None,
            typer.Option(
                help="The folder of rule files; the shipped catalogue is copied to it if there is "
                "no such folder. It is named rules if omitted.",
                show_default=False,
            ),
        ] = None,
        database: Annotated[
            str,
            typer.Option(
                help="In place of a folder: address of the database with the rules and people of "
                "a team; the login has the role service.",
                show_default=False,
            ),
        ] = "",
        team: Annotated[
            Path | None,
            typer.Option(help="With a database: the team's file, by custom team.yaml."),
        ] = None,
        rulesets: Annotated[
            str,
            typer.Option(
                help="With a database: published rulesets, a folder or s3://bucket/prefix/. "
                "Nothing can be published if omitted."
            ),
        ] = "",
        engines: Annotated[
            list[str] | None,
            typer.Option(help="With rulesets: address of an engine, or of several of one name."),
        ] = None,
        token: Annotated[
            str, typer.Option(help="Token of a caller of the engines: a file, or env:NAME.")
        ] = "",
        tls_ca: TlsCa = None,
        policy: FeedPolicy = None,
        host: Host = LOOPBACK,
        port: Port = 8605,
        memory: Annotated[
            float,
            typer.Option(min=0, max=1_000, help="Gigabytes of facts that previews keep in memory."),
        ] = 2.0,
        purposes: Purposes = DEFAULT_PURPOSES,
        drain_seconds: Drain = 1,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
    ) -> None:
        """Write rules in a browser, and see at once what they do to every customer of a store.

        On one machine only its programs can reach it, and what is saved is in the rule files,
        which tuppence run --rules takes. With a database people sign in, and rules are reviewed
        and published.
        """
        budget, wanted = int(memory * _GIGABYTE), frozenset(purposes)
        if database:
            if rules is not None:
                message = "the rules are in the database"
                raise UserError("console.options", message, "leave out --rules or --database")
            write_logs("console", sys.stderr)
            known = read_team_policy(team)
            tls = read_tls(tls_certificate, tls_key, None)
            scheme = "http" if tls is None else "https"
            origin = (known.address or f"{scheme}://{host}:{port}").rstrip("/")
            service = team_console(
                store,
                database,
                policy,
                wanted,
                budget,
                current_time,
                known,
                origin,
                rulesets,
                engines or (),
                read_secret(token) if token else "",
                tls_ca,
            )
            echo(f"open {origin}")
            echo("it ends with Ctrl-C")
            run_service(service, host, port, drain_seconds, tls, log_metrics=False)
            return
        team_only = (team, rulesets, engines, token, tls_ca, tls_certificate, tls_key)
        if any(team_only) or host != LOOPBACK:
            message = "an option is for the console of a team, which has a database"
            raise UserError("console.options", message, "add --database, or leave the option out")
        write_logs("console", sys.stderr)
        key, folder = secrets.token_urlsafe(32), rules or Path("rules")
        service = console_service(store, folder, policy, wanted, budget, current_time, key)
        copied = copy_catalogue(folder)  # after whatever may be wrong with the store
        echo(f"the rules are in {folder}{', copied from the catalogue' if copied else ''}")
        echo(f"open http://{LOOPBACK}:{port}/?key={key}")
        echo("it ends with Ctrl-C")
        run_service(service, LOOPBACK, port, drain_seconds, None, log_metrics=False)
