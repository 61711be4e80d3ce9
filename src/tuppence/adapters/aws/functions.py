"""Calls of Lambda functions."""

from typing import Any

import msgspec

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.errors import UserError


def invoke_function(name: str, payload: bytes) -> dict[str, Any]:
    """Invoke a function with an event, and return its answer.

    Args:
        name: Name of the function.
        payload: The event, as JSON.

    Raises:
        UserError: AWS cannot be reached, or the function ended with an error.
    """
    with aws_errors("fleet", f"the function {name}"):
        answer = client("lambda", seconds=900, attempts=1).invoke(
            FunctionName=name, Payload=payload
        )
    output: dict[str, Any] = msgspec.json.decode(answer["Payload"].read())
    if "FunctionError" in answer:
        message = output.get("errorMessage", "it ended without an answer")
        raise UserError("fleet.function", f"the function {name}: {message}", "see its log")
    return output


def begin_function(name: str, event: dict[str, Any]) -> None:
    """Invoke a function with an event, without waiting for its answer."""
    with aws_errors("functions", f"the function {name}"):
        client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=msgspec.json.encode(event)
        )
