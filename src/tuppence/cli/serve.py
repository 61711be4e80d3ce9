"""The command `tuppence serve`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.local import add_caller
from tuppence.bootstrap.services import (
    read_tls,
    relay_service,
    rules_engine_service,
    run_service,
)
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Database,
    Purposes,
    TlsCa,
    current_date,
    echo,
)
from tuppence.logs import write_logs
from tuppence.structured import read_secret

Callers = Annotated[
    str,
    typer.Option(
        "--callers",
        help="Who may call: a file, made by tuppence serve token; or env:NAME, one token.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on; only this machine if left out.")]
Drain = Annotated[
    int, typer.Option(min=0, help="Seconds that requests may take to end when it is stopped.")
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(help="Serve HTTPS with this certificate, PEM; plain HTTP if left out."),
]
TlsKey = Annotated[Path | None, typer.Option(help="Its private key, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(help="Callers must show a certificate of these authorities as well, PEM."),
]
CallerRequests = Annotated[
    int, typer.Option(min=1, help="Requests of one caller at a time; further ones get 429.")
]
LOOPBACK = "127.0.0.1"


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="serve", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Run a service, until it gets SIGTERM; then it finishes what it has begun."""

    relay_example = "`tuppence serve sql-relay --database postgresql://relay@localhost/bank"

    @app.command(epilog=f"Example: {relay_example} --callers relay.callers`")
    def sql_relay(
        database: Database,
        callers: Callers,
        host: Host = LOOPBACK,
        port: Annotated[int, typer.Option(min=1, max=65535)] = 8601,
        pool_size: Annotated[int, typer.Option(min=1, help="Connections at most.")] = 8,
        queue: Annotated[int, typer.Option(min=1, help="Requests at most that wait.")] = 96,
        patience: Annotated[float, typer.Option(min=0.01, help="Seconds that they wait.")] = 2.0,
        query_seconds: Annotated[float, typer.Option(min=0.1, help="A query may take.")] = 30.0,
        caller_requests: CallerRequests = 48,
        drain_seconds: Drain = 30,
        purposes: Purposes = DEFAULT_PURPOSES,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
        tls_client_ca: TlsClientCa = None,
    ) -> None:
        """Give facts and definitions from a database to services that know no database.

        Facts go out as far as consents for the purposes allow. It runs named queries only, with a
        login that may only read. When all connections are at
        work requests wait, and when too many wait they are sent away with 503 and Retry-After.
        """
        write_logs("sql-relay", sys.stderr)
        tls = read_tls(tls_certificate, tls_key, tls_client_ca)
        service = relay_service(
            database,
            callers,
            pool_size,
            queue,
            patience,
            query_seconds,
            caller_requests,
            frozenset(purposes),
            current_date,
        )
        run_service(service, host, port, drain_seconds, tls)

    engine_example = "`tuppence serve rules-engine --relay http://127.0.0.1:8601"

    @app.command(
        epilog=f"Example: {engine_example} --relay-token relay.token --rulesets rulesets "
        "--results results.sqlite --callers engine.callers`"
    )
    def rules_engine(
        relay: Annotated[str, typer.Option(help="Address of the SQL relay.", show_default=False)],
        relay_token: Annotated[
            str, typer.Option(help="This engine's token for the relay: a file, or env:NAME.")
        ],
        rulesets: Annotated[
            str, typer.Option(help="Published rulesets: a folder, or s3://bucket/prefix/.")
        ],
        results: Annotated[
            str, typer.Option(help="Results: a file on this machine, or dynamodb://table.")
        ],
        callers: Callers,
        tls_ca: TlsCa = None,
        host: Host = LOOPBACK,
        port: Annotated[int, typer.Option(min=1, max=65535)] = 8602,
        batches: Annotated[
            int, typer.Option(min=1, max=64, help="Batches of requests worked on at once.")
        ] = 2,
        queue: Annotated[int, typer.Option(min=1, help="Customers at most that wait.")] = 40_000,
        seconds: Annotated[float, typer.Option(min=0.1, help="A request may take.")] = 30.0,
        caller_requests: CallerRequests = 512,
        drain_seconds: Drain = 30,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
        tls_client_ca: TlsClientCa = None,
    ) -> None:
        """Evaluate rules for customers on demand: any number of engines can run.

        Small requests that come at the same time are evaluated together. An engine keeps no state
        of its own: it reads facts from the relay, and rulesets and results where they are kept.
        """
        write_logs("rules-engine", sys.stderr)
        tls = read_tls(tls_certificate, tls_key, tls_client_ca)
        token_text = read_secret(relay_token)
        service = rules_engine_service(
            relay,
            token_text,
            rulesets,
            results,
            callers,
            batches,
            queue,
            seconds,
            caller_requests,
            tls_ca,
        )
        run_service(service, host, port, drain_seconds, tls)

    @app.command(epilog="Example: `tuppence serve token engine-1 --callers relay.callers`")
    def token(
        name: Annotated[str, typer.Argument(help="Of the caller.")],
        callers: Annotated[Path, typer.Option(help="File of callers.", show_default=False)],
    ) -> None:
        """Make a token for a caller, and print it: it is kept nowhere.

        The file of callers gets the caller's name and the token's digest. A service reads the file
        when it starts.
        """
        echo(add_caller(name, callers))

    program.add_typer(app)
