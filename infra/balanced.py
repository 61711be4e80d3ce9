"""Services on Fargate behind the load balancer."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.tasks import DRAIN_SECONDS


def fargate_service(
    scope: Construct,
    label: str,
    cluster: ecs.ICluster,
    task: ecs.FargateTaskDefinition,
    group: ec2.ISecurityGroup,
    count: int | None,
) -> ecs.FargateService:
    """Return a service; without a count, scaling alone decides how many tasks run.

    Args:
        scope: The stack.
        label: Its name in the template.
        cluster: The cluster.
        task: Its task.
        group: Its security group.
        count: Number of tasks.
    """
    return ecs.FargateService(
        scope,
        label,
        cluster=cluster,
        task_definition=task,
        desired_count=count,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        security_groups=[group],
        assign_public_ip=False,
        min_healthy_percent=100,
        max_healthy_percent=200,
        circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        health_check_grace_period=cdk.Duration.seconds(90),
        propagate_tags=ecs.PropagatedTagSource.SERVICE,  # the budget counts by tag
        enable_ecs_managed_tags=True,
    )


def put_behind(
    listener: elb.ApplicationListener, label: str, service: ecs.FargateService, port: int
) -> elb.ApplicationTargetGroup:
    """Have a listener pass requests on to a service, and return the targets.

    Args:
        listener: The listener.
        label: Name of the targets in the template.
        service: The service.
        port: Port of its containers.
    """
    return listener.add_targets(
        label,
        port=port,
        protocol=elb.ApplicationProtocol.HTTP,
        targets=[service],
        deregistration_delay=cdk.Duration.seconds(DRAIN_SECONDS),
        load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
        health_check=elb.HealthCheck(
            path="/healthz",
            interval=cdk.Duration.seconds(10),
            timeout=cdk.Duration.seconds(5),
            healthy_threshold_count=2,
            unhealthy_threshold_count=2,
        ),
    )
