"""From checked rules to a plan for columns, in a few passes one after another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from tuppence.facts.schema import Kind as FieldKind
from tuppence.feel.values import Date, DateTime
from tuppence.plan import instructions as do
from tuppence.plan.code import Accumulator, Code, Feature, Kind, Reading, Source, Step, Value
from tuppence.plan.columns import (
    FALSE_ROW,
    NOTHING,
    SCORES,
    TRUE_ROW,
    ColumnPlan,
    ColumnRule,
    Constant,
    Dimension,
    Lowered,
    Refusal,
    TablePlan,
)
from tuppence.plan.literals import Beyond, Both, General, Literal, Relative
from tuppence.plan.lowering import Lowering
from tuppence.plan.model import Model, Table
from tuppence.plan.row_steps import most_rows
from tuppence.plan.rows import RowPlanner
from tuppence.plan.scope import Bound, Outside, Scope
from tuppence.rules.checking import CheckedRule, Place


def column_plan(
    rules: Sequence[CheckedRule], model: Model, as_of: Date, before: ColumnPlan | None = None
) -> ColumnPlan:
    """Plan rules for columns; what does not fit is noted with each rule.

    Args:
        rules: What to plan.
        model: What facts there are.
        as_of: For which date.
        before: Another plan; rules that are in it, too, are not lowered again, where it is for the
            same facts and the same date.
    """
    draft = Draft(rules, model, as_of, before)
    for step in PASSES:
        step(draft)
    return draft.finished()


# -- one rule: expressions to steps ----------------------------------------------------------------


def _lower(checked: CheckedRule, planner: RowPlanner) -> Lowered:
    code = Code()
    lowering = Lowering(planner, code)
    refusals: list[Refusal] = []
    scope = Scope({})

    def tried(place: Place, condition: bool) -> Value | None:
        ask = lowering.truth if condition else lowering.value
        try:
            return ask(checked.trees[place], scope)
        except Outside as outside:
            refusals.append(Refusal(place[-1], outside.reason, outside.span))
            return None

    when = tried(("when",), condition=True)
    used = 0
    score: Value | None = None
    values: list[Value] = []
    history: Value | None = None
    if when is not None:
        days = checked.rule.minimum_history_days
        if days:
            held = lowering.attribute(("customer", "history days"))
            history = code.add(do.LESS, held, code.constant(days), kind=Kind.CONDITION)
        used = len(code.steps)
        score = tried(("score",), condition=False)
        if score is not None and score.kind is not Kind.NUMBER:
            refusals.append(Refusal("score", "it is no number", (0, 0)))
        elif score is not None:
            score = _held(code, _scaled(code, score))
        for name in checked.rule.values:
            found = tried(("values", name), condition=False)
            if found is not None and found.kind in {Kind.DAYS, Kind.MONTHS}:
                refusals.append(Refusal(name, f"it is a {found.kind.value}", (0, 0)))
            elif found is not None:
                values.append(_scaled(code, found) if found.kind is Kind.NUMBER else found)
            scope = Scope({name: Bound(checked.trees["values", name], scope)}, scope)
    if refusals:
        del code.steps[used:]  # the rest is the interpreter's
    limit = most_rows(checked)
    return Lowered(checked, code, when, history, score, tuple(values), tuple(refusals), limit)


# -- all rules: steps to registers and instructions ------------------------------------------------


class _Registers:
    """Hands out registers, and takes back those whose value is not needed any more."""

    def __init__(self) -> None:
        self.free: list[int] = []
        self.count = 0

    def take(self) -> int:
        if self.free:
            return self.free.pop()
        self.count += 1
        return self.count - 1


class Draft:
    """A plan that is being made. Each pass fills in more of it.

    Args:
        rules: What is planned.
        model: What facts there are.
        as_of: For which date.
        before: Another plan, whose lowered rules can be taken over.
    """

    def __init__(
        self,
        rules: Sequence[CheckedRule],
        model: Model,
        as_of: Date,
        before: ColumnPlan | None = None,
    ) -> None:
        self.rules = rules
        self.model = model
        self.as_of = as_of
        self.before: tuple[Lowered, ...] = ()
        if before is not None and before.as_of == as_of:
            self.before = before.lowered if before.model.attributes == model.attributes else ()
        self.lowered: list[Lowered] = []
        self.features: dict[Feature, int] = {}
        self.readings: dict[Reading, int] = {}
        self.conditions: dict[Reading, int] = {}
        self.constants: dict[Constant, int] = {}
        self.tables: list[TablePlan] = []
        self.code: list[tuple[int, ...]] = []
        self.planned: list[ColumnRule] = []
        self.starts: list[int] = []
        self.outputs = [0]
        self.numbers = _Registers()
        self.masks = _Registers()

    # -- the passes ------------------------------------------------------------------------------

    def lower(self) -> str:
        """Turn expressions into steps over columns; note what does not fit."""
        planner = RowPlanner(self.model, DateTime(self.as_of.day, 0))
        known = {id(one.checked): one for one in self.before}
        self.lowered = [known.get(id(rule)) or _lower(rule, planner) for rule in self.rules]
        steps = sum(len(one.code.steps) for one in self.lowered)
        return f"{steps:,} steps, each once a rule"

    def share(self) -> str:
        """Collect what steps need from outside of the program: the same once for all rules."""
        uses = 0
        for one in self.lowered:
            for index in sorted(_needed(one.code, one.kept)):
                step = one.code.steps[index]
                uses += step.operation is Source.FEATURE
                self.note(step)
        readings = len(self.readings) + len(self.conditions)
        return f"{len(self.features):,} features used {uses:,} times, {readings:,} customer fields"

    def lay_out(self) -> str:
        """Put features into accumulators, and what filters ask into dimensions, table by table."""
        by_table: dict[str, list[Feature]] = {}
        for feature in self.features:
            by_table.setdefault(feature.accumulator.table, []).append(feature)
        known = {c.table.name: c.table for c in self.model.collections.values()}
        for name in sorted(by_table):
            first = sum(len(table.features) for table in self.tables)
            self.tables.append(_table_plan(known[name], by_table[name], first))
        self.features = {
            f: i for i, f in enumerate(f for table in self.tables for f in table.features)
        }
        accumulators = sum(len(table.accumulators) for table in self.tables)
        asked = sum(len(d.literals) for table in self.tables for d in table.dimensions)
        dimensions = sum(len(table.dimensions) for table in self.tables)
        return (
            f"{accumulators:,} accumulators; filters ask {asked:,} things of {dimensions:,} fields"
        )

    def emit(self) -> str:
        """Write the program: registers and instructions, rule by rule."""
        self.first_reading = len(self.features)
        self.first_constant = self.first_reading + len(self.readings)
        self.first_number = self.first_constant + len(self.constants)
        self.first_mask = FALSE_ROW + 1 + len(self.conditions)
        for index, one in enumerate(self.lowered):
            self.starts.append(len(self.code))
            if one.when is not None:
                self.emit_rule(index, one, self.outputs[-1])
            self.outputs.append(self.outputs[-1] + len(one.checked.rule.values))
            steps = (one.code.steps[index] for index in _needed(one.code, one.kept))
            used = {self.features[s.detail] for s in steps if s.operation is Source.FEATURE}
            kinds = () if one.refusals else tuple(value.kind for value in one.values)
            self.planned.append(
                ColumnRule(
                    one.checked.rule.id,
                    one.refusals,
                    one.when is not None,
                    kinds,
                    tuple(sorted(used)),
                    len(self.code) - self.starts[-1],
                )
            )
        registers = self.first_number + self.numbers.count
        return f"{len(self.code):,} instructions over {registers:,} registers"

    def finished(self) -> ColumnPlan:
        """The plan, when all passes are done."""
        return ColumnPlan(
            self.as_of,
            tuple(self.tables),
            tuple(self.readings),
            tuple(self.conditions),
            tuple(self.constants),
            np.array(self.code, np.int64).reshape(-1, 5),
            np.array(self.starts, np.int64),
            self.first_number + self.numbers.count,
            self.first_mask + self.masks.count,
            np.array(self.outputs, np.int64),
            tuple(self.planned),
            np.array([one.limit for one in self.lowered], np.int64),
            tuple(self.lowered),
            self.model,
        )

    # -- inside ----------------------------------------------------------------------------------

    def note(self, step: Step) -> None:
        """Remember what the step needs from outside of the program."""
        match step.operation:
            case Source.FEATURE:
                self.features.setdefault(step.detail, len(self.features))
            case Source.READING:
                known = self.conditions if step.kind is Kind.CONDITION else self.readings
                known.setdefault(step.detail, len(known))
            case Source.CONSTANT:
                self.constants.setdefault(_constant(step), len(self.constants))

    # -- instructions ----------------------------------------------------------------------------

    def emit_rule(self, index: int, one: Lowered, first_output: int) -> None:
        """The instructions of one rule: its condition, then what a qualified customer gets."""
        assert one.when is not None  # noqa: S101
        code = one.code
        whole = not one.refusals
        outputs: list[tuple[int, Value, int]] = []
        if whole and one.score is not None:
            outputs.append((do.SCORE, one.score, index))
            for place, value in enumerate(one.values, first_output):
                operation = {Kind.NUMBER: do.NUMBER, Kind.CONDITION: do.CONDITION}.get(
                    value.kind, do.EXACT
                )
                outputs.append((operation, value, place))
        registers = self.steps(code, one.kept)
        history = registers[one.history.step] if one.history else FALSE_ROW
        self.code.append((do.STATE, index, registers[one.when.step], history, 0))
        for operation, value, place in outputs:
            self.code.append((operation, place, registers[value.step], index, 0))
        self.code.append((do.END, index, 0, 0, 0))

    def steps(self, code: Code, kept: Sequence[Value]) -> dict[int, int]:
        """Emit what the kept values need; gives the register of each step."""
        needed = _needed(code, kept)
        last: dict[int, int] = {}
        for index in sorted(needed):
            for argument in code.steps[index].arguments:
                last[argument] = index
        for value in kept:
            last[value.step] = len(code.steps)
        registers: dict[int, int] = {}
        temporaries: list[tuple[int, int]] = []
        for index in sorted(needed):
            step = code.steps[index]
            if isinstance(step.operation, Source):
                registers[index] = self.source(step)
                continue
            left, right, third = self.operands(step, registers)
            is_mask = step.kind is Kind.CONDITION
            if is_mask:
                registers[index] = self.first_mask + self.masks.take()
            else:
                registers[index] = self.first_number + self.numbers.take()
            # Only now: a loop whose result lies apart from its operands does several at once.
            for argument in set(step.arguments):
                if last[argument] == index:
                    self.release(argument, registers, code)
            temporaries.append((index, registers[index]))
            self.code.append((int(step.operation), registers[index], left, right, third))
        for index, _ in temporaries:
            if last.get(index) == len(code.steps):
                self.release(index, registers, code)
        return registers

    def release(self, index: int, registers: Mapping[int, int], code: Code) -> None:
        """The register of a step may be used anew."""
        step = code.steps[index]
        if isinstance(step.operation, Source):
            return
        if step.kind is Kind.CONDITION:
            self.masks.free.append(registers[index] - self.first_mask)
        else:
            self.numbers.free.append(registers[index] - self.first_number)

    def operands(self, step: Step, registers: Mapping[int, int]) -> tuple[int, int, int]:
        """Left, right and third of an instruction."""
        given = [registers[argument] for argument in step.arguments]
        if step.operation in {do.SELECT, do.CHOOSE}:
            condition, left, right = given
            return left, right, condition
        if step.operation == do.ROUND:
            return given[0], step.detail, 0
        return given[0], given[1] if len(given) > 1 else given[0], 0

    def source(self, step: Step) -> int:
        """The register that a value from outside of the program is in."""
        match step.operation:
            case Source.FEATURE:
                return self.features[step.detail]
            case Source.READING if step.kind is Kind.CONDITION:
                return FALSE_ROW + 1 + self.conditions[step.detail]
            case Source.READING:
                return self.first_reading + self.readings[step.detail]
            case Source.CONSTANT:
                return self.first_constant + self.constants[_constant(step)]
        bits: int = step.detail
        return {0: NOTHING, do.TRUE: TRUE_ROW}.get(bits, FALSE_ROW)


def _needed(code: Code, kept: Sequence[Value]) -> set[int]:
    """The steps that the kept values come from."""
    needed = {value.step for value in kept}
    for index in range(len(code.steps) - 1, -1, -1):
        if index in needed:
            needed.update(code.steps[index].arguments)
    return needed


def _constant(step: Step) -> Constant:
    if step.kind is Kind.NULL:
        return Constant(None, 0)
    if step.kind is Kind.TEXT:
        return Constant(None, 0, step.detail)
    number, power = step.detail
    return Constant(number.normalize(), power)


def _scaled(code: Code, value: Value) -> Value:
    """A number in units of a ten-thousandth of the main unit."""
    return code.add(do.MULTIPLY, value, code.constant(SCORES, power=-value.power))


def _held(code: Code, score: Value) -> Value:
    """A score held to 0 to 100."""
    below = code.add(do.LEAST, score, code.constant(100 * SCORES))
    return code.add(do.GREATEST, below, code.constant(0))


def _table_plan(table: Table, features: Sequence[Feature], first: int) -> TablePlan:
    """What to gather from the rows of a table, the accumulators in order of their kind."""
    wanted = dict.fromkeys(feature.accumulator for feature in features)
    numbers = sorted(
        {table.main if a.operation == do.PLAIN else a.column for a in wanted}
        | {f.column for f in features if f.part == do.NUMBER_AT}
    )
    numbers = [name for name in numbers if name and _is_number(table, name)]
    troubles = Accumulator(
        table.name, frozenset(frozenset({(name, Beyond())}) for name in numbers), do.PLAIN
    )
    all_features = list(features)
    if numbers:
        all_features.append(Feature(troubles, do.COUNTED))
        wanted[troubles] = None
    accumulators = sorted(wanted, key=lambda accumulator: accumulator.operation != do.PLAIN)
    terms = [(term, i) for i, a in enumerate(accumulators) for term in a.where]
    fields = sorted({name for term, _ in terms for name, _ in term})
    dimensions: list[Dimension] = []
    for name in fields:
        literals: dict[Literal, int] = {}
        of_term = np.full(len(terms), -1, np.int64)
        for t, (term, _) in enumerate(terms):
            for asked, literal in term:
                if asked == name:
                    of_term[t] = literals.setdefault(literal, len(literals))
        one = next(iter(literals))
        beside = one if isinstance(one, Relative) else None
        field = beside.field if beside else name
        by_value = _is_number(table, field) and any(map(_is_general, literals))
        dimensions.append(Dimension(field, beside, by_value, tuple(literals), of_term))
    codes = {d.field for d in dimensions if not _is_number(table, d.field)}
    codes |= {f.column for f in features if f.part in {do.CODE_AT, do.TEXT_AT}}
    codes |= {a.column for a in accumulators if a.operation == do.DISTINCT}
    numbers = sorted({*numbers, *(d.field for d in dimensions if _is_number(table, d.field))})
    return TablePlan(
        table,
        tuple(accumulators),
        sum(accumulator.operation == do.PLAIN for accumulator in accumulators),
        np.array([i for _, i in terms], np.int64),
        tuple(dimensions),
        tuple(numbers),
        tuple(sorted(codes)),
        tuple(all_features),
        (first + len(all_features) - 1,) if len(all_features) > len(features) else (),
    )


def _is_general(literal: Literal) -> bool:
    """Whether only the interpreter can tell what it lets through."""
    parts = literal.parts if isinstance(literal, Both) else (literal,)
    return any(isinstance(part, General) for part in parts)


def _is_number(table: Table, name: str) -> bool:
    return table.fields[name].kind in {FieldKind.MONEY, FieldKind.NUMBER}


PASSES: Final[tuple[Callable[[Draft], str], ...]] = (
    Draft.lower,
    Draft.share,
    Draft.lay_out,
    Draft.emit,
)
"""In this order; each says in a few words what it came to."""
