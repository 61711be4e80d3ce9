"""Makes a ruleset of the approved definitions; by hand, on a schedule, or when one changes."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import converter
from tuppence.errors import UserError
from tuppence.usecases.fleet.listing import resolve_date
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.publish_rules import convert

logger = Logger(service="convert")
metrics = Metrics(namespace="tuppence", service="convert")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check and try the definitions, keep their ruleset, and have every engine serve it.

    Raises:
        UserError: Anything is wrong with them: the log says what, and nothing is changed.
    """
    del context
    parts = converter()
    as_of = resolve_date(msgspec.convert(event, Start), parts.settings.zone)
    try:
        ruleset, edition, warnings = convert(parts.relay, parts.rulesets, as_of)
    except UserError as error:
        logger.error(error.code, extra={"errors": error.details})  # noqa: TRY400 - no bug
        raise
    parts.refresh({"ruleset": ruleset.digest, "edition": edition})
    logger.info("converted", extra={"ruleset": ruleset.digest, "rules": len(ruleset.rules)})
    return {"ruleset": ruleset.digest, "warnings": warnings}
