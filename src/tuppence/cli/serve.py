"""The commands `tuppence serve …`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.services import (
    add_caller,
    read_tls,
    relay_service,
    rules_engine_service,
    run_service,
)
from tuppence.bootstrap.tracing import begin_tracing
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Database,
    Purposes,
    TlsCa,
    current_date,
    echo,
)
from tuppence.cli.serve_console import add_command
from tuppence.cli.serve_feed import add_commands
from tuppence.cli.serving import (
    LOOPBACK,
    CallerRequests,
    Callers,
    Drain,
    Host,
    LogMetrics,
    Port,
    Pseudonyms,
    TlsCertificate,
    TlsClientCa,
    TlsKey,
)
from tuppence.logs import write_logs
from tuppence.structured import read_secret


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="serve", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Run a service until it gets SIGTERM; then it finishes open requests.

        Services log JSON lines to standard error.
        """

    relay_example = "`tuppence serve sql-relay --database postgresql://relay@localhost/bank"

    @app.command(epilog=f"Example: {relay_example} --callers relay.callers`")
    def sql_relay(
        database: Database,
        callers: Callers,
        host: Host = LOOPBACK,
        port: Port = 8601,
        pool_size: Annotated[
            int,
            typer.Option(
                min=1, help="Maximum number of connections; one caller gets at most three quarters."
            ),
        ] = 8,
        queue_limit: Annotated[
            int, typer.Option("--queue", min=1, help="Maximum number of waiting requests.")
        ] = 96,
        timeout: Annotated[
            float,
            typer.Option(
                "--timeout", "--patience", min=0.01, help="Maximum seconds that a request waits."
            ),
        ] = 2.0,
        query_seconds: Annotated[
            float, typer.Option(min=0.1, help="Timeout of a query in seconds.")
        ] = 30.0,
        caller_requests: CallerRequests = 48,
        drain_seconds: Drain = 30,
        purposes: Purposes = DEFAULT_PURPOSES,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
        tls_client_ca: TlsClientCa = None,
        pseudonyms: Pseudonyms = None,
        log_metrics: LogMetrics = False,
    ) -> None:
        """Serve facts and definitions from a database, so that no other service needs a connection.

        It returns the facts that consents for the purposes allow. It runs named queries only, with
        a read-only login. When all connections are in use requests wait, and when too many wait
        further ones get 503 and Retry-After.
        """
        write_logs("sql-relay", sys.stderr, read_secret(pseudonyms) if pseudonyms else "")
        begin_tracing("sql-relay")
        tls = read_tls(tls_certificate, tls_key, tls_client_ca)
        service = relay_service(
            database,
            callers,
            pool_size,
            queue_limit,
            timeout,
            query_seconds,
            caller_requests,
            frozenset(purposes),
            current_date,
        )
        run_service(service, host, port, drain_seconds, tls, log_metrics=log_metrics)

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
            str, typer.Option(help="Results: a file here, dynamodb://table, or postgresql://….")
        ],
        callers: Callers,
        tls_ca: TlsCa = None,
        host: Host = LOOPBACK,
        port: Port = 8602,
        batches: Annotated[
            int,
            typer.Option(
                min=1,
                max=64,
                help="Maximum number of concurrent batches; one caller can have two thirds.",
            ),
        ] = 3,
        queue_limit: Annotated[
            int, typer.Option("--queue", min=1, help="Maximum number of waiting customers.")
        ] = 40_000,
        timeout: Annotated[
            float, typer.Option("--seconds", min=0.1, help="Timeout of a request in seconds.")
        ] = 30.0,
        caller_requests: CallerRequests = 512,
        drain_seconds: Drain = 30,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
        tls_client_ca: TlsClientCa = None,
        pseudonyms: Pseudonyms = None,
        log_metrics: LogMetrics = False,
    ) -> None:
        """Evaluate rules for customers on demand; any number of engines can run.

        Small requests that arrive at the same time are evaluated together. An engine keeps no state
        of its own: it reads facts from the relay, and rulesets and results from their stores.
        """
        write_logs("rules-engine", sys.stderr, read_secret(pseudonyms) if pseudonyms else "")
        begin_tracing("rules-engine")
        tls = read_tls(tls_certificate, tls_key, tls_client_ca)
        token_text = read_secret(relay_token)
        service = rules_engine_service(
            relay,
            token_text,
            rulesets,
            results,
            callers,
            batches,
            queue_limit,
            timeout,
            caller_requests,
            tls_ca,
        )
        run_service(service, host, port, drain_seconds, tls, log_metrics=log_metrics)

    @app.command(epilog="Example: `tuppence serve token engine-1 --callers relay.callers`")
    def token(
        name: Annotated[str, typer.Argument(help="Name of the caller.")],
        callers: Annotated[Path, typer.Option(help="File of callers.", show_default=False)],
    ) -> None:
        """Make a token for a caller, and print it; it is stored nowhere else.

        The caller's name and the token's digest are added to the file of callers, which a service
        reads when it starts.
        """
        echo(add_caller(name, callers))

    add_commands(app)
    add_command(app)
    program.add_typer(app)
