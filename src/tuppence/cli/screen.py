"""The consoles, which escape characters that a terminal would interpret.

Apart from `output`, so that `tuppence --help` loads nothing else.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from tuppence.plain_text import printable

MAX_WIDTH: Final = 100
"""Maximum number of columns of a terminal that is used."""


def console() -> Console:
    """Return the console for results."""
    return _sized(Console(emoji=False))


def error_console() -> Console:
    """Return the console for errors and progress."""
    return _sized(Console(stderr=True, emoji=False))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line.

    Args:
        text: The text; it may have several lines.
        err: Whether to print to standard error.
    """
    typer.echo(printable(text), err=err)


class _Printable(NamedTuple):
    """A renderable of rich with characters escaped that a terminal would interpret."""

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
    console.width = min(console.width, MAX_WIDTH) if console.is_terminal else MAX_WIDTH
    return console
