"""Has every running engine serve a ruleset, to publish it or to roll back."""

from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence import logs
from tuppence.bootstrap.aws import refresh_dependencies
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import traced
from tuppence.usecases.editions import Edition
from tuppence.usecases.publish_rules import publish_edition

logger = function_logger("refresh")
metrics = Metrics(namespace="tuppence", service="refresh")


class Refresh(msgspec.Struct, frozen=True):
    """The event of the function.

    Attributes:
        ruleset: Digest of a ruleset; the current one if omitted.
        edition: Edition of a ruleset that was built from definitions; left out if a person has
            chosen the ruleset.
    """

    ruleset: str | None = None
    edition: Edition | None = None


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@traced("refresh")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make a ruleset ready in all engines, make it the current one, and have all engines serve it.

    If the current ruleset is of a newer edition, it stays the current one, and engines serve it.

    Raises:
        UserError: An engine did not confirm the ruleset.
    """
    logs.begin(context.aws_request_id)  # the id that engines log, too
    deps, request = refresh_dependencies(), msgspec.convert(event, Refresh)
    digest, current, confirmed = publish_edition(
        deps.rulesets, deps.engines, request.ruleset, request.edition
    )
    logger.info(
        "published" if current == digest else "superseded",
        extra={"ruleset": digest, "current": current, "engines": len(confirmed)},
    )
    return {"ruleset": current, "engines": [one.address for one in confirmed]}
