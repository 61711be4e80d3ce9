"""The feed's OpenAPI 3.1 document, generated from its structs."""

from typing import Any, Final

import msgspec

from tuppence.feed.preferences import Preferences
from tuppence.services.feed.messages import (
    CountAnswer,
    EventsIn,
    FeedAnswer,
    HiddenAnswer,
    ItemText,
    StateIn,
    WithdrawalIn,
    WithdrawalsAnswer,
)
from tuppence.services.problems import Problem
from tuppence.usecases.record_events import Recorded

_ERRORS: Final = {
    400: "The request is malformed.",
    401: "The token is missing, not valid, or has expired.",
    403: "The token is that of somebody else: a customer's or an operator's is needed.",
    404: "There is no such customer or item.",
    405: "The path does not support this method.",
    409: "The view did not show this item.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A receipt was not signed by this service for this customer.",
    429: "This caller has too many requests in progress; try again after Retry-After seconds.",
    503: "The service cannot answer now; try again after Retry-After seconds.",
}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": 100}
_CURSOR: Final = {
    "type": "string",
    "pattern": r"^[1-9]~-?[0-9]{1,9}(\.[0-9]{1,6})?~[a-z][a-z0-9_]{0,63}$",
}
_CHANNEL: Final = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$", "examples": ["app"]}
_LOCALE: Final = {"type": "string", "examples": ["en_GB"]}


def openapi_document() -> dict[str, Any]:
    """Return the document."""
    bodies = [
        *(FeedAnswer, CountAnswer, HiddenAnswer, EventsIn, Recorded, StateIn, Preferences),
        *(WithdrawalIn, WithdrawalsAnswer, Problem),
    ]
    types: Any = [*bodies, ItemText]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    refs = dict(zip(bodies, schemas, strict=False))
    query = [
        _parameter("limit", _LIMIT),
        _parameter("cursor", _CURSOR),
        _parameter("locale", _LOCALE),
        _parameter("channel", _CHANNEL),
    ]
    item = {"name": "item", "in": "path", "required": True, "schema": schemas[-1]}

    def operation(
        summary: str, answer: Any = None, body: Any = None, parameters: Any = None
    ) -> dict[str, Any]:
        return _operation(
            summary,
            answer if isinstance(answer, dict) else refs.get(answer),
            refs[Problem],
            None if body is None else refs[body],
            parameters,
        )

    feed = operation("Show a page of the feed", FeedAnswer, parameters=query)
    feed["responses"]["304"] = {"description": "The feed is as If-None-Match says."}
    paths = {
        "/v1/feed": {"get": feed},
        "/v1/feed/count": {"get": operation("Count the items of the feed", CountAnswer)},
        "/v1/feed/hidden": {
            "get": operation("List what applies and is not shown, with reasons", HiddenAnswer)
        },
        "/v1/feed/events": {"post": operation("Record events", Recorded, EventsIn)},
        "/v1/feed/items/{item}/state": {
            "parameters": [item],
            "put": operation("Answer an item", body=StateIn),
            "delete": operation("Undo the answer to an item"),
        },
        "/v1/feed/items/{item}/explanation": {
            "parameters": [item],
            "get": operation("Explain why an item is shown, or is not", {"type": "object"}),
        },
        "/v1/preferences": {
            "get": operation("Show the customer's choices", Preferences),
            "put": operation("Replace the customer's choices", Preferences, Preferences),
        },
        "/v1/withdrawals": {
            "get": operation("List withdrawals, for operators", WithdrawalsAnswer),
            "post": operation("Withdraw or restore a rule, for operators", body=WithdrawalIn),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tuppence feed", "version": "1"},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    summary: str, answer: Any, problem: Any, body: Any, parameters: Any
) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary}
    if parameters:
        operation["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    failure = {"application/problem+json": {"schema": problem}}
    success: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        success["content"] = {"application/json": {"schema": answer}}
    operation["responses"] = {
        "204" if answer is None else "200": success,
        **{str(s): {"description": text, "content": failure} for s, text in _ERRORS.items()},
    }
    return operation


def _parameter(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
