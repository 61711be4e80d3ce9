"""Does one part of a night by parts."""

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.part_functions import part_of_night
from tuppence.errors import UserError
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import traced
from tuppence.usecases.ledger import WorkItem
from tuppence.usecases.part_night import PartProblem

logger = function_logger("part")


class PartEvent(msgspec.Struct, frozen=True):
    """The event of the function.

    Attributes:
        folder: The folder of the run.
        version: The version of this program that began the run.
        part: The part.
    """

    folder: str
    version: str
    part: WorkItem


@logger.inject_lambda_context
@traced("part")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do a part, unless it is done.

    Raises:
        UserError: It cannot be done; the reason is kept for the end of the night.
    """
    del context
    asked = msgspec.convert(event, PartEvent)
    with logger.append_context_keys(folder=asked.folder, part=asked.part.name):
        found = part_of_night(asked.folder, asked.version)(asked.part)
        if isinstance(found, PartProblem):
            logger.error("part not done", extra={"code": found.code, "reason": found.message})
            raise UserError(found.code, found.message, found.hint)
        counts = {"customers": found.customers, "changed": found.changed}
        logger.info("part done", extra=counts)
    return counts
