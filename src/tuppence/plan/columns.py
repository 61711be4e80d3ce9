"""The plan of a ruleset for columns: what to gather from the rows, and what to make of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.feel import syntax
from tuppence.feel.frames import STEPS
from tuppence.feel.values import Date, DateTime
from tuppence.plan import instructions as do
from tuppence.plan.code import Accumulator, Code, Feature, Kind, Reading, Source, Step, Value
from tuppence.plan.literals import Beyond, Literal, Relative
from tuppence.plan.lowering import Lowering
from tuppence.plan.model import Model, Table
from tuppence.plan.rows import RowPlanner
from tuppence.plan.scope import Bound, Outside, Scope
from tuppence.rules.checking import CheckedRule, Place

Array = np.ndarray[Any, Any]

SCORES: Final = 10_000
"""Scores and numbers are put out in units of one ten-thousandth."""

NOTHING: Final = 0
TRUE_ROW: Final = 1
FALSE_ROW: Final = 2
"""Condition registers that are the same for everybody, at the front."""

MOST_ROWS: Final = 500_000
"""Customers with more rows are left to the interpreter."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a part of a rule is left to the interpreter.

    Attributes:
        place: `when`, `score`, or the name of a value.
        reason: In plain words.
        span: Of the part of the text that does not fit.
    """

    place: str
    reason: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What became of a rule.

    Attributes:
        rule_id: Of the rule.
        refusals: Why the interpreter has to help; empty for a rule that is all columns.
        planned: Whether the condition is in the program.
        values: The kind of each value, in order; empty unless all of the rule is in the program.
        features: Those it reads, by index.
        instructions: How many it has in the program.
    """

    rule_id: str
    refusals: tuple[Refusal, ...]
    planned: bool
    values: tuple[Kind, ...]
    features: tuple[int, ...]
    instructions: int

    @property
    def whole(self) -> bool:
        """Whether everything of the rule is in the program."""
        return not self.refusals


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """A field that filters ask about.

    Attributes:
        field: Its name.
        beside: The customer's field that it is compared with, where that is asked.
        literals: All that is asked, each once.
        of_term: For each term the index of its literal; -1 where it asks nothing of the field.
    """

    field: str
    beside: Relative | None
    literals: tuple[Literal, ...]
    of_term: Array


@dataclass(frozen=True, slots=True, eq=False)
class TablePlan:
    """What is gathered from the rows of a table.

    Attributes:
        table: The table.
        accumulators: What is gathered, the plain ones first.
        plain: How many of them are plain.
        accumulator_of: For each term the index of the accumulator that it feeds.
        dimensions: What terms ask.
        columns: The number columns and the code columns that are looked at, by their place.
        features: The features read off its accumulators, in the order of the registers.
        troubles: The features that are above zero where sums could be inexact.
    """

    table: Table
    accumulators: tuple[Accumulator, ...]
    plain: int
    accumulator_of: Array
    dimensions: tuple[Dimension, ...]
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    features: tuple[Feature, ...]
    troubles: tuple[int, ...]


