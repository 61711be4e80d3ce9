"""The commands `tuppence serve feed`, `app`, `key` and `customer-token`."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.feeds import (
    database_feeds,
    feed_service,
    make_customer_token,
    make_key,
    store_feeds,
    store_page,
)
from tuppence.bootstrap.services import read_tls, run_service
from tuppence.bootstrap.tracing import begin_tracing
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    FeedPolicy,
    Purposes,
    Store,
    current_time,
    echo,
)
from tuppence.cli.serving import (
    LOOPBACK,
    Drain,
    FeedDatabase,
    FeedFolder,
    FeedModels,
    FeedResults,
    FeedRulesets,
    FeedTable,
    Host,
    LogMetrics,
    Port,
    TlsCertificate,
    TlsClientCa,
    TlsKey,
    check_feed_source,
)
from tuppence.logs import write_logs

Keys = Annotated[
    str,
    typer.Option(
        "--keys",
        help="Keys of customers' tokens: a file, made by tuppence serve key; or env:NAME.",
        show_default=False,
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to their group."""

    @app.command(epilog="Example: `tuppence serve feed --store demo --keys feed.keys`")
    def feed(
        keys: Keys,
        store: FeedFolder = None,
        database: FeedDatabase = "",
        results: FeedResults = "",
        rulesets: FeedRulesets = "",
        feeds: FeedTable = "",
        models: FeedModels = "",
        retain_months: Annotated[
            int,
            typer.Option(
                min=4,
                max=1200,
                help="With --feeds: months for which new events and views are kept, as by tuppence "
                "database retain in a database.",
            ),
        ] = 13,
        operators: Annotated[
            str | None,
            typer.Option(
                help="Operators and their tokens: a file, made by tuppence serve token; or "
                "env:NAME for one token. Nobody can withdraw a rule if omitted."
            ),
        ] = None,
        policy: FeedPolicy = None,
        host: Host = LOOPBACK,
        port: Port = 8603,
        connections: Annotated[
            int, typer.Option(min=1, max=200, help="Maximum number of connections to a database.")
        ] = 8,
        caller_requests: Annotated[
            int,
            typer.Option(min=1, help="Maximum concurrent requests of a customer or an operator."),
        ] = 16,
        drain_seconds: Drain = 30,
        purposes: Purposes = DEFAULT_PURPOSES,
        tls_certificate: TlsCertificate = None,
        tls_key: TlsKey = None,
        tls_client_ca: TlsClientCa = None,
        log_metrics: LogMetrics = False,
    ) -> None:
        """Serve feeds to an app, and record what people do with them.

        Every request carries a token of one customer, and answers contain nothing about anybody
        else. The feeds of a store stand for the day of its last run, those of a database for the
        present day.
        """
        check_feed_source(store, database, results, rulesets, feeds, models)
        write_logs("feed", sys.stderr)
        begin_tracing("feed")
        tls = read_tls(tls_certificate, tls_key, tls_client_ca)
        wanted = frozenset(purposes)
        if store is not None:
            deps = store_feeds(store, policy, wanted, current_time)
        else:
            deps = database_feeds(
                database,
                results,
                rulesets,
                feeds,
                connections,
                policy,
                wanted,
                current_time,
                models,
                retain_months,
            )
        service = feed_service(deps, keys, operators, caller_requests)
        run_service(service, host, port, drain_seconds, tls, log_metrics=log_metrics)

    @app.command("app", epilog="Example: `tuppence serve app --store demo`")
    def app_page(
        store: Store,
        policy: FeedPolicy = None,
        port: Port = 8604,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show the feeds of a store on a page as an app would, for whoever has its address.

        Only programs of this machine can reach it. What is dismissed, snoozed or turned off there
        is kept in the store.
        """
        write_logs("app", sys.stderr)
        key = secrets.token_urlsafe(32)
        service = store_page(store, policy, frozenset(purposes), current_time, key)
        echo(f"open http://{LOOPBACK}:{port}/?key={key}")
        echo("it ends with Ctrl-C")
        run_service(service, LOOPBACK, port, 1, None, log_metrics=False)

    @app.command(epilog="Example: `tuppence serve key first --keys feed.keys`")
    def key(
        name: Annotated[str, typer.Argument(help="Name of the key.")],
        keys: Annotated[Path, typer.Option(help="File of keys.", show_default=False)],
    ) -> None:
        """Make a key for customers' tokens, and append it to a file.

        The first key of the file signs, and all of them verify. To replace a key, append a new
        one, restart the services, and move its line to the top. Remove the old line when events
        that it has signed are no longer expected, 90 days later.
        """
        make_key(name, keys)

    @app.command(epilog="Example: `tuppence serve customer-token C0000007 --keys feed.keys`")
    def customer_token(
        customer: Customer,
        keys: Keys,
        minutes: Annotated[int, typer.Option(min=1, max=60, help="Life of the token.")] = 15,
    ) -> None:
        """Make a token for a customer, and print it. An app's backend does the same for itself.

        It is a JSON Web Token, signed with HS256: sub is the customer, aud is tuppence-feed, iat
        and exp are at most an hour apart, and the header has the name of the key as kid.
        """
        echo(make_customer_token(keys, customer, current_time(), minutes * 60))
