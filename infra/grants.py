"""What the roles may do: named actions on named resources, and no more."""

from typing import Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.stacks.data import Data

RULESETS: Final = "rulesets/????????????????.json"
"""The keys of rulesets: 16 digits of their digest."""
CURRENT: Final = "rulesets/current"
"""The key that says which ruleset was published last."""


def function_role(scope: Construct, label: str, group: logs.ILogGroup) -> iam.Role:
    """The role of a function: it may write its log, be traced, and enter the network."""
    role = iam.Role(
        scope,
        f"{label.title()}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"what the function {label} may do",
    )
    may(role, group.log_group_arn, "logs:CreateLogStream", "logs:PutLogEvents")
    may(role, "*", "xray:PutTraceSegments", "xray:PutTelemetryRecords")
    may(
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


def may(who: iam.IGrantable, resource: str, *actions: str) -> None:
    """Let somebody do something with one resource."""
    statement = iam.PolicyStatement(actions=list(actions), resources=[resource])
    who.grant_principal.add_to_principal_policy(statement)


def may_read_secret(who: iam.IGrantable, secret: secrets.ISecret) -> None:
    """Let somebody read a secret, which AWS's own key encrypts."""
    may(who, secret.secret_full_arn or secret.secret_arn, "secretsmanager:GetSecretValue")


def may_read_rulesets(who: iam.IGrantable, data: Data) -> None:
    """Let somebody read rulesets; without the list a key that is missing would look forbidden."""
    for key in (RULESETS, CURRENT):
        may(who, data.rulesets.arn_for_objects(key), "s3:GetObject")
    may(who, data.rulesets.bucket_arn, "s3:ListBucket")
    may(who, data.key.key_arn, "kms:Decrypt")


def may_use(who: iam.IGrantable, data: Data, table: dynamodb.ITable, *actions: str) -> None:
    """Let somebody do something with a table, and with the key that encrypts it."""
    may(who, table.table_arn, *(f"dynamodb:{action}" for action in actions))
    keys = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")
    may(who, data.key.key_arn, *(f"kms:{action}" for action in keys))


def may_send(who: iam.IGrantable, data: Data, queue: sqs.IQueue) -> None:
    """Let somebody send messages."""
    may(who, queue.queue_arn, "sqs:SendMessage")
    may(who, data.key.key_arn, "kms:Decrypt", "kms:GenerateDataKey")
