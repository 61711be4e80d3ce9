"""Who may call: a bearer token for each caller, of which only the digest is kept."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    SimpleUser,
)
from starlette.requests import HTTPConnection
from starlette.responses import Response

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


class BearerTokens(AuthenticationBackend):
    """Knows callers by the bearer tokens of their requests.

    Args:
        callers: As `read_callers` gives them.
    """

    def __init__(self, callers: Mapping[str, str]) -> None:
        self._callers = callers

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """Return the caller, or None where nobody is asked who they are.

        Raises:
            AuthenticationError: There is no token, more than one, or one that is not known.
        """
        if conn.scope["path"] in OPEN:
            return None
        given = conn.headers.getlist("authorization")
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        name = self._name(digest(token.strip()))
        if scheme.lower() != "bearer" or name is None:
            raise AuthenticationError
        return AuthCredentials(), SimpleUser(name)

    def _name(self, wanted: str) -> str | None:
        """Compare all digests, so that the time taken does not tell which of them it was."""
        found = None
        for known, name in self._callers.items():
            if hmac.compare_digest(known, wanted):
                found = name
        return found


def denied(_: HTTPConnection, __: AuthenticationError) -> Response:
    """Return the answer to a request without a known token."""
    hint = "send the header Authorization: Bearer TOKEN, once"
    return respond(
        problem_of(UserError("access.denied", "the token is missing or not known", hint))
    )
