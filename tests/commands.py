"""The program's commands, in this process, for tests and for what several tests start from."""

import contextlib
import logging
from collections.abc import Iterator

from typer.testing import CliRunner

from tuppence.cli.app import COMMANDS, build
from tuppence.errors import UserError


def command(*arguments: object, status: int = 0) -> str:
    """Run a command; return what it prints, or its error."""
    words = list(map(str, arguments))
    wanted = words[:1] if words[0] in COMMANDS else ()
    with log_of_its_own():
        done = CliRunner().invoke(build(*wanted), words)
    if isinstance(done.exception, UserError):
        error = done.exception
        text = "\n".join([*error.details, error.message, error.hint])
        assert status == error.exit_status, text
        return text
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


@contextlib.contextmanager
def log_of_its_own() -> Iterator[None]:
    """Take back what a command does to the log of its process, which is that of all tests here."""
    root, ours = logging.getLogger(), logging.getLogger("tuppence")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in zip((root, ours), levels, strict=True):
            logger.setLevel(level)
