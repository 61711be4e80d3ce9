"""Suppresses rules of cdk-nag for a construct, always with a reason."""

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct


def suppress(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Suppress rules for a construct and everything in it.

    Args:
        construct: The construct.
        reasons: Reason by the name of the rule, as cdk-nag reports it.
    """
    acknowledgments = [
        cdk.Acknowledgment(id=f"AwsSolutions-{rule}", reason=why) for rule, why in reasons.items()
    ]
    cdk.Validations.of(construct).acknowledge(*acknowledgments)


def exported(stack: cdk.Stack, attribute: str) -> str:
    """Return what cdk-nag calls an attribute of a resource that another stack uses.

    Args:
        stack: The stack of the resource.
        attribute: The attribute, such as the ARN of a bucket.
    """
    reference: Any = stack.resolve(stack.export_value(attribute))
    return str(reference["Fn::ImportValue"])
