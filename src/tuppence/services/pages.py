"""The parts that pages for people share: who may see them, forms, templates, headers."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuppence.errors import UserError

BODY_BYTES: Final = 100_000
"""Maximum size of a form."""
MAX_FIELDS: Final = 500
"""Maximum number of fields of a form."""
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
}


class PageGuard:
    """Middleware that lets in whoever has the key, refuses forms of other sites, adds headers.

    Args:
        app: The rest of the application.
        key: The key.
        cookie: Beginning of the name of the cookie that keeps it.
        command: The command `tuppence serve …` that prints it.
    """

    def __init__(self, app: ASGIApp, key: str, cookie: str, command: str) -> None:
        self._app = app
        self._key = key
        self._cookie = cookie_name(cookie, key)
        self._command = command

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        given = request.query_params.get("key")
        if given is not None and hmac.compare_digest(given.encode(), self._key.encode()):
            response = RedirectResponse(request.url.path, 303)
            response.set_cookie(self._cookie, self._key, httponly=True, samesite="strict")
            return response
        known = request.cookies.get(self._cookie, "")
        if not hmac.compare_digest(known.encode(), self._key.encode()):
            text = (
                f"Open the address that the command tuppence serve {self._command} has printed.\n"
            )
            return Response(text, 403, media_type="text/plain")
        if request.method not in {"GET", "HEAD"} and not is_own(request):
            return of_another_site()
        return None


def with_headers(send: Send) -> Send:
    """Return a way to send answers with the headers that every page has."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return send_with_headers


def of_another_site() -> Response:
    """Return the refusal of a form that another site has sent."""
    return Response("This form was sent by another site.\n", 403, media_type="text/plain")


def cookie_name(begin: str, secret: str) -> str:
    """Return the name of a cookie of one service: other ports of a host get the same cookies.

    Args:
        begin: The beginning of the name.
        secret: A text that no other service on this host has.
    """
    return f"{begin}-{hashlib.sha256(secret.encode()).hexdigest()[:12]}"


def is_own(request: Request) -> bool:
    """Return whether a form was sent by a page of this service."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def templates_in(folder: Path) -> jinja2.Environment:
    """Return the templates of a package, which escape what they show."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


async def read_form(
    request: Request, max_bytes: int = BODY_BYTES, max_fields: int = MAX_FIELDS
) -> dict[str, list[str]]:
    """Return the fields of a form, each with its values.

    Args:
        request: The request.
        max_bytes: Maximum size of the form.
        max_fields: Maximum number of fields.

    Raises:
        UserError: The form is too large or malformed.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise UserError("request.large", f"the form has more than {max_bytes:,} bytes")
    fields: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=max_fields
        ):
            fields.setdefault(name, []).append(value)
    except ValueError:
        raise UserError("request.body", "the form is malformed") from None
    return fields


def field_of(form: Mapping[str, Sequence[str]], name: str) -> str:
    """Return a field that a form must have once.

    Raises:
        UserError: It has none, or several.
    """
    values = form.get(name, ())
    if len(values) != 1:
        raise UserError("request.body", f"the form needs the field {name} once")
    return values[0]
