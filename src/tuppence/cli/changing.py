"""How a command takes the lock of the store that it changes."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuppence.bootstrap.local import open_store
from tuppence.cli.output import echo

if TYPE_CHECKING:
    from tuppence.bootstrap.local import StoreFolder


def hold(ctx: typer.Context, path: Path, *, make: bool = False) -> "StoreFolder":
    """Lock a store until the command ends; where another command has it, say so and wait.

    Args:
        ctx: Of the command.
        path: The store's folder.
        make: Whether the store may be missing.
    """
    _, _, command = ctx.command_path.partition(" ")
    store = open_store(path)
    ctx.with_resource(store.lock(command, functools.partial(echo, err=True), make=make))
    return store
