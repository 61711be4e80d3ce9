"""The columnar engine: a plan and a batch in, results out, at the speed of columns.

It says what the reference engine says, bit for bit. Pairs of a customer and a rule that floats
cannot decide, and what of a rule does not fit columns, are evaluated by the reference.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.compiled import Loops
from tuppence.engine.binding import Texts, bind, read_only
from tuppence.engine.compute import BLOCK, SHORT_HISTORY, UNSURE, compute
from tuppence.engine.gather import find_repeated, gather, last_balances
from tuppence.engine.reference import Evaluation, Problem, evaluate_rule, history_problem
from tuppence.facts.batch import NULL_MONEY, Column, FactBatch, Table
from tuppence.facts.context import customer_context
from tuppence.facts.currency import minor_digits
from tuppence.facts.forecast import forecasts
from tuppence.facts.schema import FORECASTS, REPEATED_WITHIN, Kind
from tuppence.facts.streams import Found, search, table_of
from tuppence.feel.values import Date
from tuppence.plan.code import Feature
from tuppence.plan.code import Kind as StepKind
from tuppence.plan.columns import FALSE_ROW, TRUE_ROW, ColumnPlan, TablePlan
from tuppence.plan.description import feature_text
from tuppence.plan.instructions import CODE_AT, COUNTED, DIFFERENT, FALSE, TEXT_AT, TRUE
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
"""Customers for whom the loops are called at once; their features fit into a large cache."""
_BUCKETS: Final = 4_096
"""In which rows are looked up that may be repeated."""


class Outputs(NamedTuple):
    """What the program says of some customers: by rule or value first, then by customer.

    Attributes:
        states: As in packed results, or one of those of `compute`.
        scores: In ten-thousandths; -1 for null.
        values: In ten-thousandths, days, numbers of texts, or 0 and 1.
        kinds: As in packed results.
        signatures: What was null on the way to an unknown or incomplete result.
    """

    states: Array
    scores: Array
    values: Array
    kinds: Array
    signatures: Array


class Engine:
    """Evaluates the rules of a plan for batches of customers.

    It remembers why results were unknown, so that the reference is asked once for each reason.

    Args:
        plan: What to evaluate.
        loops: Calls the loops.
    """

    def __init__(self, plan: Plan, loops: Loops) -> None:
        self.plan = plan
        self.loops = loops
        self._reasons: dict[tuple[int, int], tuple[Problem, ...]] = {}

    def evaluate(self, facts: FactBatch) -> Evaluation:
        """Evaluate every rule of the plan for every customer of the batch.

        The same as `reference.evaluate`, bit for bit.
        """
        plan = self.plan
        check_day(plan.as_of.day)
        problems: Counter[Problem] = Counter()
        data, offsets = pack_all(plan.layout, self.grid(facts, problems), plan.as_of.day)
        batch = ResultBatch(facts.customer_ids, plan.as_of.day, plan.layout, data, offsets)
        return Evaluation(batch, problems)

    def grid(self, facts: FactBatch, problems: Counter[Problem] | None = None) -> Grid:
        """The results in arrays; why they are unknown is added to the problems, where given."""
        plan = self.plan
        prepared = Prepared(plan.columns, facts, self.loops)
        outputs = prepared.run(0, len(facts))
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
            self._explain(facts, outputs, problems)
        for customer, rules in by_customer.items():
            streams = any(plan.rules[rule].reads_streams for rule in rules)
            context = customer_context(facts, customer, plan.as_of, streams=streams)
            for rule in rules:
                result = evaluate_rule(plan.rules[rule], context, plan.as_of, met)
                _put(outputs, plan.columns, rule, customer, packed(result), prepared.texts)
        names = prepared.texts.names
        return Grid(outputs.states, outputs.scores, outputs.values, outputs.kinds, names)

    def _explain(
        self,
        facts: FactBatch,
        outputs: Outputs,
        problems: Counter[Problem],
    ) -> None:
        """Count why results or parts of them are null: one example stands for all alike."""
        plan = self.plan
        for rule in np.flatnonzero(outputs.signatures.any(axis=1)).tolist():
            row = np.where(outputs.states[rule] == UNSURE, 0, outputs.signatures[rule])
            found, first, counts = np.unique(row, return_index=True, return_counts=True)
            for signature, customer, count in zip(
                found.tolist(), first.tolist(), counts.tolist(), strict=True
            ):
                if signature == 0:
                    continue
                reasons = self._reasons.get((rule, signature))
                if reasons is None:
                    streams = plan.rules[rule].reads_streams
                    context = customer_context(facts, customer, plan.as_of, streams=streams)
                    one: Counter[Problem] = Counter()
                    evaluate_rule(plan.rules[rule], context, plan.as_of, one)
                    reasons = self._reasons[rule, signature] = tuple(one)
                for reason in reasons:
                    problems[reason] += count


def _left_over(plan: ColumnPlan, states: Array) -> Iterator[tuple[int, int]]:
    """The pairs of rule and customer that are the reference's."""
    for index, rule in enumerate(plan.rules):
        if not rule.planned:
            customers: Array = np.arange(states.shape[1])
        elif rule.whole:
            customers = np.flatnonzero(states[index] == UNSURE)
        else:
            state = states[index]
            customers = np.flatnonzero((state == UNSURE) | (state == QUALIFIED))
        for customer in customers.tolist():
            yield index, customer


