"""Has every running engine serve a ruleset: that is a publication, and a roll-back too."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import refresher
from tuppence.errors import UserError
from tuppence.usecases.publishing import publish

logger = Logger(service="refresh")
metrics = Metrics(namespace="tuppence", service="refresh")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All engines make it ready, then it becomes the current one, then all serve it.

    Raises:
        UserError: An engine did not confirm it.
    """
    del context
    parts = refresher()
    digest = event.get("ruleset") or parts.rulesets.current()
    if digest is None:
        raise UserError("ruleset.none", "no ruleset was published yet", "name one")
    confirmed = publish(digest, parts.rulesets, parts.engines())
    logger.info("published", extra={"ruleset": digest, "engines": len(confirmed)})
    return {"ruleset": digest, "engines": [one.address for one in confirmed]}
