"""Errors as `application/problem+json` (RFC 9457), with the same codes as on the command line."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tuppence import logs
from tuppence.cards import masked
from tuppence.errors import RETRYABLE, UserError

RETRY_AFTER: Final = "1"
"""Seconds that a client should wait before it sends a request with a retryable error again."""
STATUSES: Final[Mapping[str, int]] = {
    "access.denied": 401,
    "access.forbidden": 403,
    "facts.unknown-customer": 404,
    "feed.unknown-item": 404,
    "feed.receipt": 422,
    "feed.not-shown": 409,
    "results.none": 404,
    "results.missing": 503,
    "rules.unknown": 404,
    "consent.none": 403,
    "rule.unknown": 404,
    "rule.missing": 404,
    "rule.conflict": 409,
    "definition.conflict": 409,
    "definition.unknown": 404,
    "publish.changed": 409,
    "sign-in.refused": 403,
    "sign-in.often": 429,
    "sign-in.provider": 502,
    "preview.cancelled": 409,
    "preview.unnamed": 403,
    "ruleset.unknown": 404,
    "ruleset.none": 503,
    "results.older": 409,
    "request.large": 413,
    "request.content-type": 415,
    "request.encoding": 415,
    "caller.busy": 429,
    "service.busy": 503,
    "service.draining": 503,
    "service.timeout": 504,
    "database.unreachable": 503,
    "database.busy": 503,
    "database.timeout": 504,
    "relay.unreachable": 503,
    "relay.denied": 503,
    "relay.refused": 502,
    "relay.privileges": 503,
    "database.refused": 500,
    "database.version": 503,
    "ruleset.corrupt": 500,
    "ruleset.format": 500,
    "results.unavailable": 503,
    "results.refused": 500,
    "feeds.unavailable": 503,
    "feeds.refused": 500,
    "rulesets.unavailable": 503,
    "rulesets.refused": 500,
    "store.corrupt": 500,
    "store.disk": 503,
    "store.format": 500,
    "store.busy": 503,
    "store.changed": 503,
}
"""HTTP status by error code; 400 for a code that is not listed."""
BUSY: Final = frozenset({"caller.busy", "service.busy", "service.draining", "service.timeout"})
"""Codes of answers that only put a request off: there is no error, but too much to do."""
REQUEST_ID_HEADER: Final = "X-Request-Id"
"""Header of requests and answers, by which log lines of several processes are joined."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error.

    Attributes:
        code: Stable identifier, `area.problem`.
        title: One sentence that says what is wrong and where.
        status: The HTTP status.
        detail: One sentence that says how to correct it.
        errors: Further lines, such as all findings of a check.
    """

    code: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[str, ...] = ()


def problem_of(error: UserError) -> Problem:
    """Return the problem for an error; card numbers that it quotes are masked."""
    status = STATUSES.get(error.code, 400)
    details = tuple(map(masked, error.details))
    return Problem(error.code, masked(error.message), status, masked(error.hint), details)


def problem_response(problem: Problem) -> Response:
    """Return the response for a problem, and add its code to the request's log line."""
    logs.bind(code=problem.code)
    headers = {"Retry-After": RETRY_AFTER} if problem.status in RETRYABLE else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(problem), problem.status, headers, "application/problem+json"
    )


async def on_user_error(_: Request, error: Exception) -> Response:
    """Answer a UserError that a handler has raised."""
    assert isinstance(error, UserError)  # noqa: S101 - it is registered for those
    return problem_response(problem_of(error))


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer a request for an unknown path or method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for those
    title = HTTPStatus(error.status_code).phrase.lower()
    response = problem_response(Problem(f"http.{error.status_code}", title, error.status_code))
    response.headers.update(error.headers or {})
    return response


async def on_bug(_: Request, __: Exception) -> Response:
    """Answer an exception that nothing else handles; uvicorn logs where it came from.

    Starlette calls this outside of all middleware, so the request's id is added here.
    """
    problem = Problem("service.bug", "something went wrong in the service", 500)
    response = problem_response(problem)
    response.headers[REQUEST_ID_HEADER] = logs.request_id() or ""
    return response
