"""Reports how far the nightly run is, whether it is late, and how long files wait.

It resumes the listing of a run that broke off.
"""

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import watch_dependencies
from tuppence.lambdas.logs import function_logger
from tuppence.usecases.fleet.listing import continuation
from tuppence.usecases.fleet.watching import run_of, watch_night

logger = function_logger("watch")
metrics = Metrics(namespace="tuppence", service="watch")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Report the run of today and the files that wait."""
    del event, context
    deps = watch_dependencies()
    settings = deps.settings
    now = datetime.datetime.now(settings.zone)
    run = run_of(deps.ledger, now)
    if run is not None and not run.listed:  # first, as reading the progress of a large run is long
        deps.list_on(msgspec.to_builtins(continuation(run)))
    run_id = "" if run is None else run.run_id
    night = deps.complete.get(run_id) or watch_night(deps.ledger, run, now, settings.whole_by)
    if night.progress is not None and night.progress.complete:
        deps.complete[run_id] = night  # it stays so
    metrics.add_metric("NightLate", MetricUnit.Count, int(bool(night.problem)))
    fields: dict[str, Any] = {"late": bool(night.problem)}
    if night.progress is not None:
        found = night.progress
        counts = {
            "PagesLeft": found.unsplit,
            "ItemsLeft": found.items - found.done - found.given_up,
            "NightDone": found.done,
            "NightGivenUp": found.given_up + found.given_up_pages,
        }
        for name, count in counts.items():
            metrics.add_metric(name, MetricUnit.Count, max(count, 0))
        fields |= {"run_id": found.run_id, "ended": found.ended, **counts}
    if night.problem:
        logger.error("night late", extra=fields | {"reason": night.problem})
    else:
        logger.info("night watched", extra=fields)
    return fields | _watch_files(deps.arrivals(), now)


def _watch_files(arrivals: Sequence[datetime.datetime], now: datetime.datetime) -> dict[str, int]:
    """Report how many files wait to be taken in, and for how long the oldest has."""
    oldest = max(((now - moment).total_seconds() for moment in arrivals), default=0.0)
    found = {"FilesWaiting": len(arrivals), "FilesOldestSeconds": max(round(oldest), 0)}
    metrics.add_metric("FilesWaiting", MetricUnit.Count, found["FilesWaiting"])
    metrics.add_metric("FilesOldestSeconds", MetricUnit.Seconds, found["FilesOldestSeconds"])
    return found
