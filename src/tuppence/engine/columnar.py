"""The columnar engine: evaluates a plan for a batch over whole columns.

Its results equal those of the reference engine bit for bit. The reference evaluates the pairs of a
customer and a rule that floats cannot decide, and the parts of rules that do not fit columns.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.derived.context import Recurring, customer_context
from tuppence.derived.tables import DerivedTables
from tuppence.engine.binding import BoundInputs, TextNumbers, bind
from tuppence.engine.kernel.compute import BLOCK, compute
from tuppence.engine.kernel.gather import gather
from tuppence.engine.kernel.layout import Inputs, Outputs, ProgramTables, Workspace
from tuppence.engine.kernel.outputs import SHORT_HISTORY, UNSURE_STATE
from tuppence.engine.reference import Evaluation, Problem, evaluate_rule, history_problem
from tuppence.facts.batch import FactBatch
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date
from tuppence.plan.code import Feature, RegisterType
from tuppence.plan.columns import FALSE_MASK, TRUE_MASK, ColumnPlan, TablePlan
from tuppence.plan.description import feature_text
from tuppence.plan.instructions import FALSE, TRUE, Readout
from tuppence.plan.model import decimals_of
from tuppence.plan.plan import Plan
from tuppence.results.batch import ResultBatch
from tuppence.results.packed import (
    DATE,
    LITERAL,
    QUALIFIED,
    TEXT,
    UNKNOWN,
    Grid,
    Packed,
    check_day,
    coded,
    pack_all,
)
from tuppence.results.result import packed

Array = npt.NDArray[Any]

CHUNK: Final = 2_048
"""Number of customers whose features are gathered before the program runs; they fit into a large
cache."""


class Engine:
    """Evaluates the rules of a plan for batches of customers.

    It remembers why results were unknown, so that the reference explains each reason only once.

    Args:
        plan: The rules and the date.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._reasons: dict[tuple[int, int], tuple[Problem, ...]] = {}

    def evaluate(self, facts: FactBatch) -> Evaluation:
        """Evaluate every rule of the plan for every customer of the batch.

        The results equal those of `reference.evaluate`, bit for bit.
        """
        plan = self.plan
        check_day(plan.as_of.day)
        problems: Counter[Problem] = Counter()
        data, offsets = pack_all(plan.layout, self.grid(facts, problems), plan.as_of.day)
        batch = ResultBatch(facts.customer_ids, plan.as_of.day, plan.layout, data, offsets)
        return Evaluation(batch, problems)

    def grid(self, facts: FactBatch, problems: Counter[Problem] | None = None) -> Grid:
        """Return the results as arrays, and add the reasons for unknown ones to the problems."""
        plan = self.plan
        bound = BoundPlan(plan.columns, facts)
        outputs = bound.run(0, len(facts))
        met = Counter[Problem]() if problems is None else problems
        by_customer: dict[int, list[int]] = {}
        for rule, customer in _left_over(plan.columns, outputs.states):
            by_customer.setdefault(customer, []).append(rule)
        short = outputs.states == SHORT_HISTORY
        for rule, count in enumerate(short.sum(axis=1).tolist()):
            if count:
                written = plan.rules[rule].rule
                met[history_problem(written.id, written.minimum_history_days)] += count
        outputs.states[short] = UNKNOWN
        if problems is not None:
            self._explain(facts, bound, outputs, problems)
        for customer, rules in by_customer.items():
            context = self._context(facts, bound, customer, rules)
            for rule in rules:
                result = evaluate_rule(plan.rules[rule], context, plan.as_of, met)
                _put(outputs, plan.columns, rule, customer, packed(result), bound.texts)
        names = bound.texts.texts
        return Grid(outputs.states, outputs.scores, outputs.values, outputs.kinds, names)

    def _context(
        self, facts: FactBatch, bound: "BoundPlan", customer: int, rules: Sequence[int]
    ) -> Mapping[str, Any]:
        """Return the facts of a customer that some rules read; streams are those of the batch."""
        plan = self.plan
        if not any(plan.rules[rule].reads_streams for rule in rules):
            return customer_context(facts, customer, plan.as_of)
        found = bound.recurring(customer)
        return customer_context(facts, customer, plan.as_of, streams=True, recurring=found)

    def _explain(
        self,
        facts: FactBatch,
        bound: "BoundPlan",
        outputs: Outputs,
        problems: Counter[Problem],
    ) -> None:
        """Count the reasons for null results, explaining one example for each signature."""
        plan = self.plan
        for rule in np.flatnonzero(outputs.signatures.any(axis=1)).tolist():
            row = np.where(outputs.states[rule] == UNSURE_STATE, 0, outputs.signatures[rule])
            found, first, counts = np.unique(row, return_index=True, return_counts=True)
            for signature, customer, count in zip(
                found.tolist(), first.tolist(), counts.tolist(), strict=True
            ):
                if signature == 0:
                    continue
                reasons = self._reasons.get((rule, signature))
                if reasons is None:
                    context = self._context(facts, bound, customer, [rule])
                    one: Counter[Problem] = Counter()
                    evaluate_rule(plan.rules[rule], context, plan.as_of, one)
                    reasons = self._reasons[rule, signature] = tuple(one)
                for reason in reasons:
                    problems[reason] += count


