"""Begins a night by parts, and finishes it."""

import datetime
import time
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence.bootstrap.part_functions import NightDependencies, night_dependencies
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Use
from tuppence.feel.values import Date, parse_date
from tuppence.lambdas.logs import function_logger
from tuppence.lambdas.traces import traced
from tuppence.rules.ruleset import read_ruleset
from tuppence.usecases.fleet.listing import resolve_run
from tuppence.usecases.fleet.messages import Start, day_number
from tuppence.usecases.part_night import begin_by_parts, finish_by_parts

logger = function_logger("night")


class NightEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The event of the function.

    Attributes:
        start: The night to begin or resume.
        run_id: Otherwise the name of the run to finish.
    """

    start: Start | None = None
    run_id: str = ""


@logger.inject_lambda_context
@traced("night")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Begin or resume a night, or finish it once its parts were done.

    Raises:
        UserError: Parts are missing, which the message names; or the night cannot begin.
    """
    del context
    asked, deps = msgspec.convert(event, NightEvent), night_dependencies()
    if asked.start is not None:
        return _begin(asked.start, deps)
    return _finish(asked.run_id, deps)


def _begin(start: Start, deps: NightDependencies) -> dict[str, Any]:
    """Enter a night, and list the parts that are left to do."""
    if start.prefix or start.customers or start.run_id:
        message = "a night by parts is about everybody, and names itself"
        raise UserError("run.everybody", message, "leave out prefix, customers and run_id")
    now = datetime.datetime.now(deps.settings.zone)
    resolved = resolve_run(start, deps.rulesets.current, now, 0, 0)
    as_of = parse_date(resolved.as_of)
    if as_of is None:
        raise TypeError(resolved.as_of)
    facts, nights = deps.store.nights(_use(now, as_of))
    if not facts.partitions():
        message = f"{deps.store}: there are no customers in this store"
        raise UserError("run.empty", message)
    ruleset = read_ruleset(deps.rulesets.get(resolved.ruleset), facts.schema)
    deps.store.rulesets.put(ruleset)
    run_id, parts = begin_by_parts(facts, nights, ruleset, as_of, _now)
    left = nights.list_left(run_id, parts)
    logger.info("night begun", extra={"run_id": run_id, "parts": left.count})
    return {"run_id": run_id, **msgspec.to_builtins(left)}


def _finish(run_id: str, deps: NightDependencies) -> dict[str, Any]:
    """Enter that a night is finished, or say which parts are missing."""
    today = datetime.datetime.now(deps.settings.zone)
    _, nights = deps.store.nights(_use(today, _date(today)))
    try:
        outcome = finish_by_parts(nights, run_id, _now)
    except UserError as error:
        extra = {"run_id": run_id, "code": error.code, "missing": error.details}
        logger.error("night not finished", extra=extra)  # noqa: TRY400 - no bug
        message = ": ".join([error.message, *filter(None, ["; ".join(error.details)])])
        raise UserError(error.code, message, error.hint) from None
    tally = outcome.tally
    counts = {"customers": tally.customers, "changed": tally.changed}
    logger.info("night finished", extra={"run_id": run_id, **counts})
    return {"run_id": run_id, **counts}


def _use(now: datetime.datetime, as_of: Date) -> Use:
    """Return the use of facts by a night, which consents must allow today."""
    return Use(PURPOSES, _date(now).day, as_of.day)


def _date(moment: datetime.datetime) -> Date:
    return Date(day_number(moment.date()))


def _now() -> int:
    return time.time_ns() // 1_000_000