class Constant(NamedTuple):
    """A number in units of the minor unit to a power; a text is None here, with its place."""

    number: Decimal | None
    power: int
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ColumnPlan:
    """A ruleset for columns, for one date.

    Attributes:
        as_of: The date.
        tables: What is gathered from each table. Registers of features follow one another.
        readings: The customer's fields in number registers.
        conditions: The customer's fields in condition registers.
        constants: Numbers that are the same for everybody.
        code: The instructions, (n, 5): operation, destination, left, right, third.
        starts: For each rule its first instruction.
        registers: How many number registers there are, constants and all.
        masks: How many condition registers there are.
        outputs: For each rule its first value; one more for the end.
        rules: What became of each rule, in the order of the ruleset.
        limits: For each rule how many rows a customer may have at most.
    """

    as_of: Date
    tables: tuple[TablePlan, ...]
    readings: tuple[Reading, ...]
    conditions: tuple[Reading, ...]
    constants: tuple[Constant, ...]
    code: Array
    starts: Array
    registers: int
    masks: int
    outputs: Array
    rules: tuple[ColumnRule, ...]
    limits: Array

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features in the order of their registers."""
        return tuple(feature for table in self.tables for feature in table.features)


def column_plan(rules: Sequence[CheckedRule], model: Model, as_of: Date) -> ColumnPlan:
    """Plan rules for columns; what does not fit is noted with each rule."""
    planner = RowPlanner(model, DateTime(as_of.day, 0))
    lowered = [_lower(checked, planner) for checked in rules]
    return _Assembly(model, as_of, lowered).plan()


# -- one rule: expressions to steps ----------------------------------------------------------------


class _Lowered(NamedTuple):
    checked: CheckedRule
    code: Code
    when: Value | None
    history: Value | None
    score: Value | None
    values: tuple[Value, ...]
    refusals: tuple[Refusal, ...]


def _lower(checked: CheckedRule, planner: RowPlanner) -> _Lowered:
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
    return _Lowered(checked, code, when, history, score, tuple(values), tuple(refusals))


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


class _Assembly:
    """Puts the steps of all rules together.

    Registers are numbered at first in four ranges, which get their places when all is known.
    """

    def __init__(self, model: Model, as_of: Date, lowered: Sequence[_Lowered]) -> None:
        self.as_of = as_of
        self.lowered = lowered
        self.model = model
        self.constants: dict[Constant, int] = {}
        self.readings: dict[Reading, int] = {}
        self.conditions: dict[Reading, int] = {}
        self.code: list[tuple[int, ...]] = []
        self.numbers = _Registers()
        self.masks = _Registers()
        self.features: dict[Feature, int] = {}

    def plan(self) -> ColumnPlan:
        for one in self.lowered:
            for step in one.code.steps if one.when is not None else ():
                self.note(step)
        tables = self.tables()
        place = {f: i for i, f in enumerate(f for table in tables for f in table.features)}
        self.features = place
        self.first_reading = len(place)
        self.first_constant = self.first_reading + len(self.readings)
        self.first_number = self.first_constant + len(self.constants)
        self.first_mask = FALSE_ROW + 1 + len(self.conditions)
        rules: list[ColumnRule] = []
        starts: list[int] = []
        outputs = [0]
        for index, one in enumerate(self.lowered):
            starts.append(len(self.code))
            if one.when is not None:
                self.emit(index, one, outputs[-1])
            outputs.append(outputs[-1] + len(one.checked.rule.values))
            used = tuple(
                sorted({place[s.detail] for s in one.code.steps if s.operation is Source.FEATURE})
                if one.when is not None
                else ()
            )
            rules.append(
                ColumnRule(
                    one.checked.rule.id,
                    one.refusals,
                    one.when is not None,
                    () if one.refusals else tuple(value.kind for value in one.values),
                    used,
                    len(self.code) - starts[-1],
                )
            )
        return ColumnPlan(
            self.as_of,
            tables,
            tuple(self.readings),
            tuple(self.conditions),
            tuple(self.constants),
            np.array(self.code, np.int64).reshape(-1, 5),
            np.array(starts, np.int64),
            self.first_number + self.numbers.count,
            self.first_mask + self.masks.count,
            np.array(outputs, np.int64),
            tuple(rules),
            np.array([_most_rows(one.checked) for one in self.lowered], np.int64),
        )

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

    # -- tables ----------------------------------------------------------------------------------

    def tables(self) -> tuple[TablePlan, ...]:
        """What to gather from each table that features are of."""
        by_table: dict[str, list[Feature]] = {}
        for feature in self.features:
            by_table.setdefault(feature.accumulator.table, []).append(feature)
        known = {c.table.name: c.table for c in self.model.collections.values()}
        found: list[TablePlan] = []
        first = 0
        for name in sorted(by_table):
            plan = _table_plan(known[name], by_table[name], first)
            first += len(plan.features)
            found.append(plan)
        return tuple(found)

    # -- instructions ----------------------------------------------------------------------------

    def emit(self, index: int, one: _Lowered, first_output: int) -> None:
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
        kept = [one.when, *([one.history] if one.history else []), *(v for _, v, _ in outputs)]
        registers = self.steps(code, kept)
        history = registers[one.history.step] if one.history else FALSE_ROW
        self.code.append((do.STATE, index, registers[one.when.step], history, 0))
        for operation, value, place in outputs:
            self.code.append((operation, place, registers[value.step], index, 0))
        self.code.append((do.END, index, 0, 0, 0))

    def steps(self, code: Code, kept: Sequence[Value]) -> dict[int, int]:
        """Emit what the kept values need; gives the register of each step."""
        needed = {value.step for value in kept}
        for index in range(len(code.steps) - 1, -1, -1):
            if index in needed:
                needed.update(code.steps[index].arguments)
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


def _most_rows(checked: CheckedRule) -> int:
    """With how many rows the interpreter surely stays within its budget for each expression."""
    heaviest = max(
        sum(not isinstance(node, syntax.Literal | syntax.Name) for node in syntax.walk(tree))
        for tree in checked.trees.values()
    )
    return min(MOST_ROWS, (STEPS - 20_000) // (heaviest + 1))


def _table_plan(table: Table, features: Sequence[Feature], first: int) -> TablePlan:
    """What to gather from the rows of a table, the accumulators in order of their kind."""
    wanted = Counter(feature.accumulator for feature in features)
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
        wanted[troubles] += 1
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
        dimensions.append(Dimension(field, beside, tuple(literals), of_term))
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


def _is_number(table: Table, name: str) -> bool:
    return table.fields[name].kind.value in {"money", "number"}
