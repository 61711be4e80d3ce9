"""The functions of AWS Lambda, all made in one way."""

from collections.abc import Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import grants
from infra.image import ROOT, image
from infra.stacks.data import Data
from infra.stacks.network import Network
from tuppence.capacity.environments import Environment

CODE: Final = ROOT / "build" / "functions"
"""Folder of the functions with their packages, filled by `make functions`."""


def make_function(
    scope: Construct,
    environment: Environment,
    network: Network,
    data: Data,
    label: str,
    size: tuple[int, int],
    settings: Mapping[str, str],
    *,
    large: bool = False,
) -> functions.Function:
    """Return a function, as an image if large: a zip may hold no more than 250 MB.

    Args:
        scope: The stack of the function.
        environment: Its environment.
        network: The network that it runs in.
        data: Has the key that encrypts its log.
        label: The module of its handler, and last part of its name.
        size: Its timeout in seconds, and its memory in MiB.
        settings: Its environment variables.
        large: Whether it needs the packages of the engine.
    """
    name = f"tuppence-{environment.name}-{label}"
    group = logs.LogGroup(
        scope,
        f"{label.title()}Logs",
        log_group_name=f"/aws/lambda/{name}",
        retention=logs.RetentionDays.THREE_MONTHS,
        encryption_key=data.key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    handler = f"tuppence.lambdas.{label}.handler"
    if large:
        asset = image(scope, f"{label.title()}Image", "publisher")
        code: functions.Code = functions.Code.from_ecr_image(
            asset.repository, cmd=[handler], tag_or_digest=asset.image_tag
        )
    else:
        code = functions.Code.from_asset(str(CODE))
    seconds, memory = size
    return functions.Function(
        scope,
        label.title(),
        function_name=name,
        runtime=functions.Runtime.FROM_IMAGE if large else functions.Runtime.PYTHON_3_13,
        architecture=functions.Architecture.X86_64,
        code=code,
        handler=functions.Handler.FROM_IMAGE if large else handler,
        timeout=cdk.Duration.seconds(seconds),
        memory_size=memory,
        vpc=network.vpc,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        security_groups=[network.functions],
        tracing=functions.Tracing.ACTIVE,
        log_group=group,
        role=grants.function_role(scope, label, group),
        logging_format=functions.LoggingFormat.JSON,
        environment={**settings, **environment.tracing},
    )
