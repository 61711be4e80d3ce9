"""Who may call: a bearer token for each caller, of which only the digest is kept."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from tuppence.errors import UserError
from tuppence.services.problems import problem_of, respond
from tuppence.structured import ENVIRONMENT, read_secret, read_text

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Paths that tell nothing about a person."""
_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})")


def digest(token: str) -> str:
    """SHA-256, hexadecimal: enough for a secret of 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_callers(where: str) -> Mapping[str, str]:
    """Callers by the digest of their token.

    Args:
        where: A file whose lines are `NAME DIGEST`, or `env:NAME` for one caller, whose token is in
            the environment.

    Raises:
        UserError: The file cannot be read, or a line is something else.
    """
    if where.startswith(ENVIRONMENT):
        return {digest(read_secret(where)): where.removeprefix(ENVIRONMENT)}
    path = Path(where)
    callers: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            message = f"{path}:{number}: not a caller's name and the SHA-256 of a token"
            raise UserError("access.file", message, "tuppence serve token writes such lines")
        callers[found[2]] = found[1]
    if not callers:
        raise UserError("access.file", f"{path}: names no caller", "tuppence serve token adds one")
    return callers


def add_caller(name: str, path: Path) -> str:
    """Make a token for a caller, and add its digest to the file of callers.

    Raises:
        UserError: The name is not one, or is in the file already.
    """
    token = secrets.token_urlsafe(32)
    line = f"{name} {digest(token)}"
    if not _LINE.fullmatch(line):
        message = f"{name!r} is not a caller's name"
        raise UserError("access.name", message, "letters, digits, dot, dash, underscore")
    if path.exists() and name in read_callers(str(path)).values():
        hint = "remove its line to give it a new token"
        raise UserError("access.name", f"{path}: {name} has a token already", hint)
    with path.open("a") as file:
        file.write(line + "\n")
    path.chmod(0o600)
    return token


class Access:
    """Middleware that lets nobody in without a known token; it notes the caller's name.

    Args:
        app: What is inside.
        callers: As `read_callers` gives them.
    """

    def __init__(self, app: ASGIApp, callers: Mapping[str, str]) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            caller = self._caller(scope)
            if caller is None:
                hint = "send the header Authorization: Bearer TOKEN"
                error = UserError("access.denied", "the token is missing or not known", hint)
                await respond(problem_of(error))(scope, receive, send)
                return
            scope["caller"] = caller
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> str | None:
        given = next((v for name, v in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = given.decode("latin-1").partition(" ")
        if kind.lower() != "bearer":
            return None
        found = digest(token.strip())
        return next((c for d, c in self._callers.items() if hmac.compare_digest(d, found)), None)
