"""The stack of the task that migrates the database, which runs before services are deployed."""

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.nag_suppressions import suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.network import Network
from infra.tasks import DATABASE_SETTINGS, fargate_task
from tuppence.capacity.environments import RELAY_TASK, Environment


class Migration(EnvironmentStack):
    """The cluster, and a task in it that `tuppence fleet migrate` runs as the database's owner.

    The task creates the tables, and the logins of the relay, of the service of feeds, and of the
    task that loads facts.

    Attributes:
        cluster: Cluster of ECS.
    """

    def __init__(
        self, scope: Construct, environment: Environment, network: Network, data: Data
    ) -> None:
        super().__init__(scope, environment, "migration")
        # Container Insights costs about $19 a month (see `tuppence cost`). It alone tells how many
        # engines run, by which they are scaled, and how much memory the tasks of a family need.
        self.cluster = ecs.Cluster(
            self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        owner = data.database.secret
        if owner is None:
            raise TypeError("the database has no secret with its owner's login")
        task = fargate_task(
            self,
            "Migration",
            "relay",
            RELAY_TASK,
            data,
            port=None,
            command=[
                *("database", "migrate", "--reader", "relay", "--password", "env:RELAY_PASSWORD"),
                *("--feed", "feed", "--feed-password", "env:FEED_PASSWORD"),
                *("--loader", "loader", "--loader-password", "env:LOADER_PASSWORD"),
                *("--convert", data.convert_function),
            ],
            environment=DATABASE_SETTINGS,
            hidden={
                "PGHOST": ecs.Secret.from_secrets_manager(owner, "host"),
                "PGUSER": ecs.Secret.from_secrets_manager(owner, "username"),
                "PGPASSWORD": ecs.Secret.from_secrets_manager(owner, "password"),
                "RELAY_PASSWORD": ecs.Secret.from_secrets_manager(data.login, "password"),
                "FEED_PASSWORD": ecs.Secret.from_secrets_manager(data.feed_login, "password"),
                "LOADER_PASSWORD": ecs.Secret.from_secrets_manager(data.loader_login, "password"),
            },
        )
        cdk.CfnOutput(self, "ClusterName", value=self.cluster.cluster_name)
        cdk.CfnOutput(self, "TaskDefinitionArn", value=task.task_definition_arn)
        suppress(
            self,
            {
                "ECS2": "the environment holds no secrets, only references to them",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken does not support resources",
            },
        )
