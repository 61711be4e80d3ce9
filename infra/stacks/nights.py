"""Nights by parts: a state machine whose Distributed Map has a function do each part of a run."""

import json
from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from infra import grants
from infra.functions import make_function
from infra.nag_suppressions import exported, suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.network import Network
from tuppence.capacity.environments import PART_MEMORY, PART_SECONDS, Environment
from tuppence.errors import TransientError

STORE: Final = "store"
"""Folder of the store in its bucket."""
HOURS: Final = 3
"""Hours after which a night is given up."""
INVOKE: Final = "arn:aws:states:::lambda:invoke"
RETRY: Final = [
    {
        "ErrorEquals": [
            "Lambda.TooManyRequestsException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
        ],
        "IntervalSeconds": 1,
        "MaxAttempts": 6,
        "BackoffRate": 2,
        "MaxDelaySeconds": 20,
        "JitterStrategy": "FULL",
    }
]
"""Retries of a call that AWS did not take or could not deliver; what a function says is final:
https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html"""

LATER: Final = {
    "ErrorEquals": [TransientError.__name__],  # a function's error is named by its class
    "IntervalSeconds": 5,
    "MaxAttempts": 3,
    "BackoffRate": 2,
    "MaxDelaySeconds": 20,
    "JitterStrategy": "FULL",
}
"""Retries of a part that a store or a table of results could not serve for a while, although the
function has sent its requests again and again."""


def definition(concurrency: int) -> dict[str, Any]:
    """Return the state machine, with `${…}` in place of what only its stack knows.

    Whatever happens to a part, the others are done, also if its child workflow fails because tries
    took longer than the five minutes that it has; the last state says which parts are missing. The
    output of a child is as short as can be, since that of the map, a list of them, has at most
    256 KiB:
    https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html

    Args:
        concurrency: Maximum number of parts that are done at the same time.
    """
    part = {
        "Type": "Task",
        "Resource": INVOKE,
        "Parameters": {"FunctionName": "${PartFunction}", "Payload.$": "$"},
        "Retry": [*RETRY, LATER],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Ended"}],
        "Next": "Ended",
    }
    parts = {
        "Type": "Map",
        "Label": "Parts",
        "MaxConcurrency": concurrency,
        "ToleratedFailurePercentage": 100,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "${Bucket}", "Key.$": "$.key"},
        },
        "ItemSelector": {
            "folder.$": "$.folder",
            "version.$": "$.version",
            "part.$": "$$.Map.Item.Value",
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "Part",
            "States": {"Part": part, "Ended": {"Type": "Pass", "Result": 0, "End": True}},
        },
        "ResultPath": None,
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Finish"}],
        "Next": "Finish",
    }

    def night(payload: Mapping[str, str]) -> dict[str, Any]:
        parameters = {"FunctionName": "${NightFunction}", "Payload": payload}
        return {
            "Type": "Task",
            "Resource": INVOKE,
            "Parameters": parameters,
            "OutputPath": "$.Payload",
            "Retry": RETRY,
        }

    some = {"Variable": "$.count", "NumericGreaterThan": 0, "Next": "Parts"}
    return {
        "Comment": "A night by parts",
        "StartAt": "Begin",
        "TimeoutSeconds": HOURS * 3_600,
        "States": {
            "Begin": night({"start.$": "$"}) | {"Next": "Left"},
            "Left": {"Type": "Choice", "Choices": [some], "Default": "Finish"},
            "Parts": parts,
            "Finish": night({"run_id.$": "$.run_id"}) | {"End": True},
        },
    }


