"""What the rules of cdk-nag ask for and we leave out, always with the reason."""

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def excuse(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Let a construct, and what is in it, break rules.

    Args:
        construct: Which.
        reasons: By the rule's name, as the check reports it.
    """
    acknowledgments = [
        cdk.Acknowledgment(id=f"AwsSolutions-{rule}", reason=why) for rule, why in reasons.items()
    ]
    cdk.Validations.of(construct).acknowledge(*acknowledgments)
