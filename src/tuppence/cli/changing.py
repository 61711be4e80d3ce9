"""The lock of a store that a command changes or creates."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuppence.bootstrap.store import open_store
from tuppence.cli.output import echo

if TYPE_CHECKING:
    from tuppence.bootstrap.store import StoreFolder


def hold(ctx: typer.Context, path: Path) -> "StoreFolder":
    """Lock a store until the command ends; if another command holds the lock, say so and wait.

    Args:
        ctx: Context of the command.
        path: Directory of the store.
    """
    store = open_store(path)
    ctx.with_resource(store.lock(*waiting(ctx)))
    return store


def waiting(ctx: typer.Context) -> tuple[str, Callable[[str], None]]:
    """Return the name of a command for waiting commands, and a function that prints a message.

    Args:
        ctx: Context of the command.
    """
    _, _, command = ctx.command_path.partition(" ")
    return command, functools.partial(echo, err=True)
