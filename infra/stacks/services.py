"""The SQL relay and the rules engines on Fargate, behind an internal load balancer."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from infra import grants
from infra.balanced import fargate_service, put_behind
from infra.nag_suppressions import suppress
from infra.stacks.data import BALANCER_LOGS, Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.migration import Migration
from infra.stacks.network import Network
from infra.tasks import DATABASE_SETTINGS, fargate_task, log_ended_tasks
from tuppence.capacity.environments import ENGINE_TASK, RELAY_TASK, Environment

RELAY_PORT: Final = 8601
ENGINES_PORT: Final = 8600
ENGINE_PORT: Final = 8602
NAMESPACE: Final = "tuppence"
RESULT_ACTIONS: Final = ("Query", "PutItem", "PartiQLInsert", "UpdateItem", "DeleteItem")


class Services(EnvironmentStack):
    """The services.

    Attributes:
        cluster: Cluster of ECS.
        relay: The service of relays.
        engines: The service of engines.
        engines_scaling: Scaling target of the number of engines.
        discovery: Cloud Map service in which running engines are found.
        relay_url: Address of the relays.
        engines_url: Address of the engines.
        balancer: The load balancer.
        relay_targets: The relays behind it.
        engine_targets: The engines behind it.
        crash_rule: Name of the rule that sees tasks end by themselves.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        data: Data,
        migration: Migration,
    ) -> None:
        super().__init__(scope, environment, "services")
        self.add_dependency(migration, "services read tables that a migration creates")
        self._data = data
        self._subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.cluster = migration.cluster
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=network.vpc,
            vpc_subnets=self._subnets,
            internet_facing=False,
            security_group=network.balancer,
            drop_invalid_header_fields=True,
            deletion_protection=environment.keep,
            idle_timeout=cdk.Duration.seconds(60),
        )
        self.balancer.log_access_logs(
            s3.Bucket.from_bucket_name(self, "AccessLogs", data.access_logs.bucket_name),
            prefix=BALANCER_LOGS,
        )
        host = self.balancer.load_balancer_dns_name
        self.relay_url = f"http://{host}:{RELAY_PORT}"
        self.engines_url = f"http://{host}:{ENGINES_PORT}"
        self.relay = self._relay(network)
        self.relay_targets = self._behind(self.relay, RELAY_PORT, RELAY_PORT)
        self.engines = self._engines(network)
        self.engine_targets = self._behind(self.engines, ENGINES_PORT, ENGINE_PORT)
        self.crash_rule = self._see_crashes()
        self._suppress_nags()

    def _relay(self, network: Network) -> ecs.FargateService:
        database = self._data.database
        login = self._data.login
        task = fargate_task(
            self,
            "Relay",
            "relay",
            RELAY_TASK,
            self._data,
            port=RELAY_PORT,
            command=[
                *("serve", "sql-relay", "--callers", "env:RELAY_TOKEN", "--host", "0.0.0.0"),
                *("--log-metrics", "--pseudonyms", "env:PSEUDONYMS"),
            ],
            environment={
                **DATABASE_SETTINGS,
                **self._environment.tracing,
                "PGHOST": (
                    database.cluster_read_endpoint.hostname
                    if self._environment.readers
                    else database.cluster_endpoint.hostname
                ),
            },
            hidden={
                "PGUSER": ecs.Secret.from_secrets_manager(login, "username"),
                "PGPASSWORD": ecs.Secret.from_secrets_manager(login, "password"),
                "RELAY_TOKEN": ecs.Secret.from_secrets_manager(self._data.relay_token),
                "PSEUDONYMS": ecs.Secret.from_secrets_manager(self._data.pseudonyms),
            },
        )
        count = self._environment.relay_tasks
        return fargate_service(self, "Relay", self.cluster, task, network.relay, count)

    def _engines(self, network: Network) -> ecs.FargateService:
        data = self._data
        rulesets = f"s3://{data.rulesets.bucket_name}/rulesets/"
        task = fargate_task(
            self,
            "Engine",
            "engine",
            ENGINE_TASK,
            data,
            port=ENGINE_PORT,
            command=[
                *("serve", "rules-engine", "--relay", self.relay_url),
                *("--relay-token", "env:RELAY_TOKEN", "--callers", "env:ENGINES_TOKEN"),
                *("--rulesets", rulesets, "--results", f"dynamodb://{data.results.table_name}"),
                *("--host", "0.0.0.0"),
                *("--log-metrics", "--pseudonyms", "env:PSEUDONYMS"),
            ],
            environment={"AWS_DEFAULT_REGION": self.region, **self._environment.tracing},
            hidden={
                "RELAY_TOKEN": ecs.Secret.from_secrets_manager(data.relay_token),
                "ENGINES_TOKEN": ecs.Secret.from_secrets_manager(data.engines_token),
                "PSEUDONYMS": ecs.Secret.from_secrets_manager(data.pseudonyms),
            },
        )
        grants.grant_table(task.task_role, data, data.results, *RESULT_ACTIONS)
        grants.grant_rulesets(task.task_role, data)
        space = discovery.HttpNamespace(self, "Namespace", name=self._space)
        # ECS reports the health of each container to Cloud Map only for a custom health check:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html.
        place = space.create_service(
            "EnginesPlace",
            name="engines",
            custom_health_check=discovery.HealthCheckCustomConfig(failure_threshold=1),
        )
        service = fargate_service(self, "Engines", self.cluster, task, network.engines, None)
        service.associate_cloud_map_service(service=place, container_port=ENGINE_PORT)
        self.discovery = place
        self.engines_scaling = service.auto_scale_task_count(
            min_capacity=self._environment.engine_floor,
            max_capacity=self._environment.engine_ceiling,
        )
        self._scale(service)
        return service

    def _scale(self, engines: ecs.FargateService) -> None:
        """Scale engines by their share of waiting items, which `items_per_engine` should bound."""
        minute = cdk.Duration.minutes(1)
        waiting = self._data.invoke_queue.metric_approximate_number_of_messages_visible(
            period=minute, statistic="Maximum"
        )
        running = cloudwatch.Metric(
            namespace="ECS/ContainerInsights",
            metric_name="RunningTaskCount",
            dimensions_map={
                "ClusterName": self.cluster.cluster_name,
                "ServiceName": engines.service_name,
            },
            period=minute,
            statistic="Average",
        )
        share = self._environment.items_per_engine
        self.engines_scaling.scale_on_metric(
            "ByWaiting",
            metric=cloudwatch.MathExpression(
                expression="waiting / FILL(running, 1)",
                using_metrics={"waiting": waiting, "running": running},
                label="waiting items for each engine",
                period=minute,
            ),
            adjustment_type=scaling.AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
            scaling_steps=[
                scaling.ScalingInterval(upper=share / 10, change=-50),
                scaling.ScalingInterval(lower=share, change=50),
                scaling.ScalingInterval(lower=4 * share, change=200),
            ],
            min_adjustment_magnitude=1,
            cooldown=cdk.Duration.minutes(2),
        )

    def _see_crashes(self) -> str:
        """Log each task that ended by itself or could not start, and return the rule's name."""
        name = f"tuppence-{self._environment.name}-crashes"
        log_ended_tasks(
            self,
            "Crashes",
            name,
            self._data,
            {
                "clusterArn": [self.cluster.cluster_arn],
                "group": [{"prefix": "service:"}],  # other tasks are meant to end
                "stopCode": ["EssentialContainerExited", "TaskFailedToStart"],
            },
        )
        return name

    @property
    def _space(self) -> str:
        return f"{NAMESPACE}-{self._environment.name}"

    @property
    def namespace_name(self) -> str:
        """Name of the Cloud Map namespace."""
        return self._space

    def _behind(
        self, service: ecs.FargateService, port: int, container_port: int
    ) -> elb.ApplicationTargetGroup:
        listener = self.balancer.add_listener(
            f"Port{port}", port=port, protocol=elb.ApplicationProtocol.HTTP, open=False
        )
        return put_behind(listener, f"Targets{port}", service, container_port)

    def _suppress_nags(self) -> None:
        suppress(
            self,
            {
                "ECS2": "the environment holds no secrets, only references to them",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken does not support resources",
            },
        )
