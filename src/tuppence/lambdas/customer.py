"""Sends the customers of a run to the customer queue, in pages; on a schedule, or by hand."""

import datetime
from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence import logs
from tuppence.bootstrap.aws import customer_dependencies
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import traced
from tuppence.usecases.fleet.listing import continuation, list_customers, resolve_run
from tuppence.usecases.fleet.messages import Start

logger = function_logger("customer")
metrics = Metrics(namespace="tuppence", service="customer")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@traced("customer")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start or resume a run; if time runs short, call this function again to continue."""
    logs.begin(context.aws_request_id)  # the id that the relay logs, too
    deps = customer_dependencies()
    settings = deps.settings
    start = msgspec.convert(event, Start)
    resolved = resolve_run(
        start,
        deps.rulesets.current,
        datetime.datetime.now(settings.zone),
        settings.customers_per_item,
        settings.rules_per_item,
    )
    with logger.append_context_keys(run_id=resolved.run_id):
        run = deps.ledger.begin(resolved)
        before = run.pages

        def has_time() -> bool:
            return context.get_remaining_time_in_millis() > 1_000 * settings.margin_seconds

        run = list_customers(run, deps.customers, deps.queue, deps.ledger, has_time)
        metrics.add_metric("PagesListed", MetricUnit.Count, run.pages - before)
        if not run.listed and not has_time():
            deps.call_again(context.function_name, msgspec.to_builtins(continuation(run)))
        progress = {"pages": run.pages, "listed": run.listed}
        logger.info("listed" if run.listed else "listing continues", extra=progress)
    return {"run_id": run.run_id, **progress}
