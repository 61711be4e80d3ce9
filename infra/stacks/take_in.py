"""The way in for bank data: files that arrive in a bucket start a task that imports them."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import grants
from infra.nag_suppressions import exported, suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.migration import Migration
from infra.stacks.network import Network
from infra.tasks import DATABASE_SETTINGS, fargate_task, grant_start, log_ended_tasks
from tuppence.capacity.environments import TAKE_IN_TASK, Environment

ARRIVED: Final = '{"arrived": true}'
"""Body of every message about arrivals: equal ones within five minutes are one to the queue."""
GROUP: Final = "take-in"
"""Group of the messages, and of the tasks that they start."""
DELAY: Final = cdk.Duration.minutes(6)
"""Time from a message until its task starts. It has to be longer than the five minutes in which the
queue drops equal messages: a task then starts later than each file whose message was dropped."""
STORE: Final = "/store"
"""Folder in which a task finds the store."""
NOBODY: Final = "10001"
"""User of the containers."""


class TakeIn(EnvironmentStack):
    """The task that imports what arrives, its store, and what starts it.

    Attributes:
        arrivals: Queue of messages, each of which starts a task.
        dead_arrivals: Queue of messages for which no task could be started.
        failure_rule: Name of the rule that sees tasks fail.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        data: Data,
        migration: Migration,
    ) -> None:
        super().__init__(scope, environment, "take-in")
        self.add_dependency(migration, "its task loads tables that a migration creates")
        self._network = network
        self._data = data
        self._cluster = migration.cluster
        self.dead_arrivals = self._queue("DeadArrivals", None)
        self.arrivals = self._queue(
            "Arrivals", sqs.DeadLetterQueue(queue=self.dead_arrivals, max_receive_count=5)
        )
        self._tell_of_arrivals()
        self._tell_each_hour()
        task = self._task()
        self._start(task)
        self.failure_rule = f"tuppence-{environment.name}-take-in-failures"
        log_ended_tasks(
            self,
            "Failures",
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
        cdk.CfnOutput(self, "ArrivalsUrl", value=self.arrivals.queue_url)
        cdk.CfnOutput(self, "TaskDefinitionArn", value=task.task_definition_arn)
        suppress(
            self,
            {
                "ECS2": "the environment holds no secrets, only references to them",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken does not support resources",
            },
        )
        suppress(self.dead_arrivals, {"SQS3": "it is the dead-letter queue itself"})

    def _queue(self, label: str, dead: sqs.DeadLetterQueue | None) -> sqs.Queue:
        return sqs.Queue(
            self,
            label,
            fifo=True,
            content_based_deduplication=True,
            delivery_delay=DELAY if dead else None,
            visibility_timeout=cdk.Duration.minutes(2),
            retention_period=cdk.Duration.days(4 if dead else 14),
            dead_letter_queue=dead,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._data.key,
            data_key_reuse=cdk.Duration.hours(1),
            enforce_ssl=True,
        )

    def _tell_of_arrivals(self) -> None:
        """Send a message for each file that arrives in the inbox."""
        rule = events.CfnRule(
            self,
            "ArrivalRule",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [self._data.inbox.bucket_name]},
                    "object": {"key": [{"prefix": "inbox/"}]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="queue",
                    arn=self.arrivals.queue_arn,
                    input=ARRIVED,
                    sqs_parameters=events.CfnRule.SqsParametersProperty(message_group_id=GROUP),
                )
            ],
        )
        self.arrivals.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                resources=[self.arrivals.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
            )
        )

    def _tell_each_hour(self) -> None:
        """Send a message each hour, so that what a failed task left is taken in by the next one."""
        role = iam.Role(
            self,
            "AgainRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="of the schedule that takes in what was left",
        )
        for queue in (self.arrivals, self._data.dead_schedules):
            grants.grant_send(role, self._data, queue)
        scheduler.CfnSchedule(
            self,
            "Again",
            description="takes in what was left",
            schedule_expression="rate(1 hour)",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.arrivals.queue_arn,
                role_arn=role.role_arn,
                input=ARRIVED,
                sqs_parameters=scheduler.CfnSchedule.SqsParametersProperty(message_group_id=GROUP),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=3),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._data.dead_schedules.queue_arn
                ),
            ),
        )

    def _task(self) -> ecs.FargateTaskDefinition:
        data, environment = self._data, self._environment
        inbox = data.inbox
        consent = environment.consent or ()
        options = ("--consent-from", "--consent-until", "--jurisdiction")
        task = fargate_task(
            self,
            "TakeIn",
            "take-in",
            TAKE_IN_TASK,
            data,
            port=None,
            command=[
                *("take-in", f"s3://{inbox.bucket_name}", "--store", STORE),
                *("--to", "postgresql://"),
                *(part for pair in zip(options, consent, strict=False) for part in pair),
            ],
            environment={
                **DATABASE_SETTINGS,
                "PGHOST": data.database.cluster_endpoint.hostname,
                "AWS_DEFAULT_REGION": self.region,
            },
            hidden={
                "PGUSER": ecs.Secret.from_secrets_manager(data.loader_login, "username"),
                "PGPASSWORD": ecs.Secret.from_secrets_manager(data.loader_login, "password"),
            },
        )
        self._mount_store(task)
        role = task.task_role
        # For all keys: without it, a mapping that is missing would look forbidden.
        grants.grant(role, inbox.bucket_arn, "s3:ListBucket")
        grants.grant(role, inbox.arn_for_objects("inbox/*"), "s3:GetObject", "s3:DeleteObject")
        for folder in ("imported", "refused"):
            keys = inbox.arn_for_objects(f"{folder}/*")
            grants.grant(role, keys, "s3:PutObject", "s3:DeleteObject")
        grants.grant(role, data.key.key_arn, "kms:Decrypt", "kms:GenerateDataKey")
        for folder in ("inbox", "imported", "refused"):
            found = f"IAM5[Resource::{exported(data, inbox.bucket_arn)}/{folder}/*]"
            suppress(role, {found: "the task takes in every file of the folder"})
        return task

    def _mount_store(self, task: ecs.FargateTaskDefinition) -> None:
        """Give the task a folder that outlives it, on a file system that only this task may use."""
        lasting = self._environment.keep
        system = efs.FileSystem(
            self,
            "Store",
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_group=self._network.store,
            encrypted=True,
            kms_key=self._data.key,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            enable_automatic_backups=lasting,
            allow_anonymous_access=False,
            removal_policy=cdk.RemovalPolicy.RETAIN if lasting else cdk.RemovalPolicy.DESTROY,
        )
        folder = system.add_access_point(
            "Folder",
            path="/store",
            posix_user=efs.PosixUser(uid=NOBODY, gid=NOBODY),
            create_acl=efs.Acl(owner_uid=NOBODY, owner_gid=NOBODY, permissions="700"),
        )
        task.add_volume(
            name="store",
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=system.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=folder.access_point_id, iam="ENABLED"
                ),
            ),
        )
        container = task.default_container
        if container is None:
            raise TypeError("the task has no container")
        container.add_mount_points(
            ecs.MountPoint(container_path=STORE, source_volume="store", read_only=False)
        )
        grants.grant(
            task.task_role,
            system.file_system_arn,
            "elasticfilesystem:ClientMount",
            "elasticfilesystem:ClientWrite",
            conditions={
                "StringEquals": {"elasticfilesystem:AccessPointArn": folder.access_point_arn}
            },
        )

    def _start(self, task: ecs.FargateTaskDefinition) -> None:
        """Start a task for each message; a message whose task cannot be started comes again.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-permissions.html
        """
        role = iam.Role(
            self,
            "StartRole",
            assumed_by=iam.ServicePrincipal("pipes.amazonaws.com"),
            description="starts tasks that take files in",
        )
        grants.grant(
            role,
            self.arrivals.queue_arn,
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        )
        grants.grant(role, self._data.key.key_arn, "kms:Decrypt")
        grant_start(self, role, task, self._cluster, self._environment)
        subnets = self._network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        pipes.CfnPipe(
            self,
            "Start",
            description="starts a task that takes files in",
            role_arn=role.role_arn,
            source=self.arrivals.queue_arn,
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=pipes.CfnPipe.PipeSourceSqsQueueParametersProperty(
                    batch_size=1
                )
            ),
            target=self._cluster.cluster_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                ecs_task_parameters=pipes.CfnPipe.PipeTargetEcsTaskParametersProperty(
                    task_definition_arn=task.task_definition_arn,
                    task_count=1,
                    launch_type="FARGATE",
                    group=GROUP,
                    propagate_tags="TASK_DEFINITION",  # the budget counts by tag
                    enable_ecs_managed_tags=True,
                    network_configuration=pipes.CfnPipe.NetworkConfigurationProperty(
                        awsvpc_configuration=pipes.CfnPipe.AwsVpcConfigurationProperty(
                            subnets=subnets.subnet_ids,
                            security_groups=[self._network.take_in.security_group_id],
                            assign_public_ip="DISABLED",
                        )
                    ),
                )
            ),
        )
