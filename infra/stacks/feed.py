"""The service of feeds on Fargate, and the gateway through which apps reach it from outside.

The gateway is a REST API, since a web ACL cannot protect an HTTP API, and it reaches the load
balancer through a VPC link, so that the network needs no way to the internet:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-private-integration.html.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_apigateway as gateway
from aws_cdk import aws_apigatewayv2 as links
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra import grants
from infra.balanced import fargate_service, put_behind
from infra.nag_suppressions import suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.network import Network
from infra.stacks.services import Services
from infra.tasks import DATABASE_SETTINGS, fargate_task
from tuppence.capacity.environments import FEED_TASK, Environment

PORT: Final = 8603
STAGE: Final = "feed"
"""First part of the paths outside, which the gateway takes away."""
TABLE_ACTIONS: Final = (
    *("Query", "GetItem", "BatchGetItem", "PutItem", "DeleteItem", "ConditionCheckItem"),
)
TOKEN_LIMIT: Final = 1_000
"""Requests with one token within five minutes above which further ones are refused."""
STRANGER_LIMIT: Final = 100
"""Requests without a token from one address within five minutes; the links in mails need few."""


class Feed(EnvironmentStack):
    """The service of feeds, and its gateway.

    Attributes:
        targets: The tasks behind the load balancer.
        api_name: Name of the gateway, as its metrics have it.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        data: Data,
        services: Services,
    ) -> None:
        super().__init__(scope, environment, "feed")
        self._data = data
        self.api_name = f"tuppence-{environment.name}-feed"
        service = fargate_service(
            self, "Feed", services.cluster, self._task(), network.feed, environment.feed_tasks
        )
        listener = elb.ApplicationListener(
            self,
            f"Port{PORT}",
            load_balancer=services.balancer,
            port=PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            open=False,
        )
        self.targets = put_behind(listener, f"Targets{PORT}", service, PORT)
        api = self._gateway(network, services)
        self._protect(api)
        cdk.CfnOutput(self, "FeedUrl", value=api.url)
        suppress(
            self,
            {
                "ECS2": "the environment holds no secrets, only references to them",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken does not support resources",
                "APIG1": "the load balancer logs each request; logs here need an account-wide role",
                "APIG2": "the service checks every request",
                "APIG4": "the service checks the token of every customer",
                "APIG6": "as for APIG1",
                "COG4": "as for APIG4",
            },
        )

    def _task(self) -> ecs.FargateTaskDefinition:
        data = self._data
        task = fargate_task(
            self,
            "Feed",
            "feed",
            FEED_TASK,
            data,
            port=PORT,
            command=[
                *("serve", "feed", "--keys", "env:FEED_KEYS", "--operators", "env:FEED_OPERATOR"),
                *("--results", f"dynamodb://{data.results.table_name}"),
                *("--rulesets", f"s3://{data.rulesets.bucket_name}/rulesets/"),
                *("--feeds", f"dynamodb://{data.feeds.table_name}"),
                *("--retain-months", str(self._environment.feed_months)),
                *("--models", f"s3://{data.rulesets.bucket_name}/models/"),
                *("--host", "0.0.0.0", "--log-metrics"),
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
                "FEED_KEYS": ecs.Secret.from_secrets_manager(data.feed_keys),
                "FEED_OPERATOR": ecs.Secret.from_secrets_manager(data.feed_operator),
            },
        )
        grants.grant_table(task.task_role, data, data.results, "Query")
        grants.grant_table(task.task_role, data, data.feeds, *TABLE_ACTIONS)
        grants.grant_rulesets(task.task_role, data)
        grants.grant_models(task.task_role, data)
        return task

    def _gateway(self, network: Network, services: Services) -> gateway.RestApi:
        """Return the gateway: it passes on what is below /v1, and nothing else, such as metrics."""
        subnets = network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        link = links.CfnVpcLink(
            self,
            "Link",
            name=self.api_name,
            subnet_ids=subnets.subnet_ids,
            security_group_ids=[network.gateway.security_group_id],
        )
        api = gateway.RestApi(
            self,
            "Gateway",
            rest_api_name=self.api_name,
            cloud_watch_role=False,
            endpoint_types=[gateway.EndpointType.REGIONAL],
            deploy_options=gateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=self._environment.feed_requests,
                throttling_burst_limit=2 * self._environment.feed_requests,
            ),
        )
        host = services.balancer.load_balancer_dns_name
        below = api.root.add_resource("v1").add_resource("{below+}")
        method = below.add_method(
            "ANY",
            gateway.Integration(
                type=gateway.IntegrationType.HTTP_PROXY,
                uri=f"http://{host}:{PORT}/v1/{{below}}",
                integration_http_method="ANY",
                options=gateway.IntegrationOptions(
                    connection_type=gateway.ConnectionType.VPC_LINK,
                    vpc_link=gateway.VpcLink.from_vpc_link_id(self, "LinkById", link.ref),
                    request_parameters={
                        "integration.request.path.below": "method.request.path.below"
                    },
                    timeout=cdk.Duration.seconds(10),
                ),
            ),
            request_parameters={"method.request.path.below": True},
        )
        resource = method.node.default_child
        if not isinstance(resource, gateway.CfnMethod):
            raise TypeError("the method has no CfnMethod as its default child")
        resource.add_property_override(
            "Integration.IntegrationTarget", services.balancer.load_balancer_arn
        )
        return api

    def _protect(self, api: gateway.RestApi) -> None:
        """Refuse known attackers, and whoever asks too often.

        The app's backend may send the requests of all customers from one address, so requests are
        counted by token, and by address only where there is none.
        """
        token = waf.CfnWebACL.FieldToMatchProperty(single_header={"Name": "authorization"})
        plain = waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")
        no_token = waf.CfnWebACL.StatementProperty(
            not_statement=waf.CfnWebACL.NotStatementProperty(
                statement=waf.CfnWebACL.StatementProperty(
                    size_constraint_statement=waf.CfnWebACL.SizeConstraintStatementProperty(
                        comparison_operator="GT",
                        field_to_match=token,
                        size=0,
                        text_transformations=[plain],
                    )
                )
            )
        )
        by_token = waf.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="CUSTOM_KEYS",
            limit=TOKEN_LIMIT,
            custom_keys=[
                waf.CfnWebACL.RateBasedStatementCustomKeyProperty(
                    header=waf.CfnWebACL.RateLimitHeaderProperty(
                        name="authorization", text_transformations=[plain]
                    )
                )
            ],
        )
        by_address = waf.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="IP", limit=STRANGER_LIMIT, scope_down_statement=no_token
        )
        rules = [
            _managed("AWSManagedRulesAmazonIpReputationList", 0),
            _managed("AWSManagedRulesKnownBadInputsRuleSet", 1),
            _limit("TooManyOfAToken", 2, by_token),
            _limit("TooManyOfAnAddress", 3, by_address),
        ]
        acl = waf.CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen("feed"),
            rules=rules,
        )
        stage = api.deployment_stage.stage_arn
        waf.CfnWebACLAssociation(self, "Protection", resource_arn=stage, web_acl_arn=acl.attr_arn)


def _managed(name: str, priority: int) -> waf.CfnWebACL.RuleProperty:
    """Return a rule with a group of rules that AWS keeps up to date."""
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        statement=waf.CfnWebACL.StatementProperty(
            managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=name
            )
        ),
        visibility_config=_seen(name),
    )


def _limit(
    name: str, priority: int, rate: waf.CfnWebACL.RateBasedStatementProperty
) -> waf.CfnWebACL.RuleProperty:
    """Return a rule that refuses requests above a rate."""
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=waf.CfnWebACL.RuleActionProperty(block={}),
        statement=waf.CfnWebACL.StatementProperty(rate_based_statement=rate),
        visibility_config=_seen(name),
    )


def _seen(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    """Return settings that count requests, and keep none: their headers have tokens."""
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
