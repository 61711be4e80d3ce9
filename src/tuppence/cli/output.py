"""How commands print: tables that fit, progress, dates and options that several commands share."""

import datetime
from collections.abc import Iterable, Iterator, Sequence
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

from tuppence.errors import UserError
from tuppence.feel.values import Date, parse_date

WIDEST = 100
T = TypeVar("T")

Database = Annotated[
    str,
    typer.Option(
        help="Of the database: postgresql://user@host/name.",
        envvar="TUPPENCE_DATABASE",
        show_default=False,
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


def _sized(console: Console) -> Console:
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
        made.add_row(*(Text(str(cell)) for cell in row))
    return made


def print_json(value: Any) -> None:
    """One JSON document."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


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


def today() -> datetime.date:
    """The system's date: the only place where a command asks for it."""
    return datetime.datetime.now(tz=datetime.UTC).date()
