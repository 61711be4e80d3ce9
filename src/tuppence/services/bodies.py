"""What requests carry: limited, typed, refused with the place that is wrong; and answers."""

import re
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.feel.values import Date, parse_date

T = TypeVar("T")


async def read_body(request: Request, decoder: "msgspec.json.Decoder[T]", limit: int) -> T:
    """The body of a request as a struct.

    Args:
        request: Whose.
        decoder: Of JSON into the struct.
        limit: Bytes at most.

    Raises:
        UserError: `request.large`, `request.content-type`, or `request.body` where it is not
            JSON of that shape.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"the body is {kind or 'of no type'}, and application/json is needed"
        raise UserError("request.content-type", message)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            hint = "send fewer customers at a time"
            raise UserError("request.large", f"the body has more than {limit:,} bytes", hint)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("request.body", f"the body: {_in_words(str(error))}") from None


def asked_date(text: str) -> Date:
    """The date that a request is about.

    Raises:
        UserError: It is not a date.
    """
    date = parse_date(text)
    if date is None:
        message = f"as_of: {text[:40]!r} is not a date"
        raise UserError("request.date", message, "write it as 2026-06-30")
    return date


def json_response(value: Any) -> Response:
    """An answer in JSON; decimals are its numbers."""
    return Response(_encode(value), media_type="application/json")


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def _in_words(message: str) -> str:
    """A message of msgspec with the place first, and without its dollar sign."""
    found = re.fullmatch(r"(.*?) - at `(?:key in )?\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found and found[2] else message
