"""Runs the emulator of AWS on loopback, patched where it differs from AWS.

The emulator has its own packages, so its own Python runs this file: see `aws_emulator` in
servers.py. Environment variables state where it listens (GATEWAY_PORT), which Python runs the
functions (FUNCTIONS_PYTHON), and whether it checks the roles' policies (AUTH) and uses TLS
(USE_SSL).
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
    """Check SendMessage for a batch too: AWS allows batches to anyone who may send a message."""
    found = _action(*arguments, **options)
    return BATCHES.get(found.lower(), found) if isinstance(found, str) else found


def concurrency(mapping: Any, function: Any, config: Any, _: Any = None) -> Any:
    """Ignore that a queue is FIFO: AWS processes its groups in parallel, each in order."""
    return _concurrency(mapping, function, config, None)


def execute(function: Any, event: Any, *arguments: Any, **options: Any) -> Any:
    """Fail the whole batch if a function reports a message that is not in it, as AWS does."""
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
    """Insert the time at which a schedule was due where its input asks for it, as AWS does."""
    due = datetime.datetime.fromtimestamp(event["Time"], datetime.UTC)
    text = called.get("Input") or ""
    moment = due.strftime("%Y-%m-%dT%H:%M:%SZ")
    dated = {**called, "Input": text.replace("<aws.scheduler.scheduled-time>", moment)}
    return _target(dated if text else called, event, schedule)


def secret(*arguments: Any, **options: Any) -> tuple[str, Any]:
    """Resolve a template's reference to a secret to its ARN, which policies name, as AWS does."""
    _, attributes = _secret(*arguments, **options)
    return attributes["Arn"], attributes


def binary(name: str) -> tuple[str, str]:
    """Return the Python that runs functions: the one that has their packages."""
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
