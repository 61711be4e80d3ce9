"""The address in a mail that stops further mails by one request (RFC 8058), without a token.

The identifier of a delivery cannot be guessed; its receiver knows it, and whoever reads the logs of
deliveries. Programs fetch the links of a mail to check them, so only a POST changes anything. No
answer names anybody.
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
    '<form method="post"><p>Do you want to stop receiving messages like this?</p>'
    "<button>Stop these messages</button></form>"
)
_STOPPED: Final = (
    "<p>You will not get any more messages like this. You can turn them back on in the app.</p>"
)
_UNKNOWN: Final = "<p>This link is no longer valid. You can turn messages off in the app.</p>"


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
