"""Has the rules engines evaluate work items."""

import time
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import invoker
from tuppence.errors import UserError
from tuppence.usecases.fleet.evaluating import (
    delay,
    evaluate_item,
    record_last_tries,
    share_of_time,
)
from tuppence.usecases.fleet.messages import FleetItem

logger = Logger(service="invoke")
metrics = Metrics(namespace="tuppence", service="invoke")
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Do a batch of items; one that fails is received again, and those of its group behind it."""
    deps = invoker()
    settings = deps.settings
    records = list(SQSEvent(event).records)
    last = [_item(record) for record in records if _receives(record) >= settings.max_receives]
    record_last_tries(last, deps.ledger, settings.max_receives)
    latest = deps.ledger.latest()
    items_left = len(records)

    def one(record: SQSRecord) -> None:
        nonlocal items_left
        began = time.monotonic()
        item, receives = _item(record), _receives(record)
        name = {"run_id": item.run_id, "page": item.page, "item": item.number}
        left = context.get_remaining_time_in_millis() / 1_000 - settings.margin_seconds
        seconds = share_of_time(left, max(items_left, 1), settings.engine_seconds)
        items_left -= 1
        try:
            done = evaluate_item(
                item,
                deps.engines,
                deps.ledger,
                deps.dead_letters,
                latest,
                seconds,
                may_give_up=receives >= settings.tries,
            )
        except UserError as error:
            extra = name | {"code": error.code, "receives": receives}
            logger.warning("an item is to be tried again", extra=extra)
            metrics.add_metric("ItemsFailed", MetricUnit.Count, 1)
            raise
        if not done:
            logger.error("an item was given up", extra=name | {"receives": receives})
        metrics.add_metric("ItemsDone" if done else "ItemsGivenUp", MetricUnit.Count, 1)
        metrics.add_metric("ItemSeconds", MetricUnit.Seconds, time.monotonic() - began)

    answer = process_partial_response(event, one, processor, context)
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    delays = {
        record.receipt_handle: delay(_receives(record))
        for record in records
        if record.message_id in failed
    }
    try:
        deps.queue.postpone(delays)
    except UserError as error:  # then they are received when their visibility ends
        logger.warning("items could not be postponed", extra={"code": error.code})
    return answer


def _item(record: SQSRecord) -> FleetItem:
    return msgspec.json.decode(record.body, type=FleetItem)


def _receives(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count)