def _put(
    outputs: Outputs, plan: ColumnPlan, rule: int, customer: int, result: Packed, texts: Texts
) -> None:
    """Put a result of the reference among those of the program."""
    outputs.states[rule, customer] = result.state
    if result.state != QUALIFIED:
        return
    outputs.scores[rule, customer] = -1 if result.score is None else result.score
    for place, value in enumerate(result.values, plan.outputs[rule]):
        kind, number, text = coded(value)
        outputs.kinds[place, customer] = kind
        is_text = kind in {TEXT, LITERAL}
        outputs.values[place, customer] = texts.number(text) if is_text else number


class Prepared:
    """A plan ready to run over a batch, or over any part of it, any number of times.

    It has room to work in, so that one thread at a time may use it.
    """

    def __init__(self, plan: ColumnPlan, batch: FactBatch, loops: Loops) -> None:
        self._plan = plan
        self._parts: list[_Part] = []
        self.texts = Texts()
        for start, stop, digits in _by_digits(batch):
            part = batch if stop - start == len(batch) else batch.slice(start, stop)
            self._parts.append(_Part(plan, part, start, digits, loops, self.texts))

    def features(self, customer: int) -> list[float]:
        """The features of one of the customers that the last run began with."""
        return [float(value) for part in self._parts[:1] for value in part.features[:, customer]]

    def run(self, start: int, stop: int) -> Outputs:
        """What the program says of customers start to stop."""
        plan, many = self._plan, stop - start
        outputs = Outputs(
            np.zeros((len(plan.rules), many), np.uint8),
            np.zeros((len(plan.rules), many), np.int32),
            np.zeros((plan.outputs[-1], many), np.int64),
            np.zeros((plan.outputs[-1], many), np.uint8),
            np.zeros((len(plan.rules), many), np.int64),
        )
        for part in self._parts:
            low, high = max(start, part.start), min(stop, part.stop)
            if low < high:
                part.run(low - part.start, high - part.start, outputs, low - start)
        return outputs


def feature_values(plan: ColumnPlan, facts: FactBatch, customer: int) -> list[tuple[str, Any]]:
    """The features of a plan in words, with their FEEL values for one customer of a batch.

    Amounts are signed, as the store keeps them.
    """
    one = facts.slice(customer, customer + 1)
    prepared = Prepared(plan, one, Loops(use_compiler=False))
    prepared.run(0, 1)
    ((_, _, digits),) = _by_digits(one)
    described = [(table, feature) for table in plan.tables for feature in table.features]
    values = prepared.features(0)
    return [
        (
            feature_text(table, feature),
            _feature_value(table, feature, value, digits, prepared.texts),
        )
        for (table, feature), value in zip(described, values, strict=True)
        if feature.accumulator.where and not table.is_trouble(feature.accumulator)
    ]


