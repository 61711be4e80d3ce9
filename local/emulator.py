"""The emulator of AWS on loopback, mended where it differs from AWS.

It has packages of its own, so its own Python runs this file: see `aws_emulator` in servers.py. The
environment says where it listens (GATEWAY_PORT), which Python runs the functions
(FUNCTIONS_PYTHON), and whether it checks the roles' policies (AUTH) and speaks TLS (USE_SSL).
"""

import datetime
import os
from typing import Any

import ministack.core.iam_actions as iam
import ministack.core.lambda_runtime as runtime
import ministack.services.cloudformation.provisioners as formation
import ministack.services.eventbridge as events
import ministack.services.lambda_svc as functions
import ministack.services.scheduler as schedules
from ministack.app import main

BATCHES = {
    "sqs:sendmessagebatch": "sqs:SendMessage",
    "sqs:deletemessagebatch": "sqs:DeleteMessage",
    "sqs:changemessagevisibilitybatch": "sqs:ChangeMessageVisibility",
}
_action = iam.extract_iam_action
_concurrency = functions._sqs_esm_concurrency
_binary = runtime._detect_runtime_binary
_target = events._invoke_target
_secret = formation._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]["create"]
_execute = functions._execute_function


def action(*arguments: Any, **options: Any) -> Any:
    """AWS allows the sending of a batch to whoever may send a message."""
    found = _action(*arguments, **options)
    return BATCHES.get(found.lower(), found) if isinstance(found, str) else found


def concurrency(mapping: Any, function: Any, config: Any, _: Any = None) -> Any:
    """AWS works on the groups of a FIFO queue side by side; the queue keeps each in order."""
    return _concurrency(mapping, function, config, None)


def execute(function: Any, event: Any, *arguments: Any, **options: Any) -> Any:
    """AWS takes a whole batch for failed where a function reports a message that is not in it."""
    answer = _execute(function, event, *arguments, **options)
    records = event.get("Records") if isinstance(event, dict) else None
    body = answer.get("body")
    if not records or records[0].get("eventSource") != "aws:sqs" or not isinstance(body, dict):
        return answer
    known = {record["messageId"] for record in records}
    named = {one.get("itemIdentifier") for one in body.get("batchItemFailures") or ()}
    if named - known:
        body["batchItemFailures"] = [{"itemIdentifier": one} for one in known]
    return answer


def target(called: Any, event: Any, schedule: Any) -> Any:
    """AWS puts the time at which a schedule was due where the input asks for it."""
    due = datetime.datetime.fromtimestamp(event["Time"], datetime.UTC)
    text = called.get("Input") or ""
    moment = due.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {**called, "Input": text.replace("<aws.scheduler.scheduled-time>", moment)}
    return _target(told if text else called, event, schedule)


def secret(*arguments: Any, **options: Any) -> tuple[str, Any]:
    """A template's reference to a secret is its ARN on AWS, and so what policies name."""
    _, attributes = _secret(*arguments, **options)
    return attributes["Arn"], attributes


def binary(name: str) -> tuple[str, str]:
    """Functions run where their packages are."""
    found, script = _binary(name)
    return os.environ.get("FUNCTIONS_PYTHON", found), script


if __name__ == "__main__":
    iam.extract_iam_action = action
    functions._sqs_esm_concurrency = concurrency
    functions._execute_function = execute
    formation._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]["create"] = secret
    events._invoke_target = target
    schedules._SCHEDULE_TICK_INTERVAL = 1
    runtime._detect_runtime_binary = binary
    main()
