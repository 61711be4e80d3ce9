"""Lowers the expressions of rules to steps over columns, and records what does not fit."""

from collections.abc import Sequence

from tuppence.feel import syntax
from tuppence.feel.values import Date, DateTime
from tuppence.plan.code import Code, RegisterType, Value
from tuppence.plan.columns import SCORE_UNIT, ColumnPlan, LoweredRule, Refusal
from tuppence.plan.instructions import UNSURE, Opcode
from tuppence.plan.lowering import Lowering
from tuppence.plan.model import Model
from tuppence.plan.predicate_analysis import PredicateAnalyzer
from tuppence.plan.row_steps import max_rows, table_bits
from tuppence.plan.rows import RowPlanner
from tuppence.plan.scope import Binding, NotColumnar, Scope, resolved
from tuppence.rules.checking import CheckedRule, Place


def lower(
    rules: Sequence[CheckedRule], model: Model, as_of: Date, previous: ColumnPlan | None = None
) -> tuple[LoweredRule, ...]:
    """Lower each rule, or take it from a previous plan for the same facts and date.

    >>> from pathlib import Path
    >>> from tuppence.facts.schema import Schema
    >>> from tuppence.plan.model import model_of
    >>> from tuppence.rules.files import read_rules
    >>> fees = read_rules(Path("catalogue/bank_fees.yaml"), Schema()).usable()
    >>> today = Date(20_634)
    >>> (rule,) = lower(fees, model_of(Schema(), today), today)
    >>> rule.code.steps[rule.when.step].operation.name  # 5 <= total(…)
    'LESS_OR_EQUAL'
    >>> rule.refusals
    ()
    """
    known: dict[int, LoweredRule] = {}
    same_facts = previous is not None and previous.model.attributes == model.attributes
    if previous is not None and same_facts and previous.as_of == as_of:
        known = {id(one.checked): one for one in previous.lowered}
    planner = RowPlanner(PredicateAnalyzer(model, DateTime(as_of.day, 0)))
    return tuple(known.get(id(rule)) or _lower_rule(rule, planner) for rule in rules)


def _lower_rule(checked: CheckedRule, planner: RowPlanner) -> LoweredRule:
    code = Code()
    lowering = Lowering(planner, code)
    refusals: list[Refusal] = []
    scope = Scope({})

    def attempt(place: Place) -> Value | None:
        try:
            return lowering.value(checked.trees[place], scope)
        except NotColumnar as problem:
            refusals.append(Refusal(place[-1], problem.reason, problem.span))
            return None

    when = _condition(lowering, checked.trees["when",], scope, refusals)
    history: Value | None = None
    days = checked.rule.minimum_history_days
    if days:
        held = lowering.attribute(("customer", "history days"))
        history = code.less(held, code.constant(days))
    used = len(code.steps)
    score: Value | None = None
    values: list[Value] = []
    if not refusals:
        score = attempt(("score",))
        if score is not None and score.kind is not RegisterType.NUMBER:
            refusals.append(Refusal("score", "it is not a number", (0, 0)))
        elif score is not None:
            score = _clamped(code, _in_score_units(code, score))
        for name in checked.rule.values:
            found = attempt(("values", name))
            if found is not None and found.kind in {RegisterType.DAYS, RegisterType.MONTHS}:
                refusals.append(Refusal(name, f"it is a {found.kind.value}", (0, 0)))
            elif found is not None:
                is_number = found.kind is RegisterType.NUMBER
                values.append(_in_score_units(code, found) if is_number else found)
            scope = Scope({name: Binding(checked.trees["values", name], scope)}, scope)
    if refusals:
        del code.steps[used:]  # the interpreter does the rest
    return LoweredRule(
        checked,
        code,
        when,
        history,
        score,
        tuple(values),
        tuple(refusals),
        max_rows(checked),
        table_bits(checked),
    )


def _condition(
    lowering: Lowering, node: syntax.Node, scope: Scope, refusals: list[Refusal]
) -> Value:
    """Return the condition of a rule, which is unsure from where it does not fit.

    What precedes a part that does not fit decides alone where the interpreter would not come to
    that part: before `and` where it is false, before `or` where it is true. Nothing after it does,
    since the interpreter may exceed its budget there.
    """
    try:
        return lowering.truth(node, scope)
    except NotColumnar as problem:
        node, scope = resolved(node, scope)
        unsure = lowering.code.truth(UNSURE)
        if not isinstance(node, syntax.Logic):
            refusals.append(Refusal("when", problem.reason, problem.span))
            return unsure
    left = _condition(lowering, node.left, scope, refusals)
    if left == unsure:
        return unsure
    right = unsure if refusals else _condition(lowering, node.right, scope, refusals)
    operation = Opcode.AND if node.operator == "and" else Opcode.OR
    return lowering.code.add(operation, left, right, kind=RegisterType.CONDITION)


def _in_score_units(code: Code, value: Value) -> Value:
    """Return a number in units of one ten-thousandth."""
    return code.add(Opcode.MULTIPLY, value, code.constant(SCORE_UNIT, power=-value.power))


def _clamped(code: Code, score: Value) -> Value:
    """Return a score within 0 to 100."""
    below = code.add(Opcode.MINIMUM, score, code.constant(100 * SCORE_UNIT))
    return code.add(Opcode.MAXIMUM, below, code.constant(0))
