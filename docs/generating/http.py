"""The interfaces of the services."""

from collections.abc import Iterator
from typing import Any

from docs.generating.diagnostics import SOURCE, error_codes
from docs.generating.structure import attributes

from tuppence.facts.identifiers import MAX_LENGTH
from tuppence.facts.schema import Schema
from tuppence.services.connections import ConnectionLimits
from tuppence.services.feed.app import ANSWER_SECONDS
from tuppence.services.feed.app import BODY_BYTES as FEED_BODY_BYTES
from tuppence.services.feed.openapi import openapi_document as feed_document
from tuppence.services.problems import STATUSES
from tuppence.services.rules_engine.app import BODY_BYTES as ENGINE_BODY_BYTES
from tuppence.services.rules_engine.app import Limits
from tuppence.services.rules_engine.openapi import openapi_document
from tuppence.services.sql_relay import BODY_BYTES as RELAY_BODY_BYTES
from tuppence.services.sql_relay import MAX_CUSTOMERS, RelayLimits, endpoints


def http_page() -> Iterator[str]:
    """Yield the interfaces of the services."""
    yield from _http_requests()
    yield from _http_limits()
    yield from _http_errors()


def _http_requests() -> Iterator[str]:
    yield "# HTTP interfaces\n"
    yield (
        "Every request needs the header `Authorization: Bearer TOKEN`, except `/healthz`\n"
        "(the process is alive), `/readyz` (it can do its work), `/metrics` and `/openapi.json`.\n"
        "Bodies and answers are JSON. Money is in minor units, dates are such as `2026-06-30`.\n"
    )
    yield "## Rules engine\n"
    yield "An engine serves its OpenAPI document at `/openapi.json`. In short:\n"
    document = openapi_document(Schema())
    yield "| request | what it does |\n|---|---|"
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item:
                yield f"| `{method.upper()} {path}` | {item[method]['summary']} |"
    yield from _types(document)
    yield from _feed_requests()
    yield "\n## SQL relay\n"
    yield "| request | what it does |\n|---|---|"
    for request, meaning in endpoints():
        yield f"| `{request}` | {meaning} |"
    yield (
        f"\nAt most {MAX_CUSTOMERS:,} customers at a time. Facts come as three Arrow IPC\n"
        "streams, one after another: customers, accounts, transactions. Their columns are those\n"
        "of [the schema](schema.md); customers' declared attributes are one column of JSON.\n"
    )


def _feed_requests() -> Iterator[str]:
    yield "\n## Feed\n"
    yield (
        "The feed serves its OpenAPI document at `/openapi.json`. Its tokens are those of\n"
        "customers ([how to serve feeds](../how-to/serve-feeds.md)); withdrawals need one of an\n"
        "operator. Money in values is in main units. In short:\n"
    )
    document = feed_document()
    yield "| request | what it does |\n|---|---|"
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if method in item:
                yield f"| `{method.upper()} {path}` | {item[method]['summary']} |"
    yield from _types(document)
    yield "\n### Codes of refused events\n"
    yield "| code | reason | what to do |\n|---|---|---|"
    for one in error_codes(SOURCE / "usecases" / "record_events.py"):
        yield f"| `{one.code}` | {one.message} | {one.hint} |"
    yield (
        "\nAn item whose day does not exist is refused as `feed.unknown-item`. A batch of another\n"
        "form is refused as a whole.\n"
    )


def _types(document: dict[str, Any]) -> Iterator[str]:
    """Yield the types of an OpenAPI document, except that of errors, which has its own section."""
    for name, part in document["components"]["schemas"].items():
        if name == "Problem":
            continue
        yield f"\n### {name}\n"
        yield f"{part.get('description', '').partition('Attributes:')[0].strip()}\n"
        if "enum" in part:
            yield f"One of {type_of(part)}."
        else:
            yield from keys(part)


def _http_limits() -> Iterator[str]:
    yield "## Limits\n"
    yield (
        "The services refuse what exceeds these limits, and close connections that are too slow.\n"
        "An identifier has 1 to "
        f"{MAX_LENGTH} visible characters, without blanks around them. A key may be\n"
        "in an object only once. Bodies are UTF-8 and not compressed.\n"
    )
    limits = ConnectionLimits()
    yield "| what | limit |\n|---|---|"
    yield f"| request line and headers | {limits.head_bytes:,} bytes, {limits.headers} headers |"
    yield f"| body, rules engine | {ENGINE_BODY_BYTES:,} bytes |"
    yield f"| body, feed | {FEED_BODY_BYTES:,} bytes |"
    yield f"| body, SQL relay | {RELAY_BODY_BYTES:,} bytes |"
    yield f"| time to send the headers, or for the TLS handshake | {limits.head_seconds:g} s |"
    yield f"| time to send the body | {limits.body_seconds:g} s |"
    yield f"| time to read an answer | {limits.answer_seconds:g} s |"
    yield f"| time to answer a request for a feed | {ANSWER_SECONDS:g} s |"
    yield f"| time between an answer and the next request | {limits.idle_seconds:g} s |"
    yield f"| connections without a known token | {limits.strangers:,}; the oldest is closed |"
    yield f"| other connections | {limits.known:,}, half of them of one caller |"
    engine, relay = Limits().caller_requests, RelayLimits().caller_requests
    yield f"| requests of one caller at a time | {engine} of an engine, {relay} of the relay |"
    waiting = (
        f"{Limits().queue_limit:,} customers in an engine, {RelayLimits().queue_limit} requests"
    )
    yield f"| queue | {waiting} in the relay; of one caller, half of that |"


def _http_errors() -> Iterator[str]:
    yield "\n## Errors\n"
    yield (
        "`application/problem+json` (RFC 9457): `code`, `title`, `status`, and, if there\n"
        "is more to say, `detail` and `errors`. Codes are stable. After a status of 429, 502, "
        "503 or 504, wait for the seconds in `Retry-After` and send the "
        "request again. Codes that are "
        "not listed have the status 400.\n\n"
        "A request may have the header `X-Request-Timeout`: the seconds after which its caller\n"
        "stops waiting. An engine does not evaluate what would come too late, and answers 503 at\n"
        "once if its queue is too long.\n\n"
        "Every answer has the header `X-Request-Id`: the id of the request, or a new one. It is\n"
        "in [the logs](../how-to/read-the-logs.md), so it must not contain personal data.\n"
    )
    yield "| code | status |\n|---|---|"
    for code, status in sorted(STATUSES.items()):
        yield f"| `{code}` | {status} |"


def keys(part: dict[str, Any]) -> Iterator[str]:
    """Yield a table of the keys of an object in a JSON Schema, with what its docstring says."""
    meanings = dict(attributes(part.get("description")))
    yield "| key | | type | meaning |\n|---|---|---|---|"
    for name, value in part["properties"].items():
        needed = "required" if name in part.get("required", ()) else ""
        meaning = meanings.get(name) or value["description"]  # each has one
        yield f"| `{name}` | {needed} | {type_of(value)} | {meaning} |"


def type_of(value: dict[str, Any]) -> str:
    """Describe the type of a value in a JSON Schema."""
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(type_of(part) for part in value["anyOf"]))
    if "$ref" in value:
        return f"`{value['$ref'].rpartition('/')[2]}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if value.get("type") == "array":
        return f"list of {type_of(value.get('items', {}))}"
    return str(value.get("format", value.get("type", "anything")))
