"""The task that tells people, and the app's backend, what is new in feeds."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infra import grants
from infra.nag_suppressions import suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.feed import TABLE_ACTIONS
from infra.stacks.network import Network
from infra.stacks.services import Services
from infra.tasks import DATABASE_SETTINGS, fargate_task, grant_start, log_ended_tasks
from tuppence.capacity.environments import DELIVER_TASK, Environment

GROUP: Final = "deliver"
"""Group of the tasks."""


class Deliver(EnvironmentStack):
    """The task, the secrets of its channels, and its schedule.

    Attributes:
        failure_rule: Name of the rule that sees tasks fail.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        data: Data,
        services: Services,
    ) -> None:
        super().__init__(scope, environment, "deliver")
        self._network = network
        self._data = data
        self._cluster = services.cluster
        task = self._task()
        self._schedule(task)
        self.failure_rule = f"tuppence-{environment.name}-deliver-failures"
        log_ended_tasks(
            self,
            "DeliverFailures",
            self.failure_rule,
            data,
            {
                "clusterArn": [self._cluster.cluster_arn],
                "group": [GROUP],
                "$or": [
                    {"containers": {"exitCode": [{"anything-but": [0]}]}},
                    {"stopCode": ["TaskFailedToStart"]},
                ],
            },
        )
        cdk.CfnOutput(self, "TaskDefinitionArn", value=task.task_definition_arn)
        suppress(
            self,
            {
                "ECS2": "the environment holds no secrets, only references to them",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken does not support resources",
            },
        )

    def _secret(self, label: str, what: str) -> ecs.Secret:
        """Return a secret that an operator fills in, and output its ARN."""
        kept = cdk.RemovalPolicy.RETAIN if self._environment.keep else cdk.RemovalPolicy.DESTROY
        made = secrets.Secret(self, label, description=what, removal_policy=kept)
        cdk.CfnOutput(self, f"{label}Secret", value=made.secret_arn)
        suppress(made, {"SMG4": "put there by hand: docs/how-to/deploy-to-aws.md"})
        return ecs.Secret.from_secrets_manager(made)

    def _task(self) -> ecs.FargateTaskDefinition:
        data = self._data
        task = fargate_task(
            self,
            "Deliver",
            "feed",
            DELIVER_TASK,
            data,
            port=None,
            command=[
                *("deliver", "--channels", "env:CHANNELS", "--log"),
                *("--database", "postgresql://"),
                *("--results", f"dynamodb://{data.results.table_name}"),
                *("--rulesets", f"s3://{data.rulesets.bucket_name}/rulesets/"),
                *("--feeds", f"dynamodb://{data.feeds.table_name}"),
                *("--models", f"s3://{data.rulesets.bucket_name}/models/"),
            ],
            environment={
                **DATABASE_SETTINGS,
                "AWS_DEFAULT_REGION": self.region,
                # The writer: a replica may know a customer who was erased a moment ago.
                "PGHOST": data.database.cluster_endpoint.hostname,
            },
            hidden={
                "PGUSER": ecs.Secret.from_secrets_manager(data.feed_login, "username"),
                "PGPASSWORD": ecs.Secret.from_secrets_manager(data.feed_login, "password"),
                "CHANNELS": self._secret("Channels", "the file channels.yaml"),
                "HOOK_SECRET": self._secret("HookSecret", "signs requests of webhooks and push"),
                "MAIL_PASSWORD": self._secret("MailPassword", "of the login at the mail server"),
            },
        )
        grants.grant_table(task.task_role, data, data.results, "Query")
        grants.grant_table(task.task_role, data, data.feeds, *TABLE_ACTIONS)
        grants.grant(task.task_role, f"{data.feeds.table_arn}/index/outbox", "dynamodb:Query")
        grants.grant_rulesets(task.task_role, data)
        grants.grant_models(task.task_role, data)
        return task

    def _schedule(self, task: ecs.FargateTaskDefinition) -> None:
        """Start a task some times a day.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/tasks-scheduled-eventbridge-scheduler.html
        """
        role = iam.Role(
            self,
            "TellRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="of the schedule that tells people what is new",
        )
        grant_start(self, role, task, self._cluster, self._environment)
        grants.grant_send(role, self._data, self._data.dead_schedules)
        subnets = self._network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        hours = ",".join(map(str, self._environment.deliver_hours))
        scheduler.CfnSchedule(
            self,
            "Telling",
            description="tells people what is new",
            schedule_expression=f"cron(15 {hours} * * ? *)",
            schedule_expression_timezone=self._environment.time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self._cluster.cluster_arn,
                role_arn=role.role_arn,
                ecs_parameters=scheduler.CfnSchedule.EcsParametersProperty(
                    task_definition_arn=task.task_definition_arn,
                    launch_type="FARGATE",
                    group=GROUP,
                    propagate_tags="TASK_DEFINITION",  # the budget counts by tag
                    enable_ecs_managed_tags=True,
                    network_configuration=scheduler.CfnSchedule.NetworkConfigurationProperty(
                        awsvpc_configuration=scheduler.CfnSchedule.AwsVpcConfigurationProperty(
                            subnets=subnets.subnet_ids,
                            security_groups=[self._network.deliver.security_group_id],
                            assign_public_ip="DISABLED",
                        )
                    ),
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=3),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._data.dead_schedules.queue_arn
                ),
            ),
        )
