"""Lists the customers of a run into the customer queue; by a schedule, or by hand."""

import datetime
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import lister
from tuppence.usecases.fleet.listing import continuation, list_customers, resolve_run
from tuppence.usecases.fleet.messages import FleetRun, Start

logger = Logger(service="customer")
metrics = Metrics(namespace="tuppence", service="customer")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Begin the run that is asked for, or go on with it; if time runs short, in another call."""
    parts = lister()
    settings = parts.settings
    start = msgspec.convert(event, Start)
    asked = resolve_run(
        start,
        parts.rulesets.current,
        datetime.datetime.now(settings.zone),
        settings.customers_per_item,
        settings.rules_per_item,
    )
    run = parts.ledger.begin(asked)
    before = run.pages

    def may_go_on() -> bool:
        return context.get_remaining_time_in_millis() > 1_000 * settings.margin_seconds

    run = list_customers(run, parts.customers, parts.queue, parts.ledger, may_go_on)
    metrics.add_metric("PagesListed", MetricUnit.Count, run.pages - before)
    if not run.listed:
        parts.call_again(context.function_name, msgspec.to_builtins(continuation(run)))
    return _told(run)


def _told(run: FleetRun) -> dict[str, Any]:
    found = {"run_id": run.run_id, "pages": run.pages, "listed": run.listed}
    logger.info("listed" if run.listed else "to be gone on with", extra=found)
    return found
