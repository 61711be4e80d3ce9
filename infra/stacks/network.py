"""A network with endpoints for the AWS services that are used, and a way out for one task only."""

from typing import Final
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stacks.environment import EnvironmentStack
from tuppence.capacity.environments import Environment

RANGE: Final = "10.0.0.0/16"
"""Address range of the network."""
SERVICES: Final = {
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Queues": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Functions": ec2.InterfaceVpcEndpointAwsService.LAMBDA_,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Images": ec2.InterfaceVpcEndpointAwsService.ECR,
    "ImageLayers": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Discovery": ec2.InterfaceVpcEndpointAwsService("data-servicediscovery"),
}
"""Endpoints that are charged by the hour; those of S3 and DynamoDB are free."""

WAY_OUT: Final = (
    ec2.SubnetConfiguration(
        name="out", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28, map_public_ip_on_launch=False
    ),
    ec2.SubnetConfiguration(
        name="deliver", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=26
    ),
)
"""Subnets of the tasks that tell people what is new, and of the gateway through which they go out.
All others have no route to it."""


class Network(EnvironmentStack):
    """The network, its endpoints, and security groups that state who may talk to whom.

    Attributes:
        vpc: The network.
        functions: Group of the functions.
        balancer: Group of the load balancer.
        engines: Group of the engines.
        relay: Group of the relay.
        feed: Group of the service of feeds.
        gateway: Group of the link of the gateway to the load balancer.
        take_in: Group of the tasks that take files in.
        store: Group of the file system with their store.
        deliver: Group of the tasks that tell people what is new.
        database: Group of the database.
    """

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment, "network")
        private = ec2.SubnetConfiguration(
            name="private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=22
        )
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(RANGE),
            availability_zones=list(environment.zones),
            subnet_configuration=[private, *(WAY_OUT if environment.deliver_hours else ())],
            nat_gateways=1 if environment.deliver_hours else 0,
            restrict_default_security_group=False,
        )
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                logs.LogGroup(
                    self,
                    "FlowLogs",
                    retention=logs.RetentionDays.ONE_MONTH,
                    removal_policy=cdk.RemovalPolicy.DESTROY,
                )
            ),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        gateways = {
            "Buckets": ec2.GatewayVpcEndpointAwsService.S3,
            "Tables": ec2.GatewayVpcEndpointAwsService.DYNAMODB,
        }
        made = {
            label: self.vpc.add_gateway_endpoint(label, service=gateway)
            for label, gateway in gateways.items()
        }
        for gateway_endpoint in made.values():
            self._only_ours(gateway_endpoint)
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
        layers = f"arn:{self.partition}:s3:::prod-{self.region}-starport-layer-bucket/*"
        made["Buckets"].add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"], principals=[iam.StarPrincipal()], resources=[layers]
            )
        )
        endpoints = self._group("Endpoints", "endpoints of AWS services")
        inside = ec2.Peer.ipv4(RANGE)
        endpoints.add_ingress_rule(inside, ec2.Port.tcp(443), "everything in the network")
        for label, service in SERVICES.items():
            endpoint = self.vpc.add_interface_endpoint(
                label,
                service=service,
                subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
                security_groups=[endpoints],
                open=False,
            )
            self._only_ours(endpoint)
        self.functions = self._group("Functions", "functions")
        self.balancer = self._group("Balancer", "load balancer")
        self.engines = self._group("EngineTasks", "rules engines")
        self.relay = self._group("RelayTasks", "SQL relay")
        self.feed = self._group("FeedTasks", "service of feeds")
        self.gateway = self._group("Gateway", "link of the gateway")
        self.take_in = self._group("TakeInTasks", "tasks that take files in")
        self.deliver = self._group("DeliverTasks", "tasks that tell people what is new")
        self.store = self._group("Store", "store of the files that were taken in")
        self.database = self._group("Database", "database")
        allowed = [
            (self.functions, self.balancer, 8600, "functions ask engines"),
            (self.functions, self.balancer, 8601, "functions ask the relay"),
            (self.engines, self.balancer, 8601, "engines ask the relay"),
            (self.balancer, self.engines, 8602, "requests go to engines"),
            (self.functions, self.engines, 8602, "each engine is told to refresh"),
            (self.balancer, self.relay, 8601, "requests go to the relay"),
            (self.relay, self.database, 5432, "the relay asks the database"),
            (self.gateway, self.balancer, 8603, "apps ask for feeds"),
            (self.balancer, self.feed, 8603, "requests go to the service of feeds"),
            (self.feed, self.database, 5432, "the service of feeds asks the database"),
            (self.take_in, self.database, 5432, "what was taken in is loaded"),
            (self.deliver, self.database, 5432, "what is new is looked up"),
            (self.take_in, self.store, 2049, "what was taken in is kept"),
        ]
        for source, target, port, why in allowed:
            source.connections.allow_to(target, ec2.Port.tcp(port), why)
        for group in (
            self.functions,
            self.engines,
            self.relay,
            self.take_in,
            self.feed,
            self.deliver,
            self.database,
        ):
            group.add_egress_rule(inside, ec2.Port.tcp(443), "endpoints of AWS services")
        for group in (self.functions, self.engines, self.relay, self.take_in, self.feed):
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 and DynamoDB")

        for port in (443, 465, 587):
            what = "apps, mail servers, S3 and DynamoDB"
            self.deliver.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), what)
        collector = urlsplit(environment.collector or "")
        if collector.port is not None:
            for group in (self.functions, self.engines, self.relay):
                group.add_egress_rule(inside, ec2.Port.tcp(collector.port), "traces")

        subnets = self.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        cdk.CfnOutput(self, "SubnetIds", value=",".join(subnets.subnet_ids))
        cdk.CfnOutput(self, "RelaySecurityGroupId", value=self.relay.security_group_id)
        if environment.deliver_hours:
            outside = self.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
            cdk.CfnOutput(self, "DeliverSubnetIds", value=",".join(outside.subnet_ids))
            told_by = self.deliver.security_group_id
            cdk.CfnOutput(self, "DeliverSecurityGroupId", value=told_by)
        cdk.CfnOutput(self, "TakeInSecurityGroupId", value=self.take_in.security_group_id)

    def _only_ours(self, endpoint: ec2.GatewayVpcEndpoint | ec2.InterfaceVpcEndpoint) -> None:
        """Let only roles of this account use an endpoint: others' keys lead nowhere."""
        endpoint.add_to_policy(
            iam.PolicyStatement(
                actions=["*"],
                principals=[iam.StarPrincipal()],
                resources=["*"],
                conditions={"StringEquals": {"aws:PrincipalAccount": self.account}},
            )
        )

    def _group(self, label: str, what: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, label, vpc=self.vpc, description=what, allow_all_outbound=False
        )
