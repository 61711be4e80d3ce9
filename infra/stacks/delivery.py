"""Roles for the workflows of one repository on GitHub, which need no long-lived keys.

Deployed once in each account, by hand: `make cdk DO="deploy -c repository=OWNER/NAME"`.
"""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import grants
from infra.nag_suppressions import suppress

ISSUER: Final = "token.actions.githubusercontent.com"
HOURS: Final = 3
"""Upper limit on the time of a deployment, its load test included."""
BOOTSTRAPPED: Final = ("deploy", "file-publishing", "image-publishing", "lookup")
"""Roles that `cdk bootstrap` makes and the CDK assumes."""


class Delivery(cdk.Stack):
    """Roles with which GitHub may deploy, each to one environment, and compare templates."""

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
            self._grant_assume(role, BOOTSTRAPPED)
            self._grant_tests(role, environment)
        self._grant_assume(self._role("Diff", f"repo:{repository}:pull_request"), ["lookup"])

    def _role(self, label: str, subject: str) -> iam.Role:
        """Return a role for one kind of workflow run, which GitHub identifies by its subject."""
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

    def _grant_assume(self, role: iam.Role, purposes: Sequence[str]) -> None:
        for purpose in purposes:
            name = f"cdk-{cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER}-{purpose}-role"
            bootstrapped = self._arn(
                "iam", "role", f"{name}-{self.account}-{self.region}", region=""
            )
            grants.grant(role, bootstrapped, "sts:AssumeRole")

    def _grant_tests(self, role: iam.Role, environment: str) -> None:
        """Allow beginning runs, following them, and recording which commit is deployed."""
        name = f"tuppence-{environment}"
        for function in ("customer", "convert", "refresh"):
            arn = self._arn("lambda", "function", f"{name}-{function}", separator=":")
            grants.grant(role, arn, "lambda:InvokeFunction")
        later = "AWS chooses its name when it is created, after this role"
        stack = self._arn("cloudformation", "stack", f"{name}-data/*")
        grants.grant(role, stack, "cloudformation:DescribeStacks")
        table = self._arn("dynamodb", "table", f"{name}-data-Ledger*")
        grants.grant(role, table, "dynamodb:GetItem", "dynamodb:Query")
        key = self._arn("kms", "key", "*")
        statement = iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key],
            conditions={
                "StringEquals": {
                    "kms:ViaService": [
                        f"{service}.{self.region}.amazonaws.com" for service in ("dynamodb", "s3")
                    ],
                    "aws:ResourceTag/environment": environment,
                }
            },
        )
        role.add_to_policy(statement)
        rulesets = f"arn:{self.partition}:s3:::{name}-data-rulesets*"
        files = f"{rulesets}/{grants.DEFINITIONS}*"
        listed = {"StringLike": {"s3:prefix": f"{grants.DEFINITIONS}*"}}
        grants.grant(role, rulesets, "s3:ListBucket", conditions=listed)
        grants.grant(role, files, "s3:PutObject", "s3:DeleteObject")
        self._suppress_wildcards(role, (stack, table, key, rulesets, files), later)
        self._grant_migration(role, name)
        parameter = self._arn("ssm", "parameter", f"tuppence/{environment}/commit")
        grants.grant(role, parameter, "ssm:GetParameter", "ssm:PutParameter")

    def _grant_migration(self, role: iam.Role, name: str) -> None:
        """Allow running the task that migrates the database, and following it."""
        later = "AWS chooses its name when it is created, after this role"
        definition = self._arn("ecs", "task-definition", f"{name.replace('-', '')}migration*")
        stacks = [
            self._arn("cloudformation", "stack", f"{name}-{label}/*")
            for label in ("network", "migration")
        ]
        task = self._arn("ecs", "task", f"{name}-migration-*")
        roles = self._arn("iam", "role", f"{name}-migration-*", region="")
        grants.grant(role, definition, "ecs:RunTask")
        for stack in stacks:
            grants.grant(role, stack, "cloudformation:DescribeStacks")
        grants.grant(role, task, "ecs:DescribeTasks")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[roles],
                conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            )
        )
        self._suppress_wildcards(role, (definition, *stacks, task, roles), later)

    def _suppress_wildcards(self, role: iam.Role, arns: Sequence[str], why: str) -> None:
        for arn in arns:
            shown = arn.replace(self.partition, "<AWS::Partition>")
            shown = shown.replace(self.region, "<AWS::Region>")
            shown = shown.replace(self.account, "<AWS::AccountId>")
            suppress(role, {f"IAM5[Resource::{shown}]": why})

    def _arn(
        self, service: str, kind: str, name: str, separator: str = "/", region: str | None = None
    ) -> str:
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.account}:{kind}{separator}{name}"
