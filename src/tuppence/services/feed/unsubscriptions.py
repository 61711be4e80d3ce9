"""The address in a mail that stops further mails by one request (RFC 8058), without a token.

The identifier of a delivery is known to its receiver alone. Programs fetch the links of a mail to
check them, so only a POST changes anything. No answer names anybody.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_QUESTION: Final = (
    '<form method="post"><p>Do you want no more messages of this kind?</p>'
    "<button>Stop them</button></form>"
)
_STOPPED: Final = "<p>You get no more messages of this kind. The app can switch them on again.</p>"
_UNKNOWN: Final = "<p>This link is not valid any more. The app can switch messages off.</p>"


def unsubscriptions(
    unsubscribe: Callable[[str], bool],
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers requests to the address.

    Args:
        unsubscribe: Switches the channel of a delivery off; returns False if it is not known.
    """

    async def answer(request: Request) -> Response:
        if request.method != "POST":
            return _page(_QUESTION, 200)
        known = await run_in_threadpool(unsubscribe, request.path_params["delivery"])
        return _page(_STOPPED, 200) if known else _page(_UNKNOWN, 404)

    return answer


def _page(content: str, status: int) -> Response:
    document = (
        '<!doctype html><html lang="en"><head><title>Messages</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>Messages</h1>{content}</main></body></html>"
    )
    return HTMLResponse(document, status, _HEADERS)
