"""Roles for the workflows of one repository on GitHub: no keys that last are kept anywhere.

Deployed once in each account, by hand: `make cdk DO="deploy -c repository=OWNER/NAME"`.
"""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import grants
from infra.excuses import excuse

ISSUER: Final = "token.actions.githubusercontent.com"
HOURS: Final = 3
"""A deployment takes no longer, with its load test."""
BOOTSTRAPPED: Final = ("deploy", "file-publishing", "image-publishing", "lookup")
"""Roles that `cdk bootstrap` makes; the CDK acts in them."""


class Delivery(cdk.Stack):
    """What GitHub may do here: deploy to an environment, from it only, and compare."""

    def __init__(
        self, scope: Construct, name: str, repository: str, environments: Sequence[str]
    ) -> None:
        super().__init__(scope, name)
        provider = iam.CfnOIDCProvider(
            self, "GitHub", url=f"https://{ISSUER}", client_id_list=["sts.amazonaws.com"]
        )
        self._provider = provider.attr_arn
        for environment in environments:
            role = self._role(
                f"Deploy{environment.title()}", f"repo:{repository}:environment:{environment}"
            )
            self._may_act_as(role, BOOTSTRAPPED)
            self._may_test(role, environment)
        self._may_act_as(self._role("Diff", f"repo:{repository}:pull_request"), ["lookup"])

    def _role(self, label: str, subject: str) -> iam.Role:
        """A role for one kind of run of a workflow, which GitHub vouches for by its subject."""
        conditions = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subject}
        role = iam.Role(
            self,
            label,
            role_name=f"tuppence-{label.lower()}",
            assumed_by=iam.WebIdentityPrincipal(self._provider, {"StringEquals": conditions}),
            max_session_duration=cdk.Duration.hours(HOURS),
            description=f"for {subject}",
        )
        cdk.CfnOutput(self, f"{label}Role", value=role.role_arn)
        return role

    def _may_act_as(self, role: iam.Role, purposes: Sequence[str]) -> None:
        for purpose in purposes:
            name = f"cdk-{cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER}-{purpose}-role"
            bootstrapped = self._arn(
                "iam", "role", f"{name}-{self.account}-{self.region}", region=""
            )
            grants.may(role, bootstrapped, "sts:AssumeRole")

    def _may_test(self, role: iam.Role, environment: str) -> None:
        """Begin runs, see how they go, and remember which commit is deployed."""
        name = f"tuppence-{environment}"
        for function in ("customer", "refresh"):
            arn = self._arn("lambda", "function", f"{name}-{function}", separator=":")
            grants.may(role, arn, "lambda:InvokeFunction")
        later = "AWS names it when it is made, after this role"
        stack = self._arn("cloudformation", "stack", f"{name}-data/*")
        grants.may(role, stack, "cloudformation:DescribeStacks")
        table = self._arn("dynamodb", "table", f"{name}-data-Ledger*")
        grants.may(role, table, "dynamodb:GetItem", "dynamodb:Query")
        key = self._arn("kms", "key", "*")
        statement = iam.PolicyStatement(
            actions=["kms:Decrypt"],
            resources=[key],
            conditions={
                "StringEquals": {
                    "kms:ViaService": f"dynamodb.{self.region}.amazonaws.com",
                    "aws:ResourceTag/environment": environment,
                }
            },
        )
        role.add_to_policy(statement)
        for arn in (stack, table, key):
            shown = arn.replace(self.partition, "<AWS::Partition>")
            shown = shown.replace(self.region, "<AWS::Region>")
            shown = shown.replace(self.account, "<AWS::AccountId>")
            excuse(role, {f"IAM5[Resource::{shown}]": later})
        parameter = self._arn("ssm", "parameter", f"tuppence/{environment}/commit")
        grants.may(role, parameter, "ssm:GetParameter", "ssm:PutParameter")

    def _arn(
        self, service: str, kind: str, name: str, separator: str = "/", region: str | None = None
    ) -> str:
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.account}:{kind}{separator}{name}"
