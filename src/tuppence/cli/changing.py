"""The lock of a store that a command changes."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuppence.bootstrap.local import open_store
from tuppence.cli.output import echo

if TYPE_CHECKING:
    from tuppence.bootstrap.local import StoreFolder


def hold(ctx: typer.Context, path: Path, *, make: bool = False) -> "StoreFolder":
    """Lock a store until the command ends; if another command holds the lock, say so and wait.

    Args:
        ctx: Context of the command.
        path: Directory of the store.
        make: Whether to create the store if it does not exist.
    """
    _, _, command = ctx.command_path.partition(" ")
    store = open_store(path)
    ctx.with_resource(store.lock(command, functools.partial(echo, err=True), make=make))
    return store
