"""The checks that every request passes before it reaches a service."""

from collections import Counter
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from tuppence.errors import UserError
from tuppence.services.connections import ADMIT
from tuppence.services.problems import problem_of, respond


class Door:
    """Middleware that keeps callers apart: none may take all of the service.

    It stands behind the authentication, which puts the caller into the scope as `user`.

    Args:
        app: The rest of the application.
        most: Requests of one caller that may be worked on at a time.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        user = scope["user"]
        try:
            _check_target(scope)
            if user.is_authenticated:
                self._check_caller(scope, user.display_name)
        except UserError as error:
            await respond(problem_of(error))(scope, receive, send)
            return
        if not user.is_authenticated:
            await self._app(scope, receive, send)
            return
        self._running[user.display_name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[user.display_name] -= 1

    def _check_caller(self, scope: Scope, caller: str) -> None:
        if self._running[caller] >= self._most:
            message = f"{caller} has {self._most} requests at work already"
            raise UserError("caller.busy", message, "wait for answers before you ask for more")
        admit = scope.get(ADMIT)
        if admit is not None and not admit(caller):
            message = "the service has no room for another connection"
            raise UserError("service.busy", message, "use the connections that are open")


def _check_target(scope: Scope) -> None:
    """Refuse percent-encoded bytes that are not UTF-8: they would be read as something else.

    Raises:
        UserError: `request.target`.
    """
    for part in (scope.get("raw_path") or b"", scope["query_string"]):
        if b"%" in part:
            try:
                unquote_to_bytes(part).decode()
            except UnicodeDecodeError:
                message = "the path or the query is not UTF-8, percent-encoded"
                raise UserError("request.target", message) from None