class Nights(EnvironmentStack):
    """The state machine, and the functions that it calls.

    Attributes:
        night: Begins and finishes a night.
        part: Does a part.
        machine: ARN of the state machine.
    """

    def __init__(
        self, scope: Construct, environment: Environment, network: Network, data: Data
    ) -> None:
        super().__init__(scope, environment, "nights")
        self._network = network
        self._data = data
        self._settings = {
            "TUPPENCE_STORE": f"s3://{data.store.bucket_name}/{STORE}",
            "TUPPENCE_TIME_ZONE": environment.time_zone,
        }
        self.night = self._night()
        self.part = self._part()
        self.machine = self._machine()
        cdk.CfnOutput(self, "NightsArn", value=self.machine)
        suppress(
            self,
            {"IAM5[Resource::*]": "X-Ray, EC2 and log deliveries do not support resources"},
        )

    def _function(self, label: str, further: Mapping[str, str]) -> functions.Function:
        found = make_function(
            self,
            self._environment,
            self._network,
            self._data,
            label,
            (PART_SECONDS, PART_MEMORY),
            {**self._settings, **further},
            large=True,
        )
        store = self._data.store
        grants.grant(found, store.bucket_arn, "s3:ListBucket")
        grants.grant(found, store.arn_for_objects(f"{STORE}/*"), "s3:GetObject")
        runs = store.arn_for_objects(f"{STORE}/runs/*")
        grants.grant(found, runs, "s3:PutObject", "s3:DeleteObject")
        grants.grant(found, self._data.key.key_arn, "kms:Decrypt", "kms:GenerateDataKey")
        self._suppress(found.role, f"{STORE}/*", "the functions read the whole store")
        self._suppress(found.role, f"{STORE}/runs/*", "each run has a folder of its own")
        return found

    def _night(self) -> functions.Function:
        found = self._function("night", {"TUPPENCE_RULESETS": self._data.rulesets.bucket_name})
        grants.grant_rulesets(found, self._data)
        rulesets = self._data.store.arn_for_objects(f"{STORE}/rulesets/*")
        grants.grant(found, rulesets, "s3:PutObject")
        self._suppress(found.role, f"{STORE}/rulesets/*", "rulesets are named by their digests")
        return found

    def _part(self) -> functions.Function:
        found = self._function("part", {"TUPPENCE_RESULTS": self._data.results.table_name})
        actions = ("Query", "PutItem", "UpdateItem", "PartiQLInsert")
        grants.grant_table(found, self._data, self._data.results, *actions)
        return found

    def _text(self, arn: str) -> str:
        """Return what cdk-nag calls an ARN of this stack."""
        found: Any = self.resolve(arn)
        if isinstance(found, str):
            return found
        _, parts = found["Fn::Join"]
        return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)

    def _suppress(self, role: Any, keys: str, why: str) -> None:
        bucket = exported(self._data, self._data.store.bucket_arn)
        suppress(role, {f"IAM5[Resource::{bucket}/{keys}]": why})

    def _machine(self) -> str:
        """Return the ARN of the state machine.

        https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        """
        name = f"tuppence-{self._environment.name}-nights"
        arn = self.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        role = iam.Role(
            self,
            "NightsRole",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            ),
            description="runs nights by parts",
        )
        for function in (self.night, self.part):
            grants.grant(role, function.function_arn, "lambda:InvokeFunction")
        left = f"{STORE}/runs/*/left.json"
        grants.grant(role, self._data.store.arn_for_objects(left), "s3:GetObject")
        self._suppress(role, left, "each run has a list of its parts")
        grants.grant(role, self._data.key.key_arn, "kms:Decrypt")
        grants.grant(role, arn, "states:StartExecution")
        runs = self.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{name}:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        grants.grant(role, runs, "states:DescribeExecution", "states:StopExecution")
        suppress(role, {f"IAM5[Resource::{self._text(runs)}]": "these are its own executions"})
        grants.grant(
            role,
            "*",
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        )
        grants.grant(
            role,
            "*",
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
        )
        group = logs.LogGroup(
            self,
            "NightsLogs",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=logs.RetentionDays.THREE_MONTHS,
            encryption_key=self._data.key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        machine = states.CfnStateMachine(
            self,
            "Nights",
            state_machine_name=name,
            role_arn=role.role_arn,
            definition_string=json.dumps(definition(self._environment.parts_at_once)),
            definition_substitutions={
                "Bucket": self._data.store.bucket_name,
                "NightFunction": self.night.function_arn,
                "PartFunction": self.part.function_arn,
            },
            logging_configuration=states.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    states.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=(
                            states.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                                log_group_arn=group.log_group_arn
                            )
                        )
                    )
                ],
            ),
            tracing_configuration=states.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        machine.node.add_dependency(role)
        return machine.attr_arn
