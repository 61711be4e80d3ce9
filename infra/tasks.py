"""Fargate tasks, which run without privileges from an image that they cannot modify."""

from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import grants
from infra.image import image
from infra.nag_suppressions import exported, suppress
from infra.stacks.data import Data
from tuppence.capacity.environments import Environment, TaskSize

DRAIN_SECONDS: Final = 60
"""Time in which a task may finish its requests before it is stopped."""
DATABASE_SETTINGS: Final = {
    "TUPPENCE_DATABASE": "postgresql://",
    "PGDATABASE": "tuppence",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/etc/ssl/rds.pem",
}
"""Environment variables of tasks that connect to the database, except its host and the login."""


def fargate_task(
    scope: Construct,
    label: str,
    stage: str,
    size: TaskSize,
    data: Data,
    port: int | None,
    command: list[str],
    environment: dict[str, str],
    hidden: dict[str, ecs.Secret],
) -> ecs.FargateTaskDefinition:
    """Return the definition of a task with one container.

    Args:
        scope: The stack.
        label: First part of the names of its resources.
        stage: Stage of the Dockerfile that its image is made of.
        size: Its size.
        data: The stack of the key that encrypts its log.
        port: Port of the service, which is checked on `/healthz`; None for a task that ends.
        command: Arguments of `tuppence`.
        environment: Environment variables.
        hidden: Environment variables whose values are secrets.
    """
    task = ecs.FargateTaskDefinition(
        scope, f"{label}Task", cpu=size.cpu, memory_limit_mib=size.memory
    )
    task.add_volume(name="tmp")
    group = logs.LogGroup(
        scope,
        f"{label}Logs",
        retention=logs.RetentionDays.THREE_MONTHS,
        encryption_key=data.key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    alive = "import urllib.request as r; r.urlopen('http://127.0.0.1:%d/healthz', timeout=3)"
    container = task.add_container(
        label.lower(),
        image=ecs.ContainerImage.from_docker_image_asset(image(scope, f"{label}Image", stage)),
        command=command,
        environment=environment,
        secrets=hidden,
        user="10001",
        readonly_root_filesystem=True,
        stop_timeout=cdk.Duration.seconds(DRAIN_SECONDS),
        logging=ecs.LogDrivers.aws_logs(stream_prefix=label.lower(), log_group=group),
        port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
        health_check=(
            ecs.HealthCheck(
                command=["CMD", "python", "-c", alive % port],
                start_period=cdk.Duration.seconds(60),
            )
            if port
            else None
        ),
    )
    container.add_mount_points(
        ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False)  # noqa: S108
    )
    return task


def grant_start(
    scope: cdk.Stack,
    role: iam.Role,
    task: ecs.FargateTaskDefinition,
    cluster: ecs.ICluster,
    environment: Environment,
) -> None:
    """Allow a role to start a task in a cluster, and to tag it.

    Args:
        scope: The stack of the role.
        role: The role.
        task: The task.
        cluster: The cluster, of another stack.
        environment: The environment.
    """
    grants.grant(
        role,
        task.task_definition_arn,
        "ecs:RunTask",
        conditions={"ArnEquals": {"ecs:cluster": cluster.cluster_arn}},
    )
    tasks = scope.format_arn(
        service="ecs", resource="task", resource_name=f"{cluster.cluster_name}/*"
    )
    only = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    grants.grant(role, tasks, "ecs:TagResource", conditions=only)
    for passed in (task.task_role, task.obtain_execution_role()):
        to = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        grants.grant(role, passed.role_arn, "iam:PassRole", conditions=to)
    name = exported(cdk.Stack.of(cluster), cluster.cluster_name)
    account = environment.account or "<AWS::AccountId>"
    found = f"arn:<AWS::Partition>:ecs:{scope.region}:{account}:task/{name}/*"
    suppress(role, {f"IAM5[Resource::{found}]": "a task has no name before it is started"})


def log_ended_tasks(
    scope: Construct, label: str, name: str, data: Data, detail: Mapping[str, Any]
) -> None:
    """Log each task that ended in some way, with its reason.

    Args:
        scope: The stack.
        label: Name of the log group in the template; the rule's begins with it.
        name: Name of the rule, and last part of the log group's.
        data: The stack of the key that encrypts the log.
        detail: The tasks, as a pattern of EventBridge.
    """
    group = logs.LogGroup(
        scope,
        label,
        log_group_name=f"/aws/events/{name}",
        retention=logs.RetentionDays.THREE_MONTHS,
        encryption_key=data.key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    group.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            principals=[
                iam.ServicePrincipal("events.amazonaws.com"),
                iam.ServicePrincipal("delivery.logs.amazonaws.com"),
            ],
            resources=[group.log_group_arn],
        )
    )
    events.CfnRule(
        scope,
        f"{label}Rule",
        name=name,
        event_pattern={
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {"lastStatus": ["STOPPED"], **detail},
        },
        # Not the group's own ARN: because of its ":*" EventBridge drops the events.
        targets=[
            events.CfnRule.TargetProperty(
                id="log",
                arn=cdk.Stack.of(scope).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                ),
            )
        ],
    )
