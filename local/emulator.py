"""Runs the emulator of AWS on loopback, patched where it differs from AWS or is slow.

The emulator has its own packages, so its own Python runs this file: see `aws_emulator` in
servers.py. Environment variables state where it listens (GATEWAY_PORT), which Python runs the
functions (FUNCTIONS_PYTHON), and whether it checks the roles' policies (AUTH) and uses TLS
(USE_SSL).
"""

import asyncio.constants
import datetime
import functools
import hashlib
import json
import os
import re
import time
import types
from typing import Any

import ministack.core.iam_actions as iam
import ministack.core.lambda_runtime as runtime
import ministack.services.cloudformation.provisioners as formation
import ministack.services.cloudwatch as metrics
import ministack.services.eventbridge as events
import ministack.services.lambda_svc as functions
import ministack.services.scheduler as schedules
import ministack.services.sqs as queues
from ministack.app import main
from ministack.services import dynamodb

ACTIONS = {
    "dynamodb:batchexecutestatement": "dynamodb:PartiQLInsert",  # we send no other statements
    "sqs:sendmessagebatch": "sqs:SendMessage",
    "sqs:deletemessagebatch": "sqs:DeleteMessage",
    "sqs:changemessagevisibilitybatch": "sqs:ChangeMessageVisibility",
}
DUE = "<aws.scheduler.scheduled-time>"
_action = iam.extract_iam_action
_tables = iam.dynamodb_resource_arns
_concurrency = functions._sqs_esm_concurrency
_binary = runtime._detect_runtime_binary
_target = events._invoke_target
_secret = formation._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]["create"]
_execute = functions._execute_function
_logs = functions._emit_lambda_logs
_alarm = metrics._evaluate_alarm
_to_queue = events._dispatch_to_sqs
_parse = dynamodb._parse_partiql


def action(*arguments: Any, **options: Any) -> Any:
    """Check the permission of a single request for a batch too, as AWS does."""
    found = _action(*arguments, **options)
    return ACTIONS.get(found.lower(), found) if isinstance(found, str) else found


def tables(body: bytes, region: str, account: str) -> Any:
    """Return the tables of a request, and those that its statements insert into, as AWS does."""
    named = re.findall(rb'INTO \\?"([^"\\]+)', body)
    arns = [
        iam._dynamodb_table_arn(name.decode(), region, account) for name in dict.fromkeys(named)
    ]
    return arns or _tables(body, region, account)


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


def log(function: Any, request: str, text: str, *arguments: Any, **options: Any) -> None:
    """Take the metrics of a function out of its log, as AWS does, and evaluate alarms."""
    _logs(function, request, text, *arguments, **options)
    for line in text.splitlines():
        if '"CloudWatchMetrics"' in line:
            record(json.loads(line))
    metrics._evaluate_all_alarms()


def record(line: dict[str, Any]) -> None:
    """Record the metrics of a line in the embedded format."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: line[name] for name in names}
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    metrics.record_metric(
                        directive["Namespace"],
                        metric["Name"],
                        value,
                        metric.get("Unit", "None"),
                        dimensions,
                    )


def evaluate_alarm(alarm: dict[str, Any]) -> None:
    """Evaluate an alarm by the metric with its dimensions only, as AWS does."""
    wanted = metrics._dims_key({one["Name"]: one["Value"] for one in alarm.get("Dimensions") or ()})
    seen = {key: points for key, points in metrics._metrics.items() if key[2] == wanted}
    types.FunctionType(_alarm.__code__, {**vars(metrics), "_metrics": seen})(alarm)


def parse(statement: str, parameters: Any) -> Any:
    """Parse the text of an insertion once: to parse all took most of the time of a night."""
    if not statement.startswith("INSERT"):
        return _parse(statement, parameters)
    for parameter in parameters:
        if problem := dynamodb._partiql_parameter_error(parameter):
            raise ValueError(problem)
    found = insertion(statement, len(parameters))
    item = {name: parameters[int(place["S"])] for name, place in found["item"].items()}
    return {**found, "item": item}


@functools.lru_cache(1_000)
def insertion(statement: str, count: int) -> Any:
    """Return a parsed insertion with the numbers of its parameters in place of their values."""
    return _parse(statement, [{"S": str(number)} for number in range(count)])


def target(called: Any, event: Any, *others: Any, **options: Any) -> Any:
    """Insert the time at which a schedule was due where its input asks for it, as AWS does."""
    text = called.get("Input") or ""
    if DUE in text:
        due = datetime.datetime.fromtimestamp(event["Time"], datetime.UTC)
        called = {**called, "Input": text.replace(DUE, due.strftime("%Y-%m-%dT%H:%M:%SZ"))}
    return _target(called, event, *others, **options)


def to_queue(spec: Any, payload: str, parameters: Any = None) -> None:
    """Drop an event that a FIFO queue got within five minutes, as AWS does by its content."""
    queue = queues._queue_by_arn(str(spec))
    if queue and queue.get("is_fifo"):
        queues._prune_dedup(queue)
        name = hashlib.sha256(payload.encode()).hexdigest()
        if name in queue["dedup_cache"]:
            return
        queue["dedup_cache"][name] = {"expire": time.time() + queues._DEDUP_WINDOW_S, "id": name}
    _to_queue(spec, payload, parameters)


def secret(*arguments: Any, **options: Any) -> tuple[str, Any]:
    """Resolve a template's reference to a secret to its ARN, which policies name, as AWS does."""
    _, attributes = _secret(*arguments, **options)
    return attributes["Arn"], attributes


def binary(name: str) -> tuple[str, str]:
    """Return the Python that runs functions: the one that has their packages."""
    found, script = _binary(name)
    return os.environ.get("FUNCTIONS_PYTHON", found), script


if __name__ == "__main__":
    # Clients that keep idle connections never answer the end of TLS.
    asyncio.constants.SSL_SHUTDOWN_TIMEOUT = 1.0
    iam.extract_iam_action = action
    iam.dynamodb_resource_arns = tables
    functions._sqs_esm_concurrency = concurrency
    functions._execute_function = execute
    functions._emit_lambda_logs = log
    metrics._evaluate_alarm = evaluate_alarm
    dynamodb._parse_partiql = parse
    formation._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]["create"] = secret
    events._invoke_target = target
    events._dispatch_to_sqs = to_queue
    schedules._SCHEDULE_TICK_INTERVAL = 1
    runtime._detect_runtime_binary = binary
    main()
