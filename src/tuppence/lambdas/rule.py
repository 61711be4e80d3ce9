"""Splits pages of customers into work items for the invoke queue."""

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

from tuppence.bootstrap.aws import rule_dependencies
from tuppence.errors import UserError
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import message_span, traced
from tuppence.usecases.fleet.messages import Page
from tuppence.usecases.fleet.splitting import make_items

logger = function_logger("rule")
metrics = Metrics(namespace="tuppence", service="rule")
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@traced("rule")
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Split the pages of a batch of messages; those that fail are received again."""
    return process_partial_response(event, _split, processor, context)


def _split(record: SQSRecord) -> None:
    deps = rule_dependencies()
    page = msgspec.json.decode(record.body, type=Page)
    with (
        logger.append_context_keys(run_id=page.run_id, page=page.number),
        message_span("split page", record, page.run_id, page.number),
    ):
        try:
            items = make_items(page, lambda: deps.rules(page.ruleset), deps.queue, deps.ledger)
        except UserError as error:
            receives = int(record.attributes.approximate_receive_count)
            logger.warning("page failed", extra={"code": error.code, "receives": receives})
            raise
        logger.info("page split", extra={"items": items})
    metrics.add_metric("ItemsMade", MetricUnit.Count, items)
