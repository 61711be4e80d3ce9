"""The reference engine: evaluates one rule for one customer at a time.

It is slow and obvious on purpose, and it is the specification: every other engine must agree with
it bit for bit.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.derived.context import customer_context
from tuppence.facts.batch import FactBatch
from tuppence.feel import Date, Outcome
from tuppence.feel.numbers import CONTEXT
from tuppence.plan.plan import Plan, PlannedRule
from tuppence.results.batch import ResultBatch
from tuppence.results.packed import check_day, pack
from tuppence.results.result import Result, State, packed, rounded

SCORE_UNIT: Final = Decimal("0.0001")
HISTORY: Final = "rule.history"
"""Code of the problem that a customer's history is too short for a rule."""


class Problem(NamedTuple):
    """The reason why a rule, or a part of it, was null for a customer.

    Attributes:
        rule_id: Identifier of the rule.
        place: `when`, `score`, or the name of a value.
        code: Code of the diagnostic.
        position: Offset in the text at that place.
        message: The reason, in plain words.
    """

    rule_id: str
    place: str
    code: str
    position: int
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of a batch.

    Attributes:
        results: Results in the order of the batch.
        problems: Number of customers who met each problem.
    """

    results: ResultBatch
    problems: Counter[Problem]


def evaluate(plan: Plan, facts: FactBatch) -> Evaluation:
    """Evaluate every rule of the plan for every customer of the batch."""
    check_day(plan.as_of.day)
    problems: Counter[Problem] = Counter()
    rows: list[bytes] = []
    streams = any(rule.reads_streams for rule in plan.rules)
    for index in range(len(facts)):
        context = customer_context(facts, index, plan.as_of, streams=streams)
        results = [evaluate_rule(rule, context, plan.as_of, problems) for rule in plan.rules]
        rows.append(pack([packed(result) for result in results]))
    data = np.frombuffer(b"".join(rows), np.uint8)
    offsets = np.cumsum([0, *map(len, rows)])
    batch = ResultBatch(facts.customer_ids, plan.as_of.day, plan.layout, data, offsets)
    return Evaluation(batch, problems)


def evaluate_rule(
    planned: PlannedRule, context: Mapping[str, Any], as_of: Date, problems: Counter[Problem]
) -> Result:
    """Evaluate one rule for one customer; an error in it affects no other result."""
    rule = planned.rule
    unknown = Result(rule.id, State.UNKNOWN, None, {}, as_of.day)
    history = int(context["customer"]["history days"])
    if history < rule.minimum_history_days:
        problems[history_problem(rule.id, rule.minimum_history_days)] += 1
        return unknown
    try:
        condition = _noted(planned.when.evaluate(context), rule.id, "when", problems)
        if condition is None:
            return unknown
        if condition is not True:
            return Result(rule.id, State.NOT_QUALIFIED, None, {}, as_of.day)
        score = _noted(planned.score.evaluate(context), rule.id, "score", problems)
        values: dict[str, Any] = {}
        for name, expression in planned.values:
            outcome = expression.evaluate({**context, **values})
            values[name] = _noted(outcome, rule.id, name, problems)
        kept = {name: rounded(value) for name, value in values.items()}
    except Exception as error:
        message = f"{type(error).__name__}: please report this"
        problems[Problem(rule.id, "when", "rule.defect", 0, message)] += 1
        return unknown
    return Result(rule.id, State.QUALIFIED, _score(score), kept, as_of.day)


def history_problem(rule_id: str, days: int) -> Problem:
    """Return the problem of a customer whose history is shorter than the rule requires."""
    return Problem(rule_id, "when", HISTORY, 0, f"fewer than {days} days of history")


def _noted(outcome: Outcome, rule_id: str, place: str, problems: Counter[Problem]) -> Any:
    """Return the value of an outcome; count the reasons if it is null."""
    if outcome.value is None:
        for found in outcome.diagnostics:
            problem = Problem(rule_id, place, found.code, found.span.start, found.message)
            problems[problem] += 1
        if not outcome.diagnostics:
            problems[Problem(rule_id, place, "rule.null", 0, "the value is null")] += 1
    return outcome.value


def _score(value: Any) -> Decimal | None:
    """Return a score clamped to 0 to 100 and rounded half even to 4 decimals."""
    if not isinstance(value, Decimal):
        return None
    return CONTEXT.quantize(min(max(value, Decimal(0)), Decimal(100)), SCORE_UNIT)