def _left_over(plan: ColumnPlan, states: Array) -> Iterator[tuple[int, int]]:
    """Yield the pairs of rule and customer that the reference evaluates."""
    for index, rule in enumerate(plan.rules):
        if not rule.planned:
            customers: Array = np.arange(states.shape[1])
        elif rule.whole:
            customers = np.flatnonzero(states[index] == UNSURE_STATE)
        else:
            state = states[index]
            customers = np.flatnonzero((state == UNSURE_STATE) | (state == QUALIFIED))
        for customer in customers.tolist():
            yield index, customer


def _put(
    outputs: Outputs, plan: ColumnPlan, rule: int, customer: int, result: Packed, texts: TextNumbers
) -> None:
    """Write a result of the reference to the outputs."""
    outputs.states[rule, customer] = result.state
    if result.state != QUALIFIED:
        return
    outputs.scores[rule, customer] = -1 if result.score is None else result.score
    for place, value in enumerate(result.values, plan.program.first_values[rule]):
        kind, number, text = coded(value)
        outputs.kinds[place, customer] = kind
        is_text = kind in {TEXT, LITERAL}
        outputs.values[place, customer] = texts.number(text) if is_text else number


class BoundPlan:
    """A plan bound to a batch, which can run over any part of it, any number of times.

    It owns a workspace, so only one thread at a time may use it.

    Args:
        plan: The plan.
        batch: The facts.

    Attributes:
        texts: The numbers of texts in the outputs.
    """

    def __init__(self, plan: ColumnPlan, batch: FactBatch) -> None:
        self._plan = plan
        self.texts = TextNumbers()
        self._groups: list[_CurrencyGroup] = []
        for start, stop, digits in _by_digits(batch):
            part = batch if stop - start == len(batch) else batch.slice(start, stop)
            self._groups.append(_CurrencyGroup(plan, part, start, digits, self.texts))

    def features(self, customer: int) -> list[float]:
        """Return the features of a customer, counted from the start of the last run."""
        return [float(value) for one in self._groups[:1] for value in one.features[:, customer]]

    def recurring(self, customer: int) -> Recurring:
        """Return the streams of a customer of the batch, and the forecasts of their accounts."""
        group = next(one for one in self._groups if one.start <= customer < one.stop)
        return group.derived.recurring(customer - group.start)

    def run(self, start: int, stop: int) -> Outputs:
        """Run the program for the customers from `start` up to `stop`."""
        rules, many = len(self._plan.rules), stop - start
        values = int(self._plan.program.first_values[-1])
        outputs = Outputs(
            np.zeros((rules, many), np.uint8),
            np.zeros((rules, many), np.int32),
            np.zeros((values, many), np.int64),
            np.zeros((values, many), np.uint8),
            np.zeros((rules, many), np.int64),
        )
        for group in self._groups:
            low, high = max(start, group.start), min(stop, group.stop)
            if low < high:
                group.run(low - group.start, high - group.start, outputs, low - start)
        return outputs


