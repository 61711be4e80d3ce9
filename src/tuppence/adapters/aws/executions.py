"""Executions of state machines of Step Functions."""

import contextlib
from typing import Any, NamedTuple

import msgspec

from tuppence.adapters.aws.clients import aws_errors, client


class Execution(NamedTuple):
    """An execution of a state machine.

    Attributes:
        ended: Whether it has ended.
        output: Its answer; None if it goes on, or has failed.
        problem: The reason why it failed; empty if it did not.
    """

    ended: bool
    output: dict[str, Any] | None = None
    problem: str = ""


def begin_execution(machine: str, event: str) -> str:
    """Begin an execution with an event in JSON, and return its ARN."""
    with aws_errors("fleet", f"the state machine {machine}"):
        begun = client("stepfunctions").start_execution(stateMachineArn=machine, input=event)
    return str(begun["executionArn"])


def execution_of(arn: str) -> Execution:
    """Return how far an execution is."""
    with aws_errors("fleet", f"the execution {arn}"):
        found = client("stepfunctions").describe_execution(executionArn=arn)
    if found["status"] == "RUNNING":
        return Execution(ended=False)
    if found["status"] == "SUCCEEDED":
        return Execution(ended=True, output=msgspec.json.decode(found["output"]))
    said = found.get("cause") or found.get("error") or found["status"].lower().replace("_", " ")
    with contextlib.suppress(msgspec.DecodeError):  # other services say it in words
        said = msgspec.json.decode(said, type=_Cause).message
    return Execution(ended=True, problem=said)


class _Cause(msgspec.Struct):
    """The answer of Lambda for a function that has failed."""

    message: str = msgspec.field(name="errorMessage")
