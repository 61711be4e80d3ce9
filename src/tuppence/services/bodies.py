"""What requests carry: limited, typed, refused with the place that is wrong; and answers."""

import re
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.facts.identifiers import MAX_LENGTH, check_identifier
from tuppence.feel.values import Date, parse_date

T = TypeVar("T")
Identifier = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_LENGTH})]
"""A text in a body, of which `check_identifier` says whether it is an identifier."""


def path_identifier(request: Request, name: str) -> str:
    """Return an identifier from the path of a request.

    Raises:
        UserError: As from `check_identifier`.
    """
    text: str = request.path_params[name]
    check_identifier(text, name)
    return text


async def read_body(request: Request, decoder: "msgspec.json.Decoder[T]", limit: int) -> T:
    """Return the body of a request as a struct.

    Args:
        request: The request.
        decoder: Of JSON into the struct, which forbids unknown fields.
        limit: Bytes at most.

    Raises:
        UserError: `request.large`; `request.content-type` or `request.encoding` where it is said
            to be something else than JSON in UTF-8; or `request.body` where it is not JSON of that
            shape, or has a key twice.
    """
    _check_type(request)
    announced = request.headers.get("content-length", "0")
    body = bytearray()
    if len(announced) <= 18 and int(announced) > limit:
        raise _too_large(limit)
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    try:
        decoded = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("request.body", f"the body: {_in_words(str(error))}") from None
    repeated = _repeated_key(body)
    if repeated is not None:
        raise UserError("request.body", f"the body: {repeated[:40]!r} is there twice")
    return decoded


def _too_large(limit: int) -> UserError:
    hint = "send fewer customers at a time"
    return UserError("request.large", f"the body has more than {limit:,} bytes", hint)


def _check_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        message = f"the body is encoded as {encoding[:40]!r}"
        raise UserError("request.encoding", message, "send it as it is, without compression")
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/json":
        message = f"the body is {kind.strip()[:40] or 'of no type'}, and application/json is needed"
        raise UserError("request.content-type", message)
    charset = parameters.replace('"', "").replace(" ", "")
    if charset.startswith("charset=") and charset not in {"charset=utf-8", "charset=us-ascii"}:
        message = f"the body is in {charset.removeprefix('charset=')[:40]!r}"
        raise UserError("request.content-type", message, "JSON is written in UTF-8")


def _repeated_key(body: bytearray) -> str | None:
    """Return a key that an object of a JSON text has twice; the text is known to be JSON."""
    objects: list[set[str]] = []
    for found in _KEYS_AND_BRACES.finditer(body):
        if found[1] is not None:
            key = msgspec.json.decode(found[1], type=str)
            if key in objects[-1]:
                return key
            objects[-1].add(key)
        elif found[2] == b"{":
            objects.append(set())
        elif found[2] == b"}":
            objects.pop()
    return None


_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_KEYS_AND_BRACES: Final = re.compile(
    # Values and punctuation are skipped in one step, as far as they go.
    rb'(?:[^"{}]++|' + _STRING + rb"(?!\s*+:))*+(?:(" + _STRING + rb")|([{}])|\Z)",
    re.DOTALL,
)


def asked_date(text: str) -> Date:
    """Return the date that a request is about.

    Raises:
        UserError: `request.date`: it is not a date of the years 1 to 9999.
    """
    date = parse_date(text) if _DATE.fullmatch(text) else None
    if date is None:
        message = f"as_of: {text[:40]!a} is not a date"
        raise UserError("request.date", message, "write it as 2026-06-30")
    return date


_DATE: Final = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}")


def asked_number(name: str, text: str, most: int) -> int:
    """Return a whole number from a query: from 1 to `most`, without leading zeros.

    Raises:
        UserError: `request.query`: it is something else.
    """
    if re.fullmatch("[1-9][0-9]{0,8}", text) and int(text) <= most:
        return int(text)
    raise UserError("request.query", f"{name}: a whole number from 1 to {most} is needed")


def json_response(value: Any) -> Response:
    """An answer in JSON; decimals are its numbers."""
    return Response(_encode(value), media_type="application/json")


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def _in_words(message: str) -> str:
    """A message of msgspec with the place first, and without its dollar sign."""
    found = re.fullmatch(r"(.*?) - at `(?:key in )?\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found and found[2] else message
