"""Stacks of CloudFormation, whose outputs name what they created."""

from collections.abc import Mapping

from tuppence.adapters.aws.clients import aws_errors, client


def stack_outputs(name: str) -> Mapping[str, str]:
    """Return the outputs of a stack.

    Raises:
        UserError: There is no such stack, or AWS cannot be reached.
    """
    with aws_errors("fleet", f"the stack {name}"):
        (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
