"""Options that the commands `tuppence serve …` share."""

from pathlib import Path
from typing import Annotated

import typer

from tuppence.errors import UserError

FeedFolder = Annotated[
    Path | None, typer.Option("--store", help="The folder of a store.", show_default=False)
]
FeedDatabase = Annotated[
    str,
    typer.Option(
        "--database",
        help="In place of a store: address of the database; the login has the role feed.",
        envvar="TUPPENCE_DATABASE",
        show_default=False,
    ),
]
FeedResults = Annotated[
    str,
    typer.Option(
        "--results", help="With a database: results: a file, dynamodb://table, or postgresql://…."
    ),
]
FeedRulesets = Annotated[
    str,
    typer.Option("--rulesets", help="With a database: rulesets, a folder or s3://bucket/prefix/."),
]
FeedTable = Annotated[
    str,
    typer.Option(
        "--feeds",
        help="With a database: what is kept of feeds, dynamodb://table; in the database if "
        "omitted.",
        show_default=False,
    ),
]
FeedModels = Annotated[
    str,
    typer.Option(
        "--models",
        help="With a database: models that order feeds, a folder or s3://bucket/prefix/; rule "
        "order if omitted.",
    ),
]
Callers = Annotated[
    str,
    typer.Option(
        "--callers",
        help="Callers and their tokens: a file, made by tuppence serve token; or env:NAME for one "
        "token.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on; only this machine if omitted.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Drain = Annotated[
    int, typer.Option(min=0, help="Seconds for open requests to finish when it is stopped.")
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(help="Serve HTTPS with this certificate, PEM; plain HTTP if omitted."),
]
TlsKey = Annotated[Path | None, typer.Option(help="Private key of the certificate, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(help="Callers must present a certificate of these authorities, PEM."),
]
Pseudonyms = Annotated[
    str | None,
    typer.Option(
        help="File, or env:NAME, with a secret. If given, lines of the log about one customer have "
        "a pseudonym that is made from it.",
        show_default=False,
    ),
]
LogMetrics = Annotated[
    bool,
    typer.Option(
        "--log-metrics",
        help="Write the metrics to the log each minute, in CloudWatch's embedded format.",
    ),
]
CallerRequests = Annotated[
    int,
    typer.Option(min=1, help="Maximum concurrent requests of one caller; further ones get 429."),
]
LOOPBACK = "127.0.0.1"


def check_feed_source(
    store: Path | None, database: str, results: str, rulesets: str, feeds: str, models: str
) -> None:
    """Check that the feeds are those of a store, or of the services.

    Raises:
        UserError: None, both, or only some of the options are given.
    """
    given = (store is not None, bool(database), bool(results), bool(rulesets))
    if given not in {(True, False, False, False), (False, True, True, True)}:
        message = "the feeds are those of a store, or of the services"
        hint = "give --store alone, or --database with --results and --rulesets"
        raise UserError("cli.where", message, hint)
    if store is not None and feeds:
        message = "--feeds belongs to --database: a store keeps its feeds itself"
        raise UserError("cli.where", message, "leave --feeds out")
    if store is not None and models:
        message = "--models belongs to --database: a store keeps its models itself"
        raise UserError("cli.where", message, "leave --models out")
