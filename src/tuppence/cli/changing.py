"""How a command takes the lock of the store that it changes."""

import functools
from pathlib import Path

import typer

from tuppence.cli.output import echo
from tuppence.wiring import lock_store


def hold(ctx: typer.Context, store: Path, *, make: bool = False) -> None:
    """Lock a store until the command ends; where another command has it, say so and wait.

    Args:
        ctx: Of the command.
        store: The store's folder.
        make: Whether the store may be missing.
    """
    _, _, command = ctx.command_path.partition(" ")
    say = functools.partial(echo, err=True)
    ctx.with_resource(lock_store(store, command, say, make=make))
