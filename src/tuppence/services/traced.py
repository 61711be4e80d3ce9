"""Records the requests of known callers as spans, which continue the trace of the caller."""

from collections.abc import Iterator
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuppence import logs, tracing


class TracedRequests:
    """Middleware that records each request; its log line gets the id of the trace.

    It comes after authentication: strangers could fill a collector. Spans have the pattern of the
    path, never the path, which may hold identifiers of customers.

    Args:
        app: The rest of the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        user = scope.get("user")
        if scope["type"] != "http" or user is None or not user.is_authenticated:
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.span("request", "SERVER", dict(_carried(scope))) as span:
            if span is None or (trace := tracing.trace_id()) is None:
                await self._app(scope, receive, send)
                return
            logs.bind(trace_id=trace)
            try:
                await self._app(scope, receive, send_and_see)
            finally:
                path = getattr(scope.get("route"), "path", "other")
                span.update_name(f"{scope['method']} {path}")
                span.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.route": path,
                        "http.response.status_code": status,
                        "request.id": logs.request_id() or "",
                    }
                )
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_attribute("error.type", str(status))


def _carried(scope: Scope) -> Iterator[tuple[str, str]]:
    for name, value in scope["headers"]:
        if name.decode("latin-1") in tracing.CARRIED:
            yield name.decode("latin-1"), value.decode("latin-1")
