"""Tasks on Fargate that run once."""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import WaiterError

from tuppence.adapters.aws.clients import aws_errors
from tuppence.errors import UserError

POLL_SECONDS: Final = 6
"""Seconds between two looks at a running task."""
MAX_POLLS: Final = 100


def migrate_database(ecs: Any, outputs: Mapping[str, str]) -> None:
    """Run the task that migrates the database, and wait for its end.

    Args:
        ecs: Client of ECS.
        outputs: Outputs of the stacks network and migration.

    Raises:
        UserError: The task cannot be started, failed, or did not end in ten minutes.
    """
    cluster = outputs["ClusterName"]
    with aws_errors("migration", f"the cluster {cluster}"):
        answer = ecs.run_task(
            cluster=cluster,
            taskDefinition=outputs["TaskDefinitionArn"],
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": outputs["SubnetIds"].split(","),
                    "securityGroups": [outputs["RelaySecurityGroupId"]],
                    "assignPublicIp": "DISABLED",
                }
            },
        )
        for failure in answer["failures"]:
            reason = f"the migration cannot be started: {failure.get('reason', 'no reason given')}"
            raise UserError("migration.refused", reason, "see the events of the cluster")
        (task,) = (started["taskArn"] for started in answer["tasks"])
        try:
            ecs.get_waiter("tasks_stopped").wait(
                cluster=cluster,
                tasks=[task],
                WaiterConfig={"Delay": POLL_SECONDS, "MaxAttempts": MAX_POLLS},
            )
        except WaiterError:
            message = f"the migration has not ended after ten minutes: {task}"
            raise UserError(
                "migration.timeout", message, "see its log; it is still running"
            ) from None
        (ended,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
    (container,) = ended["containers"]
    if container.get("exitCode") != 0:
        why = container.get("reason") or ended.get("stoppedReason") or "no reason given"
        message = f"the migration failed with exit status {container.get('exitCode')}: {why}"
        raise UserError("migration.failed", message, f"see the log of the task {task}")
