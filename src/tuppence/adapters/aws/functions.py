"""Calls of Lambda functions."""

from typing import Any

import msgspec

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.errors import UserError


def invoke_function(name: str, payload: bytes) -> dict[str, Any]:
    """Return what a function answers to an event.

    Args:
        name: Name of the function.
        payload: The event, as JSON.

    Raises:
        UserError: AWS cannot be asked, or the function fails.
    """
    with aws_errors("fleet", f"the function {name}"):
        answer = client("lambda", seconds=900, attempts=1).invoke(
            FunctionName=name, Payload=payload
        )
    found: dict[str, Any] = msgspec.json.decode(answer["Payload"].read())
    if "FunctionError" in answer:
        message = found.get("errorMessage", "it ended without an answer")
        raise UserError("fleet.function", f"the function {name}: {message}", "see its log")
    return found


def begin_function(name: str, event: dict[str, Any]) -> None:
    """Have a function begin with an event, without waiting for it."""
    with aws_errors("functions", f"the function {name}"):
        client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=msgspec.json.encode(event)
        )
