"""The pages on which people sign in to the console of a team, and out."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tuppence.errors import UserError
from tuppence.services.console.gate import SessionCookie
from tuppence.services.console.page import Pages, Team, address
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.team import Begun, Person

WINDOW: Final = 15 * 60_000
"""Milliseconds during which failures count."""
MAX_FAILURES: Final = {"name": 10, "host": 100}
"""Maximum number of failures of one name, and of one host."""
MAX_COUNTED: Final = 10_000
"""Maximum number of names and hosts whose failures are remembered."""
ATTEMPT_SECONDS: Final = 600
"""Time that people have to sign in at the provider."""


class Failures:
    """Counts failures to sign in, so that nobody can try many passwords.

    Args:
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], list[int]] = OrderedDict()

    def begin(self, name: str, host: str) -> None:
        """Count an attempt, which is a failure until it succeeds.

        Args:
            name: The name with which somebody signs in; empty if a provider knows it.
            host: The address that asks.

        Raises:
            UserError: `sign-in.often`: there were too many.
        """
        now = self._clock()
        with self._lock:
            keys = [("host", host)] if not name else [("name", name), ("host", host)]
            for key in keys:
                recent = [one for one in self._kept.pop(key, []) if one > now - WINDOW]
                self._kept[key] = recent
                if len(recent) >= MAX_FAILURES[key[0]]:
                    message = "there were too many attempts to sign in"
                    raise UserError("sign-in.often", message, "try again in a quarter of an hour")
            for key in keys:
                self._kept[key].append(now)
            while len(self._kept) > MAX_COUNTED:
                self._kept.popitem(last=False)

    def succeed(self, name: str, host: str) -> None:
        """Forget the failures of a name, and that this attempt of the host was one."""
        with self._lock:
            self._kept.pop(("name", name), None)
            attempts = self._kept.get(("host", host))
            if attempts:
                attempts.pop()


class SignInPages:
    """The pages of signing in.

    Args:
        team: The ports of the team.
        pages: Renders the templates.
        cookie: The cookie of sessions.
        origin: The address of the console.
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(
        self,
        team: Team,
        pages: Pages,
        cookie: SessionCookie,
        origin: str,
        clock: Callable[[], int],
    ) -> None:
        self._team = team
        self._pages = pages
        self._cookie = cookie
        self._callback = f"{origin}/callback"
        self._failures = Failures(clock)

    async def home(self, request: Request) -> Response:
        """Ask who somebody is."""
        return self._form(request.query_params.get("to", "/"))

    def _form(self, to: str, status: int = 200, refusal: UserError | None = None) -> Response:
        return self._pages.page(
            "sign_in.html",
            "Sign in",
            "",
            status,
            to=inside(to),
            refusal=refusal,
            provider=self._team.provider,
            has_passwords=self._team.passwords is not None,
        )

    async def submit(self, request: Request) -> Response:
        """Sign in with a password."""
        fields = await read_form(request)
        name, password, to = (field_of(fields, one) for one in ("name", "password", "to"))
        passwords, host = self._team.passwords, _host(request)
        if passwords is None:
            raise UserError("sign-in.refused", "people sign in elsewhere", "use the link")
        name = name.strip().lower()[:100]
        try:
            self._failures.begin(name, host)
        except UserError as error:
            return self._form(to, 429, error)
        person = await run_in_threadpool(passwords.person, name, password)
        if person is None:
            message = "this name and this password do not belong together"
            return self._form(to, 403, UserError("sign-in.refused", message, "try again"))
        self._failures.succeed(name, host)
        return await self._begin(person, to)

    async def _begin(self, person: Person, to: str) -> Response:
        response = RedirectResponse(inside(to), 303)
        token = secrets.token_urlsafe(32)  # a new one each time: nobody can plant a session
        await run_in_threadpool(self._cookie.begin, response, person, token)
        return response

    async def begin(self, request: Request) -> Response:
        """Send somebody to the identity provider."""
        provider = self._team.provider
        if provider is None:
            raise UserError("sign-in.refused", "people sign in with a password", "use the form")
        begun = await run_in_threadpool(provider.begin, self._callback)
        response = RedirectResponse(begun.url, 303)
        kept = [begun.state, begun.nonce, begun.verifier, inside(request.query_params.get("to"))]
        self._keep(response, secrets_text(kept), ATTEMPT_SECONDS)
        return response

    async def callback(self, request: Request) -> Response:
        """Sign somebody in whom the identity provider has sent back."""
        provider = self._team.provider
        kept = secrets_of(request.cookies.get(self._cookie.attempt, ""))
        state, code = (request.query_params.get(one, "") for one in ("state", "code"))
        if provider is None or kept is None or not secrets.compare_digest(
            state.encode(), kept[0].encode()
        ):  # fmt: skip
            message = "this is no answer to a sign-in that was begun in this browser"
            raise UserError("sign-in.refused", message, "begin again")
        if not code:
            message = f"{provider} has not signed you in"
            raise UserError("sign-in.refused", message, "begin again, or ask who manages it")
        begun = Begun("", *kept[:3])
        self._failures.begin("", _host(request))  # each attempt asks the provider
        person = await run_in_threadpool(provider.finish, self._callback, code, begun)
        self._failures.succeed("", _host(request))
        response = await self._begin(person, kept[3])
        self._keep(response, "", 0)
        return response

    def _keep(self, response: Response, text: str, seconds: int) -> None:
        response.set_cookie(
            self._cookie.attempt,
            text,
            max_age=seconds,
            httponly=True,
            samesite="lax",
            secure=self._cookie.is_secure,
            path="/",
        )

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        response = RedirectResponse(address("/sign-in"), 303)
        await run_in_threadpool(self._cookie.end, request, response)
        return response


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def secrets_text(parts: list[str]) -> str:
    """Return the secrets of a sign-in as a text for a cookie."""
    return msgspec.json.encode(parts).hex()


def secrets_of(text: str) -> list[str] | None:
    """Return the secrets of a sign-in; None if there are none."""
    try:
        found = msgspec.json.decode(bytes.fromhex(text[:8_000]), type=list[str])
    except (ValueError, msgspec.DecodeError):
        return None
    return found if len(found) == 4 and all(found) else None


def inside(to: str | None) -> str:
    """Return a path of this console, in place of an address of another host."""
    inside = to is not None and to.startswith("/") and not to.startswith(("//", "/\\"))
    return to if inside and to is not None and to.isprintable() else "/"
