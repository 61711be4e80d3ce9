"""Lets people in who have signed in and have the role that a page needs."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tuppence.errors import UserError
from tuppence.services.console.page import PERSON, Pages, Team, address
from tuppence.services.console.permissions import OPEN, may
from tuppence.services.pages import cookie_name, is_own, of_another_site, with_headers
from tuppence.usecases.team import OWNER, Person

MAX_REQUESTS: Final = 12
"""Maximum number of concurrent requests of one person."""
_logger: Final = logging.getLogger(__name__)


class SessionCookie:
    """The cookie of a team's console, and the time for which sessions hold.

    Args:
        team: The ports of the team.
        origin: The address of the console.
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(self, team: Team, origin: str, clock: Callable[[], int]) -> None:
        self._sessions = team.sessions
        self._idle = team.policy.idle_minutes * 60_000
        self._clock = clock
        self._longest = team.policy.hours * 3_600_000
        self.is_secure = urlsplit(origin).scheme == "https"
        self.name = self.named("session", origin)
        self.attempt = self.named("sign-in", origin)

    def named(self, what: str, origin: str) -> str:
        """Return the name of a cookie; with `__Host-` no other host can set it."""
        return cookie_name(f"{'__Host-' if self.is_secure else ''}tuppence-{what}", origin)

    def person(self, request: Request) -> Person | None:
        """Return who asks; None if nobody has signed in, or the session has ended."""
        token = request.cookies.get(self.name)
        if not token:
            return None
        now = self._clock()
        return self._sessions.find(digest_of(token), now, now - self._idle)

    def begin(self, response: Response, person: Person, token: str) -> None:
        """Begin a session, and set the cookie of an answer.

        Args:
            response: The answer.
            person: The person who has signed in.
            token: A new secret, which only the cookie keeps.
        """
        now = self._clock()
        self._sessions.sweep(now, now - self._idle)
        self._sessions.begin(digest_of(token), person, now, now + self._longest)
        response.set_cookie(
            self.name, token, httponly=True, samesite="lax", secure=self.is_secure, path="/"
        )

    def end(self, request: Request, response: Response) -> None:
        """End the session of a request: a copy of its cookie is worth nothing then."""
        token = request.cookies.get(self.name)
        if token:
            self._sessions.end(digest_of(token))
        response.delete_cookie(self.name, path="/", secure=self.is_secure, httponly=True)


class OwnerGate:
    """Middleware of a console on one machine, whose only person may do everything.

    Args:
        app: The rest of the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        token = PERSON.set(OWNER)
        try:
            await self._app(scope, receive, send)
        finally:
            PERSON.reset(token)


class TeamGate:
    """Middleware that finds out who asks, and refuses what they may not do.

    Args:
        app: The rest of the application.
        cookie: The cookie of sessions.
        pages: Renders refusals.
    """

    def __init__(self, app: ASGIApp, cookie: SessionCookie, pages: Pages) -> None:
        self._app = app
        self._cookie = cookie
        self._pages = pages
        self._running: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, send = Request(scope), with_headers(send)
        path = request.url.path
        method = "GET" if request.method == "HEAD" else request.method
        if method != "GET" and not is_own(request):
            await of_another_site()(scope, receive, send)
            return
        if path in OPEN or path.startswith("/static/"):
            await self._app(scope, receive, send)
            return
        try:
            person = await run_in_threadpool(self._cookie.person, request)
        except UserError as error:
            await (await self._pages.on_error(request, error))(scope, receive, send)
            return
        if person is None:
            await _sign_in_first(request)(scope, receive, send)
            return
        token = PERSON.set(person)
        who = (person.issuer, person.subject)
        self._running[who] += 1
        try:
            refusal = self._refusal(person, path, method)
            if refusal is not None:
                response = await self._pages.on_error(request, refusal)
                await response(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._running[who] -= 1
            if not self._running[who]:
                del self._running[who]
            PERSON.reset(token)

    def _refusal(self, person: Person, path: str, method: str) -> UserError | None:
        if self._running[person.issuer, person.subject] > MAX_REQUESTS:
            message = f"you already have {MAX_REQUESTS} requests in progress"
            return UserError("caller.busy", message, "wait for their answers")
        if may(person, path, method):
            return None
        _logger.warning("forbidden", extra={"path": path, "method": method})
        roles = ", ".join(sorted(person.roles))
        message = f"your roles do not include this: {roles}"
        return UserError("access.forbidden", message, "ask whoever manages the groups of people")


def digest_of(token: str) -> str:
    """Return the digest by which a session is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def _sign_in_first(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"} or request.headers.get("x-part") == "1":
        text = "Your session has ended: sign in again in another tab, then repeat this.\n"
        return Response(text, 401, media_type="text/plain")
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(address("/sign-in", to=f"{request.url.path}{query}"), 303)
