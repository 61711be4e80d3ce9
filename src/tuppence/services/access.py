"""Authentication: each caller has a bearer token, of which a service knows only the digest."""

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
from tuppence.services.problems import problem_of, problem_response
from tuppence.structured import ENVIRONMENT, read_secret, read_text

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Paths that need no token, because their answers contain nothing about a person."""
_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})")


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; no salt is needed for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_callers(where: str) -> Mapping[str, str]:
    """Return the names of callers by the digest of their token.

    Args:
        where: A file with lines `NAME DIGEST`, or `env:NAME` for one caller whose token is in that
            environment variable.

    Raises:
        UserError: The file cannot be read, names no caller, or has a malformed line.
    """
    if where.startswith(ENVIRONMENT):
        return {digest(read_secret(where)): where.removeprefix(ENVIRONMENT)}
    path = Path(where)
    callers: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            message = f"{path}:{number}: expected the name of a caller and the SHA-256 of its token"
            raise UserError("access.file", message, "tuppence serve token writes such lines")
        callers[match[2]] = match[1]
    if not callers:
        raise UserError("access.file", f"{path}: names no caller", "tuppence serve token adds one")
    return callers


def add_caller(name: str, path: Path) -> str:
    """Return a new token for a caller, and add its digest to the file of callers.

    Raises:
        UserError: The name is malformed, or already in the file.
    """
    token = secrets.token_urlsafe(32)
    line = f"{name} {digest(token)}"
    if not _LINE.fullmatch(line):
        message = f"{name!r} is not a valid name of a caller"
        hint = "use up to 64 letters, digits, dots, dashes and underscores"
        raise UserError("access.name", message, hint)
    if path.exists() and name in read_callers(str(path)).values():
        hint = "remove its line to give it a new token"
        raise UserError("access.name", f"{path}: {name} already has a token", hint)
    with path.open("a") as file:
        file.write(line + "\n")
    path.chmod(0o600)
    return token


class BearerTokens(AuthenticationBackend):
    """Authenticates requests by their bearer token.

    Args:
        callers: Names by the digest of their token, see `read_callers`.
    """

    def __init__(self, callers: Mapping[str, str]) -> None:
        self._callers = callers

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """Return the caller of a request, or None for a path that needs no token.

        Raises:
            AuthenticationError: There is no token, more than one, or an unknown one.
        """
        if conn.scope["path"] in OPEN_PATHS:
            return None
        headers = conn.headers.getlist("authorization")
        scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
        name = self._name(digest(token.strip()))
        if scheme.lower() != "bearer" or name is None:
            raise AuthenticationError
        return AuthCredentials(), SimpleUser(name)

    def _name(self, token_digest: str) -> str | None:
        """Return the caller with a digest; compare all, so that the time taken reveals nothing."""
        match = None
        for known, name in self._callers.items():
            if hmac.compare_digest(known, token_digest):
                match = name
        return match


def denied(_: HTTPConnection, __: AuthenticationError) -> Response:
    """Return the answer to a request without a known token."""
    hint = "send the header Authorization: Bearer TOKEN, once"
    error = UserError("access.denied", "the token is missing or not known", hint)
    return problem_response(problem_of(error))
