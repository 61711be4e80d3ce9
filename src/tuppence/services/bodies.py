"""Bodies and parameters of requests, checked and decoded; answers in JSON."""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Mapping
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
"""A string in a body that `check_identifier` must accept."""


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
        decoder: Decodes JSON into the struct, which forbids unknown fields.
        limit: Maximum size in bytes.

    Raises:
        UserError: `request.large`; `request.content-type` or `request.encoding` if the headers
            declare anything but JSON in UTF-8; `request.body` if it is not JSON of that shape, or
            repeats a key.
    """
    _check_type(request)
    declared_length = request.headers.get("content-length", "0")
    body = bytearray()
    if len(declared_length) <= 18 and int(declared_length) > limit:
        raise _too_large(limit)
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return decoded(body, decoder)


def decoded(body: bytes | bytearray, decoder: "msgspec.json.Decoder[T]") -> T:
    """Return a body as a struct.

    Args:
        body: The bytes.
        decoder: Decodes JSON into the struct, which forbids unknown fields.

    Raises:
        UserError: `request.body` if it is not JSON of that shape, or repeats a key.
    """
    try:
        found = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("request.body", f"the body: {_place_first(str(error))}") from None
    try:
        _check_repeats(body)
    except _RepeatedKeyError as error:
        message = f"the body: the key {str(error)[:40]!r} occurs twice"
        raise UserError("request.body", message) from None
    return found


def _too_large(limit: int) -> UserError:
    hint = "send fewer customers at a time"
    return UserError("request.large", f"the body has more than {limit:,} bytes", hint)


def _check_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        message = f"the body is encoded as {encoding[:40]!r}"
        raise UserError("request.encoding", message, "send it without compression")
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/json":
        message = f"the body has the type {kind.strip()[:40]!r}, expected application/json"
        raise UserError("request.content-type", message)
    charset = parameters.replace('"', "").replace(" ", "")
    if charset.startswith("charset=") and charset not in {"charset=utf-8", "charset=us-ascii"}:
        message = f"the body is encoded in {charset.removeprefix('charset=')[:40]!r}"
        raise UserError("request.content-type", message, "encode JSON in UTF-8")


class _RepeatedKeyError(Exception):
    """An object of a JSON document has a key twice."""


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    """Check that no key of an object occurs twice.

    Raises:
        _RepeatedKeyError: One does.
    """
    if len(dict(pairs)) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _RepeatedKeyError(key)


def _check_repeats(body: bytes | bytearray) -> None:
    """Check that no key of any object of a JSON document occurs twice.

    Lists of values are nearly all of a large body, and have no keys, so they are left out first:
    what is between two brackets, without a colon. Brackets within texts can mislead this, so that
    texts begin where they end. Then a key stands right behind a text, which is no JSON, and all of
    the body is looked at.

    Args:
        body: A document whose keys are known names.

    Raises:
        _RepeatedKeyError: One does.
    """
    with contextlib.suppress(json.JSONDecodeError, _RepeatedKeyError):
        _KEYS.decode(_without_lists(body).decode())
        return
    _KEYS.decode(body.decode())


def _without_lists(body: bytes | bytearray) -> bytes:
    """Return a text without what is between two brackets, if that is without a colon."""
    first, *others = body.split(b"[")
    kept = [first]
    for part in others:
        end = part.find(b"]")
        has_keys = end < 0 or part.find(b":", 0, end) >= 0
        kept.append(part if has_keys else part[end:])
    return b"[".join(kept)


# Numbers are not looked at, and as floats they may have any number of digits.
_KEYS: Final = json.JSONDecoder(object_pairs_hook=_check_keys, parse_int=float, strict=False)


TIMEOUT_HEADER: Final = "X-Request-Timeout"
"""Header of requests with the seconds after which the caller stops waiting."""


def parse_as_of(text: str) -> Date:
    """Return the as-of date of a request.

    Raises:
        UserError: `request.date` if the text is not a date of the years 1 to 9999.
    """
    date = parse_date(text) if _DATE.fullmatch(text) else None
    if date is None:
        message = f"as_of: {text[:40]!a} is not a date"
        raise UserError("request.date", message, "write it as 2026-06-30")
    return date


_DATE: Final = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_count(name: str, text: str, maximum: int) -> int:
    """Return a whole number of a query: from 1 to `maximum`, without leading zeros.

    Raises:
        UserError: `request.query` if the text is anything else.
    """
    if re.fullmatch("[1-9][0-9]{0,8}", text) and int(text) <= maximum:
        return int(text)
    raise UserError("request.query", f"{name}: expected a whole number from 1 to {maximum}")


def read_timeout(request: Request, maximum: float) -> float:
    """Return the seconds that the caller of a request waits, as its header says, up to a maximum.

    Raises:
        UserError: `request.timeout` if the header is not a positive number of seconds.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return maximum
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) and float(text):
        return min(float(text), maximum)
    message = f"{TIMEOUT_HEADER}: {text[:40]!a} is not a positive number of seconds"
    raise UserError("request.timeout", message, "write it as 2.5")


def json_response(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON; decimals become numbers."""
    return Response(json_bytes(value), headers=headers, media_type="application/json")


def json_bytes(value: Any) -> bytes:
    """Return a value in JSON; decimals become numbers."""
    return _encode(value)


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def _place_first(message: str) -> str:
    """Return a message of msgspec with the place first, without its dollar sign."""
    match = re.fullmatch(r"(.*?) - at (?:`key` in )?`\$\.?(.*)`", message, re.DOTALL)
    return f"{match[2]}: {match[1]}" if match and match[2] else message
