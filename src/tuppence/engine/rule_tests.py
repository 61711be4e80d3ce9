"""Evaluates the test customers of a rule, and compares their results with its expectations."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tuppence.derived.context import customer_context
from tuppence.engine.clauses import Part, Recorder
from tuppence.engine.reference import Problem, evaluate_rule
from tuppence.facts.schema import Schema
from tuppence.feel import FeelSyntaxError, evaluate, feel_text
from tuppence.feel.values import Date
from tuppence.plan.plan import PlannedRule
from tuppence.results.result import Result, State
from tuppence.rules.checking import CheckedRule
from tuppence.rules.examples import example_date, example_facts
from tuppence.rules.message import Rendered, render
from tuppence.rules.rule import Example


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one test customer; without failures it is as expected."""

    rule_id: str
    name: str
    failures: tuple[str, ...]


def try_examples(checked: CheckedRule, schema: Schema) -> list[Verdict]:
    """Evaluate all test customers of a rule.

    Raises:
        UserError: The facts of a test are invalid.
    """
    verdicts: list[Verdict] = []
    recorder = Recorder(checked)
    planned = _planner(checked, recorder)
    for example in checked.rule.tests:
        problems: Counter[Problem] = Counter()
        recorder.clear()
        result = _tried(planned, example, schema, problems)
        failures = tuple(_failures(example, result, problems, recorder.clauses()))
        verdicts.append(Verdict(checked.rule.id, example.name, failures))
    return verdicts


def sample(checked: CheckedRule, schema: Schema, locale: str = "en_GB") -> Rendered | None:
    """Return the message that the first qualifying test customer reads; None if no one qualifies.

    Raises:
        MessageError: The message cannot be written.
    """
    planned = _planner(checked, Recorder(checked))
    for example in checked.rule.tests:
        if State(example.expect) is State.QUALIFIED:
            result = _tried(planned, example, schema, Counter())
            currency = str(example.customer.get("currency", "GBP"))
            return render(checked.rule, result.values, currency, locale)
    return None


def _planner(checked: CheckedRule, recorder: Recorder) -> Callable[[Date], PlannedRule]:
    """Return what plans a rule for a date, once for all test customers of that date."""
    return functools.cache(lambda as_of: PlannedRule(checked, as_of, recorder.record))


def _tried(
    planner: Callable[[Date], PlannedRule],
    example: Example,
    schema: Schema,
    problems: Counter[Problem],
) -> Result:
    """Evaluate a rule for a test customer; add the reasons for unknown parts to the problems."""
    as_of = example_date(example)
    planned = planner(as_of)
    facts = example_facts(example, schema)
    context = customer_context(facts, 0, as_of, streams=planned.reads_streams)
    return evaluate_rule(planned, context, as_of, problems)


def _failures(
    example: Example, result: Result, problems: Counter[Problem], clauses: Sequence[Part]
) -> Iterator[str]:
    if result.state != example.expect:
        yield f"expected {example.expect}, and it is {result.state}"
        yield from (f"{problem.place}: {problem.message}" for problem in problems)
        for clause in clauses:
            if clause.reached:
                yield f"{feel_text(clause.value)}: {clause.text}"
                yield from (f"    {part.text} is {feel_text(part.value)}" for part in clause.parts)
    if example.score is not None and result.score != _number(example.score):
        yield f"expected the score {example.score}, and it is {result.score}"
    values = result.values
    for name, text in example.values.items():
        try:
            wanted = evaluate(text)
        except FeelSyntaxError as error:
            yield f"values.{name}: {error.message}"
            continue
        if name not in values:
            yield f"there is no value {name}"
        elif values[name] != wanted:
            found = feel_text(values[name])
            yield f"expected {name} to be {feel_text(wanted)}, and it is {found}"


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