def _feature_value(
    table: TablePlan, feature: Feature, value: float, digits: int, texts: Texts
) -> Any:
    if value != value:  # noqa: PLR0124 - NaN is null
        return None
    if feature.part == TEXT_AT:
        return texts.names[int(value)]
    if feature.part == CODE_AT:
        is_date = table.table.fields[feature.column].kind is Kind.DATE
        return Date(int(value)) if is_date else value == 1
    if feature.part in {COUNTED, DIFFERENT}:
        return Decimal(int(value))
    field = table.table.fields[feature.column or feature.accumulator.column or table.table.main]
    return Decimal(int(value)).scaleb(-decimals_of(field, digits))


class _Part:
    """Customers of a batch whose currencies have the same number of digits."""

    def __init__(
        self,
        plan: ColumnPlan,
        batch: FactBatch,
        start: int,
        digits: int,
        loops: Loops,
        texts: Texts,
    ) -> None:
        self.start = start
        self.stop = start + len(batch)
        self.plan = plan
        self.loops = loops
        tables = _Derived(plan, batch, loops)
        bound = bind(plan, tables.customers(), tables.table, digits, texts)
        self.features = np.zeros((len(plan.features), min(CHUNK, len(batch))))
        self.registers = np.zeros((max(plan.registers, 1), BLOCK))
        self.errors = np.zeros((plan.registers - len(plan.features) + 1, BLOCK))
        first = len(plan.features) + len(plan.readings)
        self.registers[first : first + len(bound.constants)] = bound.constants[:, None]
        place = 1 + len(plan.readings)
        self.errors[place : place + len(bound.constants)] = bound.constant_errors[:, None]
        self.masks = np.zeros((plan.masks, BLOCK), np.uint8)
        self.masks[TRUE_ROW], self.masks[FALSE_ROW] = TRUE, FALSE
        self.scratch = np.zeros((3, BLOCK), np.int64)
        self.bound = bound
        self.tables = [loops.prepared(table) for table in bound.tables]
        troubles = [place for table in plan.tables for place in table.troubles]
        kinds = np.zeros(plan.outputs[-1], np.uint8)
        for rule, place in zip(plan.rules, plan.outputs, strict=False):
            of_values = [_OUTPUT_KINDS.get(kind, 0) for kind in rule.values]
            kinds[place : place + len(of_values)] = of_values
        fixed = (plan.code.ravel(), plan.starts * 5, plan.limits)
        self.code, self.starts, self.limits = fixed
        self.troubles, self.kinds = np.array(troubles, np.int64), kinds

    def run(self, start: int, stop: int, outputs: Outputs, first: int) -> None:
        """Fill the outputs from place `first` for customers start to stop of this part."""
        for low in range(start, stop, CHUNK):
            self._chunk(low, min(low + CHUNK, stop), outputs, first + low - start)

    def _chunk(self, low: int, high: int, outputs: Outputs, first: int) -> None:
        many, loops, bound = high - low, self.loops, self.bound
        place = 0
        for table in self.tables:
            out = self.features[place : place + table.features].reshape(-1)
            apart = self.features.shape[1]
            arguments = (table.rows, table.classes, table.gathered, table.memo, low, high, apart)
            loops.call(gather, arguments, (out,))
            place += table.features
        results: tuple[Array, ...] = outputs
        if not loops.compiles:  # lists of the chunk alone
            results, first = tuple(array[:, first : first + many] for array in outputs), 0
        fixed = (self.code, self.starts, self.limits, bound.totals, self.troubles, self.kinds)
        given = (self.features, bound.numbers, bound.errors, bound.conditions)
        room = (self.registers, self.errors, self.masks, self.scratch)
        loops.call(compute, (*fixed, *given, low, many, first), (*room, *results))


_OUTPUT_KINDS: Mapping[StepKind, int] = {StepKind.TEXT: TEXT, StepKind.DATE: DATE}


