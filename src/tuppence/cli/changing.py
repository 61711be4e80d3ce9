"""How a command takes the lock of the store that it changes or makes."""

import functools
from collections.abc import Callable
from pathlib import Path

import typer

from tuppence.bootstrap.local import lock_store
from tuppence.cli.output import echo


def hold(ctx: typer.Context, store: Path) -> None:
    """Lock a store until the command ends; where another command has it, say so and wait.

    Args:
        ctx: Of the command.
        store: The store's folder.
    """
    ctx.with_resource(lock_store(store, *waiting(ctx)))


def waiting(ctx: typer.Context) -> tuple[str, Callable[[str], None]]:
    """Return what a command is called by those that wait for it, and how it says that it waits.

    Args:
        ctx: Of the command.
    """
    _, _, command = ctx.command_path.partition(" ")
    return command, functools.partial(echo, err=True)
