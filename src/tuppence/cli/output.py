"""How commands print: tables that fit, progress, dates and options that several commands share.

Whatever a command shows passes through here, where characters that would change what a terminal
shows are written as escapes.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import rich.box
import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
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
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date, parse_date
from tuppence.plain_text import printable, printable_json

WIDEST = 100
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
        help="Of the database: postgresql://user@host/name.",
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
        help="Consents for this purpose count, and for no other; give it as often as needed.",
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
Store = Annotated[Path, typer.Option(help="The folder of the store.", show_default=False)]


class Format(StrEnum):
    """For people or for programs."""

    TABLE = "table"
    JSON = "json"


def console() -> Console:
    """For what was asked for."""
    return _sized(Console())


def error_console() -> Console:
    """For errors and progress."""
    return _sized(Console(stderr=True))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line.

    Args:
        text: What to print; it may have several lines.
        err: Print on standard error.
    """
    typer.echo(printable(text), err=err)


class _Printable(NamedTuple):
    """Something that rich shows, without characters that change what a terminal shows."""

    content: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.content, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment._replace(text=text)


class _EscapeControls(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printable(one) for one in renderables]


def _sized(console: Console) -> Console:
    console.push_render_hook(_EscapeControls())
    console.width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    return console


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = ()
) -> Table:
    """A table; columns named in `numbers` are set to the right."""
    made = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in columns:
        right = column in numbers
        made.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(str(cell), keep="")) for cell in row))
    return made


def print_json(value: Any) -> None:
    """One JSON document."""
    typer.echo(printable_json(msgspec.json.format(msgspec.json.encode(value)).decode()))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        per_step = task.fields.get("per_step", 1)
        speed = task.finished_speed or task.speed or 0
        return Text(f"{speed * per_step:,.0f} {task.fields.get('unit', '')}/s")


def progress() -> Progress:
    """A bar with count, rate and time left, on standard error if that is a terminal."""
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
    """The steps one by one, with a bar."""
    with progress() as bar:
        task = bar.add_task(unit, total=len(steps), unit=unit)
        for step in steps:
            yield step
            bar.advance(task)


def make_private(path: Path) -> None:
    """Make a file for personal data, which only its owner may read; one that is there stays.

    Raises:
        UserError: It cannot be made.
    """
    try:
        path.touch(mode=0o600)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}"
        raise UserError("cli.output", message, "name another file") from None


def date_option(text: str, option: str) -> Date:
    """The date that an option gives.

    Raises:
        UserError: It is not a date.
    """
    date = parse_date(text)
    if date is None:
        raise UserError("cli.date", f"{option}: {text!r} is not a date", "write it as 2026-06-30")
    return date


def use_of(as_of: Date, purposes: Iterable[str]) -> Use:
    """Return the use of facts by a command that runs now, which consents allow or not."""
    return Use(frozenset(purposes), current_date().day, as_of.day)


def current_date() -> Date:
    """Return the system's date."""
    return Date((today() - EPOCH).days)


def today() -> datetime.date:
    """The system's date: the only place where a command asks for it."""
    return datetime.datetime.now(tz=datetime.UTC).date()
