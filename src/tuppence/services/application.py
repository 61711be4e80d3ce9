"""The parts that all services share: health, metrics, authentication, limits and errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.authentication import AuthenticationBackend
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tuppence import tracing
from tuppence.errors import UserError
from tuppence.services.access import denied
from tuppence.services.bodies import json_response
from tuppence.services.caller_limits import CallerLimits
from tuppence.services.metrics import Metrics
from tuppence.services.monitoring import RequestMonitor
from tuppence.services.problems import on_bug, on_http_error, on_user_error
from tuppence.services.readiness import Readiness
from tuppence.services.traced import TracedRequests


def application(
    routes: Sequence[BaseRoute],
    check: Callable[[], Awaitable[None]],
    metrics: Metrics,
    access: AuthenticationBackend,
    caller_requests: int,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    """Return a service with its own routes and the parts that all services share.

    Args:
        routes: Routes of this service.
        check: Raises a UserError if the service cannot do its work now.
        metrics: Metrics of this service.
        access: Authenticates requests.
        caller_requests: Maximum number of concurrent requests of one caller.
        lifespan: Context that is entered before the first request and left after the last.
    """
    readiness = Readiness(check)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        async with lifespan(app):
            await readiness.begin()
            yield

    async def healthy(_: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_: Request) -> Response:
        await readiness.check()
        return json_response({"status": "ok"})

    app = Starlette(
        routes=[
            *routes,
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics.endpoint),
        ],
        middleware=[
            Middleware(RequestMonitor, metrics=metrics),
            Middleware(AuthenticationMiddleware, backend=access, on_error=denied),
            *([Middleware(TracedRequests)] if tracing.is_on() else ()),
            Middleware(CallerLimits, max_requests=caller_requests),
        ],
        exception_handlers={
            UserError: on_user_error,
            HTTPException: on_http_error,
            Exception: on_bug,
        },
        lifespan=running,
    )
    app.state.metrics = metrics  # for the log of metrics
    return app
