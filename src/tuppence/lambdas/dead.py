"""Enters what the queues have given up in the ledger, so that nothing goes unseen."""

from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import dead_dependencies
from tuppence.lambdas.logs import function_logger
from tuppence.usecases.fleet.given_up import enter_dead_letter
from tuppence.usecases.fleet.messages import FleetItem, Page

logger = function_logger("dead")
metrics = Metrics(namespace="tuppence", service="dead")
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Enter a batch of dead letters; those that cannot be entered stay in their queue."""
    return process_partial_response(event, _enter, processor, context)


def _enter(record: SQSRecord) -> None:
    work = msgspec.json.decode(record.body, type=Page | FleetItem)
    enter_dead_letter(work, dead_dependencies().ledger)
    fields: dict[str, Any] = {"run_id": work.run_id}
    if isinstance(work, FleetItem):
        fields |= {"page": work.page, "item": work.number}
    else:
        fields["page"] = work.number
    logger.error("dead letter", extra=fields)
    metrics.add_metric("DeadLetters", MetricUnit.Count, 1)
