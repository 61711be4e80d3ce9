"""The command `tuppence deliver`."""

import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import typer

from tuppence.bootstrap.delivery import DeliverySettings, database_deliveries, store_deliveries
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    FeedPolicy,
    Format,
    FormatOption,
    Purposes,
    console,
    current_time,
    echo,
    print_json,
    table,
)
from tuppence.cli.serving import (
    FeedDatabase,
    FeedFolder,
    FeedModels,
    FeedResults,
    FeedRulesets,
    FeedTable,
    check_feed_source,
)
from tuppence.errors import UserError
from tuppence.logs import write_logs
from tuppence.usecases.deliver import Delivered, GivenUp, Retry, deliver, given_up, redrive

LISTED: Final = 100
"""Maximum number of deliveries that were given up and are named."""
SHOWN: Final = 20
"""Maximum number of them in a table."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        "deliver", epilog="Example: `tuppence deliver --store demo --channels channels.yaml`"
    )
    def deliver_(
        channels: Annotated[
            str,
            typer.Option(
                help="The channels: a file, such as channels.yaml, or env:NAME.", show_default=False
            ),
        ],
        store: FeedFolder = None,
        database: FeedDatabase = "",
        results: FeedResults = "",
        rulesets: FeedRulesets = "",
        feeds: FeedTable = "",
        models: FeedModels = "",
        policy: FeedPolicy = None,
        again: Annotated[
            bool, typer.Option("--redrive", help="First make what was given up due again.")
        ] = False,
        attempts: Annotated[
            int, typer.Option(min=1, max=50, help="Attempts until a delivery is given up.")
        ] = 10,
        first_pause: Annotated[
            float,
            typer.Option(
                min=0.001, max=3600, help="Seconds after the first attempt; each pause is longer."
            ),
        ] = 5.0,
        longest_pause: Annotated[
            float, typer.Option(min=0.001, max=604_800, help="Seconds of the longest pause.")
        ] = 43_200.0,
        jitter: Annotated[
            float,
            typer.Option(min=0, max=1, help="Share of each pause that chance may take away."),
        ] = 0.25,
        patience: Annotated[
            float,
            typer.Option(
                min=0, help="Seconds to wait for a next attempt; later ones are for the next call."
            ),
        ] = 60.0,
        threads: Annotated[int, typer.Option(min=1, max=64, help="Attempts at a time.")] = 8,
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
        log: Annotated[
            bool,
            typer.Option("--log", help="Write a line for each attempt to standard error, as JSON."),
        ] = False,
    ) -> None:
        """Tell people, or an app's backend, what is new in feeds since they were told.

        Call it after each run, and every few minutes for what failed. Calls may overlap. Nobody is
        told of what their feed does not show at that moment. The log names deliveries, never
        people.
        """
        if log:
            write_logs("deliver", sys.stderr)
        check_feed_source(store, database, results, rulesets, feeds, models)
        retry = Retry(attempts, round(first_pause * 1000), round(longest_pause * 1000), jitter)
        settings = DeliverySettings(
            channels,
            policy,
            frozenset(purposes),
            retry,
            threads,
            current_time,
            lambda: secrets.randbelow(1_000) / 1_000,
            lambda: f"dlv_{secrets.token_hex(16)}",
        )
        opened = (
            database_deliveries(database, results, rulesets, feeds, models, settings)
            if store is None
            else store_deliveries(store, settings)
        )
        with opened as deps:
            redriven = redrive(deps.outbox, current_time()) if again else 0
            done = deliver(deps, round(patience * 1000), time.sleep)
            dead = given_up(deps.outbox, LISTED + 1)
            upcoming = deps.outbox.next_due(sorted(deps.channels))
        if format_ is Format.JSON:
            print_json(_document(done, dead, redriven, upcoming))
        else:
            _print(done, dead, redriven, upcoming)
        if done.given_up or done.stopped:
            raise _failed(done)


def _failed(done: Delivered) -> UserError:
    """Return the error that makes a scheduler notice."""
    if done.stopped:
        message = f"{', '.join(done.stopped)}: too many attempts failed in a row"
        hint = "what waits is tried again by the next call; the log has the reasons"
        return UserError("deliver.stopped", message, hint)
    message = f"{len(done.given_up):,} deliveries were given up"
    return UserError("deliver.given-up", message, "fix the cause, then add --redrive")


def _document(
    done: Delivered, dead: Sequence[GivenUp], redriven: int, upcoming: int | None
) -> dict[str, object]:
    counts = {"planned": done.planned, "delivered": done.delivered, "failed": done.failed}
    return {
        **counts,
        "redriven": redriven,
        "next_attempt": _moment(upcoming),
        "stopped": done.stopped,
        "given_up": [{**one._asdict(), "at": _moment(one.at)} for one in dead[:LISTED]],
        "more_given_up": len(dead) > LISTED,
    }


def _print(done: Delivered, dead: Sequence[GivenUp], redriven: int, upcoming: int | None) -> None:
    rows = [
        ("planned", f"{done.planned:,}"),
        ("made due again", f"{redriven:,}"),
        ("delivered", f"{done.delivered:,}"),
        ("attempts that failed", f"{done.failed:,}"),
        ("given up so far", f"{len(dead)}" if len(dead) <= LISTED else f"more than {LISTED}"),
    ]
    console().print(table(("", "count"), rows, ("count",)))
    if upcoming is not None:
        echo(f"the next attempt is due at {_moment(upcoming)}")
    if dead:
        named = [(one.id, one.channel, _moment(one.at), one.reason) for one in dead[:SHOWN]]
        console().print(table(("given up", "channel", "at", "reason"), named))
    if len(dead) > SHOWN:
        echo(f"and earlier ones: --format json names the newest {LISTED}")


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds // 1_000, tz=UTC)
    return msgspec.json.encode(moment).decode().strip('"')
