"""How a command takes the lock of the store that it changes or makes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuppence.bootstrap.local import open_store
from tuppence.cli.output import echo

if TYPE_CHECKING:
    from tuppence.bootstrap.local import StoreFolder


def hold(ctx: typer.Context, path: Path) -> "StoreFolder":
    """Lock a store until the command ends; where another command has it, say so and wait.

    Args:
        ctx: Of the command.
        path: The store's folder.
    """
    store = open_store(path)
    ctx.with_resource(store.lock(*waiting(ctx)))
    return store


def waiting(ctx: typer.Context) -> tuple[str, Callable[[str], None]]:
    """Return what a command is called by those that wait for it, and how it says that it waits.

    Args:
        ctx: Of the command.
    """
    _, _, command = ctx.command_path.partition(" ")
    return command, functools.partial(echo, err=True)
