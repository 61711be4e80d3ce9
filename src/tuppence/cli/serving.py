"""Options that the commands `tuppence serve …` share."""

from pathlib import Path
from typing import Annotated

import typer

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
CallerRequests = Annotated[
    int,
    typer.Option(min=1, help="Maximum concurrent requests of one caller; further ones get 429."),
]
LOOPBACK = "127.0.0.1"
