"""Writes the program: assigns registers to steps and emits instructions, rule by rule."""

from collections.abc import Mapping, Sequence

import numpy as np

from tuppence.plan.code import RegisterType, Source, Step
from tuppence.plan.columns import (
    FALSE_MASK,
    FIRST_ATTRIBUTE_MASK,
    NULL_MASK,
    TRUE_MASK,
    UNSURE_MASK,
    ColumnRule,
    LoweredRule,
    Program,
    SharedInputs,
    TablePlan,
)
from tuppence.plan.instructions import FALSE, INSTRUCTION, TRUE, UNSURE, Opcode
from tuppence.plan.passes.share import constant_of

_MASKS = {0: NULL_MASK, TRUE: TRUE_MASK, FALSE: FALSE_MASK, UNSURE: UNSURE_MASK}
DEFERRED = Step(Source.KNOWN, (), UNSURE, RegisterType.CONDITION)
"""The condition of a rule of which nothing fits columns."""
_PUT = {RegisterType.NUMBER: Opcode.PUT_NUMBER, RegisterType.CONDITION: Opcode.PUT_CONDITION}

Instruction = tuple[int, int, int, int, int]


def emit(
    lowered: Sequence[LoweredRule], inputs: SharedInputs, tables: Sequence[TablePlan]
) -> Program:
    """Write the instructions of all rules.

    >>> from pathlib import Path
    >>> from tuppence.facts.schema import Schema
    >>> from tuppence.feel.values import Date
    >>> from tuppence.plan.model import model_of
    >>> from tuppence.plan.passes.lay_out import lay_out
    >>> from tuppence.plan.passes.lower import lower
    >>> from tuppence.plan.passes.share import share
    >>> from tuppence.rules.files import read_rules
    >>> fees = read_rules(Path("catalogue/bank_fees.yaml"), Schema()).usable()
    >>> today = Date(20_634)
    >>> model = model_of(Schema(), today)
    >>> lowered = lower(fees, model, today)
    >>> inputs = share(lowered)
    >>> program = emit(lowered, inputs, lay_out(inputs.features, model))
    >>> [Opcode(instruction[0]).name for instruction in program.code][-6:]
    ['PUT_STATE', 'PUT_SCORE', 'PUT_NUMBER', 'PUT_NUMBER', 'PUT_CONDITION', 'END_RULE']
    """
    features = [feature for table in tables for feature in table.features]
    places = _Places(inputs, {feature: i for i, feature in enumerate(features)})
    code: list[Instruction] = []
    starts: list[int] = []
    first_values = [0]
    rules: list[ColumnRule] = []
    for index, one in enumerate(lowered):
        starts.append(len(code))
        code += _rule(index, one, first_values[-1], places)
        first_values.append(first_values[-1] + len(one.checked.rule.values))
        steps = (one.code.steps[step] for step in one.code.needed(one.kept))
        used = {places.features[s.detail] for s in steps if s.operation is Source.FEATURE}
        rules.append(
            ColumnRule(
                one.checked.rule.id,
                one.refusals,
                one.code.steps[one.when.step] != DEFERRED,
                () if one.refusals else tuple(value.kind for value in one.values),
                tuple(sorted(used)),
                len(code) - starts[-1],
            )
        )
    return Program(
        np.array(code, INSTRUCTION),
        np.array(starts, np.int64),
        places.numbers.end,
        places.masks.end,
        np.array(first_values, np.int64),
        np.array([one.limit for one in lowered], np.int64),
        np.array([one.table_bits for one in lowered], np.int64),
        tuple(rules),
    )


class _Temporaries:
    """Registers for intermediate values, reused once a value is no longer needed."""

    def __init__(self, first: int) -> None:
        self.end = first
        self._free: list[int] = []

    def take(self) -> int:
        if self._free:
            return self._free.pop()
        self.end += 1
        return self.end - 1

    def release(self, register: int) -> None:
        self._free.append(register)


class _Places:
    """The registers of inputs and of intermediate values."""

    def __init__(self, inputs: SharedInputs, features: Mapping[object, int]) -> None:
        first_constant = len(features) + len(inputs.numbers)
        self.features = features
        self.attributes = {one: len(features) + i for i, one in enumerate(inputs.numbers)}
        self.constants = {one: first_constant + i for i, one in enumerate(inputs.constants)}
        self.conditions = {one: FIRST_ATTRIBUTE_MASK + i for i, one in enumerate(inputs.conditions)}
        self.numbers = _Temporaries(first_constant + len(inputs.constants))
        self.masks = _Temporaries(FIRST_ATTRIBUTE_MASK + len(inputs.conditions))

    def temporaries(self, step: Step) -> _Temporaries:
        """Return the registers of the step's type."""
        return self.masks if step.kind is RegisterType.CONDITION else self.numbers

    def input(self, step: Step) -> int:
        """Return the register of a value that comes from outside the program."""
        match step.operation:
            case Source.FEATURE:
                return self.features[step.detail]
            case Source.READING if step.kind is RegisterType.CONDITION:
                return self.conditions[step.detail]
            case Source.READING:
                return self.attributes[step.detail]
            case Source.CONSTANT:
                return self.constants[constant_of(step)]
        return _MASKS[step.detail]


def _rule(index: int, one: LoweredRule, first_value: int, places: _Places) -> list[Instruction]:
    """Return the instructions of a rule: its steps, state, score and values."""
    code, registers = _steps(one, places)
    history = registers[one.history.step] if one.history else FALSE_MASK
    code.append((Opcode.PUT_STATE, index, registers[one.when.step], history, 0))
    if not one.refusals and one.score is not None:
        code.append((Opcode.PUT_SCORE, index, registers[one.score.step], index, 0))
        for place, value in enumerate(one.values, first_value):
            operation = _PUT.get(value.kind, Opcode.PUT_EXACT)
            code.append((operation, place, registers[value.step], index, 0))
    code.append((Opcode.END_RULE, index, 0, 0, 0))
    return code


def _steps(one: LoweredRule, places: _Places) -> tuple[list[Instruction], dict[int, int]]:
    """Return the instructions for the values that a rule keeps, and the register of each step."""
    steps, kept = one.code.steps, one.kept
    needed = one.code.needed(kept)
    last_use = {argument: index for index in needed for argument in steps[index].arguments}
    last_use |= {value.step: len(steps) for value in kept}
    code: list[Instruction] = []
    registers: dict[int, int] = {}
    for index in needed:
        step = steps[index]
        if isinstance(step.operation, Source):
            registers[index] = places.input(step)
            continue
        registers[index] = places.temporaries(step).take()
        # The target is taken before operands are released: a loop whose result lies apart from its
        # operands can work on several customers at once.
        for argument in set(step.arguments):
            if last_use[argument] == index and not isinstance(steps[argument].operation, Source):
                places.temporaries(steps[argument]).release(registers[argument])
        code.append((step.operation, registers[index], *_operands(step, registers)))
    for index in needed:
        if last_use[index] == len(steps) and not isinstance(steps[index].operation, Source):
            places.temporaries(steps[index]).release(registers[index])
    return code, registers


def _operands(step: Step, registers: Mapping[int, int]) -> tuple[int, int, int]:
    """Return the left, right and third operands of an instruction."""
    given = [registers[argument] for argument in step.arguments]
    if step.operation in {Opcode.SELECT, Opcode.SELECT_CONDITION}:
        condition, left, right = given
        return left, right, condition
    if step.operation == Opcode.ROUND:
        return given[0], step.detail, 0
    return given[0], given[1] if len(given) > 1 else given[0], 0
