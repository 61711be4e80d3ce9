"""The command line: parse, call, print. A module a command."""

from tuppence.cli.app import main

__all__ = ["main"]
