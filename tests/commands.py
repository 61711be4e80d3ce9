"""The program's commands, in this process, for tests and for what several tests start from."""

from typer.testing import CliRunner

from tuppence.cli.app import COMMANDS, build
from tuppence.errors import UserError


def command(*arguments: object, status: int = 0) -> str:
    """Run a command; return what it prints, or its error."""
    words = list(map(str, arguments))
    wanted = words[:1] if words[0] in COMMANDS else ()
    done = CliRunner().invoke(build(*wanted), words)
    if isinstance(done.exception, UserError):
        error = done.exception
        text = "\n".join([*error.details, error.message, error.hint])
        assert status == error.exit_status, text
        return text
    assert done.exit_code == status, (done.output, done.exception)
    return done.output