class _CurrencyGroup:
    """Consecutive customers of a batch whose currencies have the same number of digits."""

    def __init__(
        self, plan: ColumnPlan, batch: FactBatch, start: int, digits: int, texts: TextNumbers
    ) -> None:
        self.start, self.stop = start, start + len(batch)
        self.derived = DerivedTables(batch, plan.as_of, plan.fields)
        bound = bind(plan, self.derived.customers(), self.derived.table, digits, texts)
        self._tables = bound.tables
        self.features = np.zeros((len(plan.features), CHUNK))
        self._inputs = Inputs(
            bound.row_counts,
            self.features,
            bound.numbers,
            bound.number_errors,
            bound.conditions,
        )
        self._program = _program_tables(plan)
        self._work = _workspace(plan, bound)

    def run(self, start: int, stop: int, outputs: Outputs, first: int) -> None:
        """Fill the outputs, from index `first` on, for customers `start` to `stop` of the group."""
        for low in range(start, stop, CHUNK):
            high = min(low + CHUNK, stop)
            place = 0
            for table in self._tables:
                out = self.features[place : place + table.features].reshape(-1)
                gather(table.rows, table.classes, table.plan, table.memo, low, high, CHUNK, out)
                place += table.features
            many, at = high - low, first + low - start
            compute(self._program, self._inputs, self._work, outputs, low, many, at)


def _program_tables(plan: ColumnPlan) -> ProgramTables:
    program = plan.program
    kinds = np.zeros(int(program.first_values[-1]), np.uint8)
    for rule, place in zip(plan.rules, program.first_values, strict=False):
        of_values = [_OUTPUT_KINDS.get(kind, 0) for kind in rule.values]
        kinds[place : place + len(of_values)] = of_values
    guards = [register for table in plan.tables for register in table.overflow_guards]
    return ProgramTables(
        program.code,
        program.starts,
        program.limits,
        program.table_bits,
        kinds,
        np.array(guards, np.int64),
    )


_OUTPUT_KINDS: Mapping[RegisterType, int] = {RegisterType.TEXT: TEXT, RegisterType.DATE: DATE}


def _workspace(plan: ColumnPlan, bound: BoundInputs) -> Workspace:
    """Return registers for one block, with the constants filled in."""
    program, features, numbers = plan.program, len(plan.features), len(plan.inputs.numbers)
    registers = np.zeros((program.registers, BLOCK))
    errors = np.zeros((program.registers - features + 1, BLOCK))
    first = features + numbers
    registers[first : first + len(bound.constants)] = bound.constants[:, None]
    errors[1 + numbers : 1 + numbers + len(bound.constants)] = bound.constant_errors[:, None]
    masks = np.zeros((program.masks, BLOCK), np.uint8)
    masks[TRUE_MASK], masks[FALSE_MASK] = TRUE, FALSE
    hashes, incomplete, overflowed = np.zeros((3, BLOCK), np.int64)
    return Workspace(registers, errors, masks, hashes, incomplete, overflowed)


def _by_digits(batch: FactBatch) -> Iterator[tuple[int, int, int]]:
    """Yield start, stop and digits of runs of customers with equally many digits of currency."""
    column = batch.customers["currency"]
    known = np.array([minor_digits(text or "") or 0 for text in column.dictionary])
    digits = known[column.values]
    start = 0
    for stop in (*(np.flatnonzero(np.diff(digits)) + 1).tolist(), len(batch)):
        if stop > start:
            yield start, stop, int(digits[start])
        start = stop


def feature_values(plan: ColumnPlan, facts: FactBatch, customer: int) -> list[tuple[str, Any]]:
    """Return each feature of a plan as words, with its FEEL value for one customer of a batch.

    Amounts are signed, as in the store.
    """
    one = facts.slice(customer, customer + 1)
    bound = BoundPlan(plan, one)
    bound.run(0, 1)
    ((_, _, digits),) = _by_digits(one)
    described = [(table, feature) for table in plan.tables for feature in table.features]
    return [
        (feature_text(table, feature), _feature_value(table, feature, value, digits, bound.texts))
        for (table, feature), value in zip(described, bound.features(0), strict=True)
        if feature.accumulator.where and not table.is_overflow_guard(feature.accumulator)
    ]


def _feature_value(
    table: TablePlan, feature: Feature, value: float, digits: int, texts: TextNumbers
) -> Any:
    if value != value:  # noqa: PLR0124 - NaN is null
        return None
    if feature.readout == Readout.TEXT_AT:
        return texts.texts[int(value)]
    if feature.readout == Readout.CODE_AT:
        is_date = table.table.fields[feature.column].kind is FieldType.DATE
        return Date(int(value)) if is_date else value == 1
    if feature.readout in {Readout.COUNT, Readout.DISTINCT_VALUES}:
        return Decimal(int(value))
    field = table.table.fields[feature.column or feature.accumulator.column or table.table.main]
    return Decimal(int(value)).scaleb(-decimals_of(field, digits))
