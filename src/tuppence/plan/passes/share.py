"""Lists the inputs that steps need from outside the program, each once for all rules."""

from collections.abc import Sequence

from tuppence.plan.code import AttributeReading, Feature, RegisterType, Source, Step
from tuppence.plan.columns import Constant, LoweredRule, SharedInputs


def share(lowered: Sequence[LoweredRule]) -> SharedInputs:
    """Collect features, attributes and constants of all rules.

    >>> from tuppence.plan.code import Accumulator, Code
    >>> from tuppence.plan.instructions import Aggregation, Opcode, Readout
    >>> every = Accumulator("transactions", frozenset({frozenset()}), Aggregation.COUNT_AND_SUM)
    >>> def twice(readout: Readout) -> LoweredRule:
    ...     code = Code()
    ...     read = code.add(Source.FEATURE, detail=Feature(every, readout))
    ...     when = code.add(Opcode.LESS, code.constant(2), read, kind=RegisterType.CONDITION)
    ...     return LoweredRule(None, code, when, None, None, (), (), 0, 0)
    >>> inputs = share([twice(Readout.COUNT), twice(Readout.SUM), twice(Readout.COUNT)])
    >>> [feature.readout.name for feature in inputs.features], inputs.uses
    (['COUNT', 'SUM'], 3)
    >>> len(inputs.constants)
    1
    """
    features: dict[Feature, None] = {}
    numbers: dict[AttributeReading, None] = {}
    conditions: dict[AttributeReading, None] = {}
    constants: dict[Constant, None] = {}
    uses = 0
    for one in lowered:
        for index in one.code.needed(one.kept):
            step = one.code.steps[index]
            match step.operation:
                case Source.FEATURE:
                    features.setdefault(step.detail)
                    uses += 1
                case Source.READING:
                    is_condition = step.kind is RegisterType.CONDITION
                    (conditions if is_condition else numbers).setdefault(step.detail)
                case Source.CONSTANT:
                    constants.setdefault(constant_of(step))
    return SharedInputs(tuple(features), tuple(numbers), tuple(conditions), tuple(constants), uses)


def constant_of(step: Step) -> Constant:
    """Return the constant that a step stands for."""
    if step.kind is RegisterType.NULL:
        return Constant(None, 0)
    if step.kind is RegisterType.TEXT:
        return Constant(None, 0, step.detail)
    number, power = step.detail
    return Constant(number.normalize(), power)
