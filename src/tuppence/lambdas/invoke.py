"""Has the rules engines evaluate work items."""

import time
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import invoker
from tuppence.errors import UserError
from tuppence.usecases.fleet import FleetItem, evaluate

logger = Logger(service="invoke")
metrics = Metrics(namespace="tuppence", service="invoke")
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Do a batch of items; one that fails comes again, and those of its group behind it."""
    parts = invoker()
    latest = parts.ledger.latest()

    def one(record: SQSRecord) -> None:
        began = time.monotonic()
        item = msgspec.json.decode(record.body, type=FleetItem)
        last = int(record.attributes.approximate_receive_count) >= parts.settings.tries
        left = context.get_remaining_time_in_millis() / 1_000 - parts.settings.margin_seconds
        try:
            evaluate(item, parts.engines, parts.ledger, latest, left, last_try=last)
        except UserError as error:
            name = {"run_id": item.run_id, "page": item.page, "item": item.number}
            logger.warning("not done", extra=name | {"code": error.code, "last_try": last})
            metrics.add_metric("ItemsFailed", MetricUnit.Count, 1)
            raise
        metrics.add_metric("ItemsDone", MetricUnit.Count, 1)
        metrics.add_metric("ItemSeconds", MetricUnit.Seconds, time.monotonic() - began)

    return process_partial_response(event, one, processor, context)