def _by_digits(batch: FactBatch) -> Iterator[tuple[int, int, int]]:
    """Runs of customers whose currencies have the same number of digits after the point."""
    column = batch.customers["currency"]
    known = np.array([minor_digits(text or "") or 0 for text in column.dictionary])
    digits = known[column.values]
    start = 0
    for stop in (*(np.flatnonzero(np.diff(digits)) + 1).tolist(), len(batch)):
        if stop > start:
            yield start, stop, int(digits[start])
        start = stop


class _Derived:
    """Tables of a batch with the columns that follow from others."""

    def __init__(self, plan: ColumnPlan, batch: FactBatch, loops: Loops) -> None:
        self.plan = plan
        self.batch = batch
        self.loops = loops

    def table(self, name: str) -> Table:
        """A table by name."""
        accounts, transactions = self.batch.accounts, self.batch.transactions
        if name == "streams":
            return table_of(self._streams, self.batch)
        if name == "accounts":
            balances = self._balances()
            derived: dict[str, Column] = {"balance": Column(Kind.MONEY, balances)}
            if any(self._is_read(field) for field in FORECASTS):
                derived |= forecasts(self._streams, self.batch, balances, self.plan.as_of)
            return Table(accounts.offsets, {**accounts.columns, **derived})
        columns = dict(transactions.columns)
        if self._is_read("account type"):
            own, kind = columns["account"], accounts.columns["type"]
            type_of = np.append(kind.values, np.uint32(0))[self.batch.account_rows()]  # -1: null
            columns["account type"] = Column(Kind.TEXT, type_of[own.values], kind.dictionary)
        if self._is_read("repeated"):
            columns["repeated"] = Column(Kind.BOOLEAN, self._repeated())
        return Table(transactions.offsets, columns)

    def _is_read(self, name: str) -> bool:
        return any(name in (*table.codes, *table.numbers) for table in self.plan.tables)

    @functools.cached_property
    def _streams(self) -> Found:
        return search(self.batch, self.plan.as_of, self.loops)

    def _repeated(self) -> Array:
        """By transaction, 1 where it repeats one of a few days before."""
        table = self.batch.transactions
        found = np.zeros(int(table.offsets[-1]), np.uint8)
        room = (np.full(_BUCKETS, -1), np.zeros(len(found), np.int32))
        names = ("booking date", "account", "merchant", "amount")
        columns = (table.offsets, *(table.columns[name].values for name in names))
        self.loops.call(find_repeated, (*map(read_only, columns), REPEATED_WITHIN), (*room, found))
        return found

    def customers(self) -> FactBatch:
        """The batch with the customers' derived field, where that is read."""
        readings = (*self.plan.readings, *self.plan.conditions)
        if not any(reading.path[-1] == "history days" for reading in readings):
            return self.batch
        offsets, last = self.batch.transactions.offsets, self.plan.as_of.day
        days = self.batch.transactions.columns["booking date"].values
        places = np.minimum(offsets[:-1], max(len(days) - 1, 0))
        first = days[places].astype(np.int64) if len(days) else np.zeros(len(places), np.int64)
        known = (np.diff(offsets) > 0) & (first <= last)
        history = Column(Kind.NUMBER, np.where(known, last - first, 0))
        return replace(self.batch, customers={**self.batch.customers, "history days": history})

    def _balances(self) -> Array:
        """The last known balance of each account, as of the plan's date."""
        accounts, transactions = self.batch.accounts, self.batch.transactions
        found = np.full(len(accounts.columns["id"].values), NULL_MONEY, np.int64)
        own = transactions.columns["account"]
        rows = self.batch.account_rows()
        columns = (
            transactions.offsets,
            transactions.columns["booking date"].values,
            own.values,
            transactions.columns["balance"].values,
            rows,
            accounts.offsets,
        )
        arguments = (*map(read_only, columns), self.plan.as_of.day)
        self.loops.call(last_balances, arguments, (found,))
        return found
