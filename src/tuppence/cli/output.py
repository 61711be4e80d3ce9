"""Output of commands (tables, JSON, progress bars), and options that several commands share.

All output passes through this module and `screen`, which escape characters that a terminal would
interpret.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import rich.box
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from tuppence.cli.screen import console as console  # noqa: PLC0414 - commands import both from here
from tuppence.cli.screen import echo as echo  # noqa: PLC0414
from tuppence.cli.screen import error_console as error_console  # noqa: PLC0414
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date, parse_date
from tuppence.plain_text import printable, printable_json

EPOCH = datetime.date(1970, 1, 1)
DEFAULT_PURPOSES = sorted(PURPOSES)
T = TypeVar("T")


def only_identifiers(what: str) -> Callable[[Any], Any]:
    """Return a callback for an argument or option that takes identifiers, one or several."""

    def check(value: Any) -> Any:
        for text in value if isinstance(value, list | tuple) else [value]:
            if text is not None:
                check_identifier(text, what)
        return value

    return check


Database = Annotated[
    str,
    typer.Option(
        help="Address of the database: postgresql://user@host/name.",
        envvar="TUPPENCE_DATABASE",
        show_default=False,
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(help="Authorities for the certificates of https addresses, PEM."),
]
Purposes = Annotated[
    list[str],
    typer.Option(
        "--purpose",
        help="Only consents for this purpose count; may be repeated.",
    ),
]
Customer = Annotated[
    str,
    typer.Argument(
        help="Identifier of the customer.",
        show_default=False,
        callback=only_identifiers("customer"),
    ),
]
RuleName = Annotated[
    str,
    typer.Argument(
        help="Identifier of the rule.", show_default=False, callback=only_identifiers("rule")
    ),
]
FeedPolicy = Annotated[
    Path | None,
    typer.Option(
        "--policy", help="The feed's policy, such as feed.yaml; the standard one if omitted."
    ),
]
Store = Annotated[Path, typer.Option(help="The folder of the store.", show_default=False)]
StoreOrAddress = Annotated[
    str,
    typer.Option(
        "--store",
        help="The folder of the store, or its address, such as s3://bucket/store.",
        show_default=False,
    ),
]


class Format(StrEnum):
    """The format of a command's output: a table for people, JSON for programs."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", help="Print a table for people, or JSON for programs.")
]


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = ()
) -> Table:
    """Return a table in which the columns named in `numbers` are aligned to the right."""
    result = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in columns:
        right = column in numbers
        result.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        result.add_row(*(Text(printable(str(cell), keep="")) for cell in row))
    return result


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    typer.echo(printable_json(msgspec.json.format(msgspec.json.encode(value)).decode()))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        per_step = task.fields.get("per_step", 1)
        speed = task.finished_speed or task.speed or 0
        return Text(f"{speed * per_step:,.0f} {task.fields.get('unit', '')}/s")


def progress() -> Progress:
    """Return a bar with count, rate and time left, shown on standard error if it is a terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=error_console(),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )


def track(steps: Sequence[T], unit: str) -> Iterator[T]:
    """Yield steps one by one, with a progress bar."""
    with progress() as bar:
        task = bar.add_task(unit, total=len(steps), unit=unit)
        for step in steps:
            yield step
            bar.advance(task)


def make_private(path: Path) -> None:
    """Create a file that only its owner may read, unless it exists already.

    Raises:
        UserError: The file cannot be created.
    """
    try:
        path.touch(mode=0o600)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}"
        raise UserError("cli.output", message, "choose another file") from None


def date_option(text: str, option: str) -> Date:
    """Return the date of an option.

    Raises:
        UserError: The text is not a date.
    """
    date = parse_date(text)
    if date is None:
        raise UserError("cli.date", f"{option}: {text!r} is not a date", "write it as 2026-06-30")
    return date


def use_of(as_of: Date, purposes: Iterable[str]) -> Use:
    """Return the use of facts by a command that runs today, which consents must allow."""
    return Use(frozenset(purposes), current_date().day, as_of.day)


def current_date() -> Date:
    """Return the system's date."""
    return Date((today() - EPOCH).days)


def current_time() -> int:
    """Return the system's time, in milliseconds since 1970-01-01."""
    return int(datetime.datetime.now(tz=datetime.UTC).timestamp() * 1_000)


def today() -> datetime.date:
    """Return the system's date; commands read it only here."""
    return datetime.datetime.now(tz=datetime.UTC).date()
