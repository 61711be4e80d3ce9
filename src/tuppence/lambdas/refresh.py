"""Has every running engine serve a ruleset: that is a publication, and a roll-back too."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.aws import refresher
from tuppence.usecases.editions import Edition
from tuppence.usecases.publish_rules import publish_edition

logger = Logger(service="refresh")
metrics = Metrics(namespace="tuppence", service="refresh")


class Refresh(msgspec.Struct, frozen=True):
    """The event.

    Attributes:
        ruleset: Digest; the current ruleset where it is left out.
        edition: Of a ruleset that was made of definitions; left out where a person names one.
    """

    ruleset: str | None = None
    edition: Edition | None = None


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All engines make it ready, then it becomes the current one, then all serve it.

    Where a newer edition is the current one already, nothing is changed but that engines serve it.

    Raises:
        UserError: An engine did not confirm it.
    """
    del context
    parts, asked = refresher(), msgspec.convert(event, Refresh)
    digest, current, confirmed = publish_edition(
        parts.rulesets, parts.engines, asked.ruleset, asked.edition
    )
    logger.info(
        "published" if current == digest else "superseded",
        extra={"ruleset": digest, "current": current, "engines": len(confirmed)},
    )
    return {"ruleset": current, "engines": [one.address for one in confirmed]}
