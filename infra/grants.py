"""Grants permissions to roles: named actions on named resources, and no more."""

from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.nag_suppressions import exported, suppress
from infra.stacks.data import Data

RULESETS: Final = "rulesets/????????????????.json"
"""Pattern of the keys of rulesets: 16 digits of their digest."""
DEFINITIONS: Final = "definitions/"
"""Prefix of the keys of rule files."""
CURRENT: Final = "rulesets/current"
"""Key of the object that names the ruleset published last."""
MODELS: Final = ("models/????????????????.json", "models/current")
"""Patterns of the keys of models of the order of feeds, and of the object that names one."""


def function_role(scope: Construct, label: str, group: logs.ILogGroup) -> iam.Role:
    """Return the role of a function, which may write its log, be traced, and join the network."""
    role = iam.Role(
        scope,
        f"{label.title()}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"what the function {label} may do",
    )
    grant(role, group.log_group_arn, "logs:CreateLogStream", "logs:PutLogEvents")
    grant(role, "*", "xray:PutTraceSegments", "xray:PutTelemetryRecords")
    grant(
        role,
        "*",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    )
    return role


def grant(
    grantee: iam.IGrantable,
    resource: str,
    *actions: str,
    conditions: Mapping[str, Any] | None = None,
) -> None:
    """Allow actions on one resource, maybe under conditions only."""
    statement = iam.PolicyStatement(
        actions=list(actions), resources=[resource], conditions=conditions
    )
    grantee.grant_principal.add_to_principal_policy(statement)


def grant_secret(grantee: iam.IGrantable, secret: secrets.ISecret) -> None:
    """Allow reading a secret; AWS's own key encrypts it, so no key is granted."""
    grant(grantee, secret.secret_full_arn or secret.secret_arn, "secretsmanager:GetSecretValue")


def grant_rulesets(grantee: iam.IGrantable, data: Data) -> None:
    """Allow reading rulesets; without the right to list, a missing key would look forbidden."""
    for key in (RULESETS, CURRENT):
        grant(grantee, data.rulesets.arn_for_objects(key), "s3:GetObject")
    grant(grantee, data.rulesets.bucket_arn, "s3:ListBucket")
    grant(grantee, data.key.key_arn, "kms:Decrypt")


def grant_definitions(grantee: iam.IGrantable, data: Data) -> None:
    """Allow reading rule files, and how many versions of them there were."""
    rulesets = data.rulesets
    grant(grantee, rulesets.arn_for_objects(f"{DEFINITIONS}*"), "s3:GetObjectVersion")
    listed = {"StringLike": {"s3:prefix": f"{DEFINITIONS}*"}}
    grant(grantee, rulesets.bucket_arn, "s3:ListBucketVersions", conditions=listed)
    found = f"IAM5[Resource::{exported(data, rulesets.bucket_arn)}/{DEFINITIONS}*]"
    role = grantee.grant_principal
    if not isinstance(role, iam.Role):
        raise TypeError("only a role reads rule files")
    suppress(role, {found: "every file of the folder is read"})


def grant_models(grantee: iam.IGrantable, data: Data) -> None:
    """Allow reading models beside rulesets, to a role that may read those."""
    for key in MODELS:
        grant(grantee, data.rulesets.arn_for_objects(key), "s3:GetObject")


def grant_table(grantee: iam.IGrantable, data: Data, table: dynamodb.ITable, *actions: str) -> None:
    """Allow actions on a table, and the use of the key that encrypts it."""
    grant(grantee, table.table_arn, *(f"dynamodb:{action}" for action in actions))
    keys = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")
    grant(grantee, data.key.key_arn, *(f"kms:{action}" for action in keys))


def grant_send(grantee: iam.IGrantable, data: Data, queue: sqs.IQueue) -> None:
    """Allow sending messages to a queue."""
    grant(grantee, queue.queue_arn, "sqs:SendMessage")
    grant(grantee, data.key.key_arn, "kms:Decrypt", "kms:GenerateDataKey")
