"""The reference engine: one customer, one rule at a time, in the plain words of the language.

It is slow and obvious on purpose, and it is the specification: every other engine must agree with
it bit for bit.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.facts.batch import FactBatch
from tuppence.facts.context import customer_context
from tuppence.feel import Outcome
from tuppence.feel.numbers import CONTEXT
from tuppence.plan.plan import Plan, PlannedRule
from tuppence.results.result import CustomerResults, Result, State, values_text

SCORE_UNIT: Final = Decimal("0.0001")


class Problem(NamedTuple):
    """Why a rule, or a part of it, was null for a customer.

    Attributes:
        rule_id: Of the rule.
        place: `when`, `score`, or the name of a value.
        code: Of the diagnostic.
        position: Offset in the text of that place.
        message: In plain words.
    """

    rule_id: str
    place: str
    code: str
    position: int
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a batch gave.

    Attributes:
        customers: The results, in the order of the batch.
        problems: How many customers met each problem.
    """

    customers: tuple[CustomerResults, ...]
    problems: Counter[Problem]


def evaluate(plan: Plan, facts: FactBatch) -> Evaluation:
    """Evaluate every rule of the plan for every customer of the batch."""
    problems: Counter[Problem] = Counter()
    customers: list[CustomerResults] = []
    for index, customer_id in enumerate(facts.customer_ids):
        context = customer_context(facts, index, plan.as_of)
        results = [evaluate_rule(rule, context, plan, problems) for rule in plan.rules]
        customers.append(
            CustomerResults(customer_id, plan.as_of.day, plan.ruleset.digest, tuple(results))
        )
    return Evaluation(tuple(customers), problems)


def evaluate_rule(
    planned: PlannedRule, context: Mapping[str, Any], plan: Plan, problems: Counter[Problem]
) -> Result:
    """One rule for one customer; whatever happens in it stays with it."""
    rule = planned.rule
    unknown = Result(rule.id, State.UNKNOWN, None, "", plan.as_of.day)
    history = int(context["customer"]["history days"])
    if history < rule.minimum_history_days:
        message = f"fewer than {rule.minimum_history_days} days of history"
        problems[Problem(rule.id, "when", "rule.history", 0, message)] += 1
        return unknown
    try:
        condition = _noted(planned.when.evaluate(context), rule.id, "when", problems)
        if condition is None:
            return unknown
        if condition is not True:
            return Result(rule.id, State.NOT_QUALIFIED, None, "", plan.as_of.day)
        score = _noted(planned.score.evaluate(context), rule.id, "score", problems)
        values: dict[str, Any] = {}
        for name, expression in planned.values:
            outcome = expression.evaluate({**context, **values})
            values[name] = _noted(outcome, rule.id, name, problems)
        kept = values_text(values)
    except Exception as error:
        message = f"{type(error).__name__}: please report this"
        problems[Problem(rule.id, "when", "rule.defect", 0, message)] += 1
        return unknown
    return Result(rule.id, State.QUALIFIED, _score(score), kept, plan.as_of.day)


def _noted(outcome: Outcome, rule_id: str, place: str, problems: Counter[Problem]) -> Any:
    """The value of an outcome. Where it is null, the reasons are counted."""
    if outcome.value is None:
        for found in outcome.diagnostics:
            problem = Problem(rule_id, place, found.code, found.span.start, found.message)
            problems[problem] += 1
        if not outcome.diagnostics:
            problems[Problem(rule_id, place, "rule.null", 0, "the value is null")] += 1
    return outcome.value


def _score(value: Any) -> Decimal | None:
    """The score held to 0 to 100 and rounded half even to 4 decimals."""
    if not isinstance(value, Decimal):
        return None
    return CONTEXT.quantize(min(max(value, Decimal(0)), Decimal(100)), SCORE_UNIT)
