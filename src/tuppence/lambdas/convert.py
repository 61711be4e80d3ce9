"""Builds a ruleset from the approved definitions; by hand, on a schedule, or when one changes."""

from typing import Any

import msgspec
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence import logs
from tuppence.bootstrap.aws import convert_dependencies
from tuppence.errors import UserError
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import traced
from tuppence.usecases.fleet.listing import resolve_date
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.publish_rules import convert

logger = function_logger("convert")
metrics = Metrics(namespace="tuppence", service="convert")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
@traced("convert")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check and test the definitions, store their ruleset, and have every engine serve it.

    Raises:
        UserError: A definition has errors, which are logged; nothing is changed.
    """
    logs.begin(context.aws_request_id)  # the id that the relay logs, too
    deps = convert_dependencies()
    as_of = resolve_date(msgspec.convert(event, Start), deps.settings.zone)
    try:
        ruleset, edition, warnings = convert(deps.definitions, deps.rulesets, as_of)
    except UserError as error:
        extra = {"code": error.code, "errors": error.details}
        logger.error("definitions refused", extra=extra)  # noqa: TRY400 - no bug
        raise
    deps.refresh({"ruleset": ruleset.digest, "edition": edition})
    logger.info("converted", extra={"ruleset": ruleset.digest, "rules": len(ruleset.rules)})
    return {"ruleset": ruleset.digest, "edition": edition, "warnings": warnings}
