"""Sends work items to the rules engines for evaluation."""

import time
from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence import logs
from tuppence.bootstrap.aws import invoke_dependencies
from tuppence.errors import UserError
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import message_span, traced
from tuppence.usecases.fleet.evaluating import delay, evaluate_item, share_of_time, try_timeout
from tuppence.usecases.fleet.messages import FleetItem

logger = function_logger("invoke")
metrics = Metrics(namespace="tuppence", service="invoke")
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@traced("invoke")
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Evaluate a batch of items; a failed item and later ones of its group are received again."""
    deps = invoke_dependencies()
    settings = deps.settings
    records = list(SQSEvent(event).records)
    latest = deps.ledger.latest()
    items_left = len(records)
    failed_runs: set[str] = set()

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1_000 - settings.margin_seconds

    def evaluate(record: SQSRecord) -> None:
        nonlocal items_left
        start = time.monotonic()
        item, receives = _item(record), _receives(record)
        left = seconds_left()
        one_try = try_timeout(receives, settings.engine_seconds)
        later = left - share_of_time(left, max(items_left, 1), one_try)
        items_left -= 1
        try:
            given_up = evaluate_item(
                item,
                deps.engines,
                deps.ledger,
                latest,
                lambda: seconds_left() - later,
                one_try,
                may_give_up=receives >= settings.tries,
            )
        except UserError as error:
            failed_runs.add(item.run_id)
            logger.warning("item failed", extra={"code": error.code, "receives": receives})
            metrics.add_metric("ItemsFailed", MetricUnit.Count, 1)
            raise
        duration = time.monotonic() - start
        if given_up is None:
            logger.info("item done", extra={"duration": round(duration, 6)})
        else:
            customers = [deps.pseudonym(one) for one in given_up.work.customers]
            logger.error("item given up", extra={"receives": receives, "customers": customers})
        metrics.add_metric("ItemsGivenUp" if given_up else "ItemsDone", MetricUnit.Count, 1)
        metrics.add_metric("ItemSeconds", MetricUnit.Seconds, duration)

    def evaluate_and_log(record: SQSRecord) -> None:
        item = _item(record)
        logs.begin(f"{context.aws_request_id}.{item.page}.{item.number}")
        with (
            logger.append_context_keys(run_id=item.run_id, page=item.page, item=item.number),
            message_span("evaluate item", record, item.run_id, item.page),
        ):
            evaluate(record)

    answer = process_partial_response(event, evaluate_and_log, processor, context)
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    delays = {
        record.receipt_handle: delay(_receives(record))
        for record in records
        if record.message_id in failed
    }
    try:
        deps.queue.postpone(delays)
    except UserError as error:  # then they are received again when their visibility ends
        extra = {"code": error.code, "run_id": ", ".join(sorted(failed_runs))}
        logger.warning("items could not be postponed", extra=extra)
    return answer


def _item(record: SQSRecord) -> FleetItem:
    return msgspec.json.decode(record.body, type=FleetItem)


def _receives(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count)
