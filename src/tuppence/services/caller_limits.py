"""Limits on the requests and connections of each caller."""

from collections import Counter
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from tuppence.errors import UserError
from tuppence.services.connections import ADMIT
from tuppence.services.problems import problem_of, problem_response


class CallerLimits:
    """Middleware that keeps one caller from using up the whole service.

    It must run after the authentication, which puts the caller into the scope as `user`.

    Args:
        app: The rest of the application.
        max_requests: Maximum number of concurrent requests of one caller.
    """

    def __init__(self, app: ASGIApp, max_requests: int) -> None:
        self._app = app
        self._max_requests = max_requests
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
            await problem_response(problem_of(error))(scope, receive, send)
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
        if self._running[caller] >= self._max_requests:
            message = f"{caller} already has {self._max_requests} requests in progress"
            raise UserError("caller.busy", message, "wait for answers before sending more requests")
        admit = scope.get(ADMIT)
        if admit is not None and not admit(caller):
            message = "the service cannot accept another connection of this caller"
            raise UserError("service.busy", message, "reuse the connections that are open")


def _check_target(scope: Scope) -> None:
    """Check that percent-encoded bytes are UTF-8; otherwise they would be silently replaced.

    Raises:
        UserError: `request.target` if they are not.
    """
    for part in (scope.get("raw_path") or b"", scope["query_string"]):
        if b"%" in part:
            try:
                unquote_to_bytes(part).decode()
            except UnicodeDecodeError:
                message = "the percent-encoded path or query is not UTF-8"
                raise UserError("request.target", message, "encode texts as UTF-8") from None
