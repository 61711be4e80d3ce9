"""Explains a result: the clauses of the condition, their values, the transactions that counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuppence.derived.context import Row, customer_context
from tuppence.engine.clauses import Part, Recorder, one_line
from tuppence.engine.columnar import feature_values
from tuppence.engine.reference import Problem, evaluate_rule
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel import Date, Span, feel_text, syntax
from tuppence.plan.model import model_of
from tuppence.plan.passes import column_plan
from tuppence.plan.plan import PlannedRule, on_day
from tuppence.results.result import Result
from tuppence.rules.checking import CheckedRule


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter in the condition, and the rows that passed it."""

    text: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of one rule for one customer, and how it came about.

    Attributes:
        result: The result that a run would store.
        clauses: The operands of every `and` and `or`.
        features: Features in words, with their values; amounts are signed. Empty for a rule that
            does not fit columns.
        selections: Filters over collections, each listed once.
        problems: Reasons why the condition or a value is null.
    """

    result: Result
    clauses: tuple[Part, ...]
    features: tuple[tuple[str, Any], ...]
    selections: tuple[Selection, ...]
    problems: tuple[Problem, ...]


def explain(checked: CheckedRule, facts: FactBatch, as_of: Date, schema: Schema) -> Explanation:
    """Explain a rule for the one customer of a batch."""
    text = checked.rule.when
    selected: dict[Span, list[Row]] = {}
    recorder = Recorder(checked)

    def record(node: syntax.Node, value: Any) -> None:
        recorder.record(node, value)
        if isinstance(node, syntax.Filter) and isinstance(value, list):
            selected[node.span] = value

    planned = PlannedRule(on_day(checked, as_of), as_of, record)
    problems: Counter[Problem] = Counter()
    if not checked.rule.in_force(as_of):
        message = f"the rule or its approval is not valid on {as_of}"
        problems[Problem(checked.rule.id, "when", "rule.not-in-force", 0, message)] += 1
    context = customer_context(facts, 0, as_of, streams=planned.reads_streams)
    result = evaluate_rule(planned, context, as_of, problems)
    selections = {
        text[slice(*span)]: rows for span, rows in sorted(selected.items()) if _are_rows(rows)
    }
    return Explanation(
        result,
        recorder.clauses(),
        tuple(_features(checked, facts, as_of, schema)),
        tuple(Selection(one_line(part), tuple(rows)) for part, rows in selections.items()),
        tuple(problems),
    )


def document(customer: str, as_of: Date, found: Explanation) -> dict[str, Any]:
    """Return an explanation as a JSON document, with values written as in FEEL."""

    def part(clause: Part) -> dict[str, Any]:
        return {
            "text": clause.text,
            "value": feel_text(clause.value),
            "reached": clause.reached,
            "parts": [part(inner) for inner in clause.parts],
        }

    return {
        "customer_id": customer,
        "rule_id": found.result.rule_id,
        "as_of": str(as_of),
        "state": found.result.state,
        "score": found.result.score,
        "values": {n: feel_text(v) for n, v in found.result.values.items()},
        "clauses": [part(clause) for clause in found.clauses],
        "features": [{"text": text, "value": feel_text(value)} for text, value in found.features],
        "selections": [
            {
                "text": selection.text,
                "rows": [
                    {n: None if v is None else str(v) for n, v in row.items()}
                    for row in selection.rows
                ],
            }
            for selection in found.selections
        ],
        "problems": [problem._asdict() for problem in found.problems],
    }


def _features(
    checked: CheckedRule, facts: FactBatch, as_of: Date, schema: Schema
) -> list[tuple[str, Any]]:
    plan = column_plan([checked], model_of(schema, as_of), as_of)
    return feature_values(plan, facts, 0) if plan.rules[0].planned else []


def _are_rows(rows: Sequence[Any]) -> bool:
    return all(isinstance(row, dict) and "booking date" in row for row in rows)
