"""The columnar engine: evaluates a plan for a batch over whole columns.

Its results equal those of the reference engine bit for bit. The reference evaluates the pairs of a
customer and a rule that floats cannot decide, and the parts of rules that do not fit columns.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.derived.context import Derived, customer_context, reads_transactions
from tuppence.derived.tables import DerivedTables
from tuppence.engine.binding import Binding, Bindings, BoundInputs, texts_of_constants
from tuppence.engine.kernel.compute import compute
from tuppence.engine.kernel.gather import gather
from tuppence.engine.kernel.layout import Inputs, Outputs
from tuppence.engine.kernel.outputs import SHORT_HISTORY, UNSURE_STATE
from tuppence.engine.reference import Evaluation, Problem, evaluate_rule, history_problem
from tuppence.engine.text_numbers import TextNumbers
from tuppence.facts.batch import FactBatch
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date
from tuppence.plan.code import Feature
from tuppence.plan.columns import ColumnPlan, TablePlan
from tuppence.plan.description import feature_text
from tuppence.plan.instructions import Readout
from tuppence.plan.model import decimals_of
from tuppence.plan.plan import Plan
from tuppence.results.batch import ResultBatch
from tuppence.results.packed import (
    LITERAL,
    QUALIFIED,
    TEXT,
    UNKNOWN,
    Grid,
    check_day,
    coded,
    pack_all,
)
from tuppence.results.result import packed

Array = npt.NDArray[Any]

CHUNK: Final = 2_048
"""Number of customers whose features are gathered before the program runs; they fit into a large
cache."""
MAX_INTERPRETED: Final = 100
"""Maximum number of pairs of a batch that are interpreted here, where other processes could."""
MAX_SHARE: Final = 0.25
"""Maximum number of such pairs for each customer: other processes read all customers once more."""

Pair = tuple[int, int]
"""The indexes of a customer and of a rule."""


class Interpreted(NamedTuple):
    """A result of the interpreter, to be put beside those of columns.

    Attributes:
        state: State as in packed results.
        score: Score in ten-thousandths; -1 for null.
        values: The kind, the number and the text by which each value is packed.
    """

    state: int
    score: int
    values: tuple[tuple[int, int, str], ...]


class Interpretation(NamedTuple):
    """Results of the interpreter, in the order of their pairs, and the problems that it met."""

    results: Sequence[Interpreted]
    problems: Counter[Problem]


Interpret = Callable[[Sequence[Pair]], Interpretation]
"""Has the interpreter evaluate pairs of a batch, which are ordered by customer."""


class Engine:
    """Evaluates the rules of a plan for batches of customers. It is thread-safe.

    It remembers why results were unknown, so that the reference explains each reason only once, and
    keeps what batches have in common.

    Args:
        plan: The rules and the date.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._layout = plan.layout
        self._bindings = Bindings(plan.columns)
        self._reasons: dict[int, tuple[Problem, ...]] = {}
        rules = plan.columns.rules
        self._partial = [i for i, rule in enumerate(rules) if not rule.whole]

    def evaluate(self, facts: FactBatch, beside: Interpret | None = None) -> Evaluation:
        """Evaluate every rule of the plan for every customer of the batch.

        The results equal those of `reference.evaluate`, bit for bit.

        Args:
            facts: The batch.
            beside: Has the interpreter evaluate many pairs in other processes (see
                `MAX_INTERPRETED` and `MAX_SHARE`); without it, all are evaluated here.
        """
        as_of = self.plan.as_of.day
        check_day(as_of)
        problems: Counter[Problem] = Counter()
        data, offsets = pack_all(self._layout, self.grid(facts, problems, beside), as_of)
        batch = ResultBatch(facts.customer_ids, as_of, self._layout, data, offsets)
        return Evaluation(batch, problems)

    def interpret(self, facts: FactBatch, pairs: Sequence[Pair]) -> Interpretation:
        """Have the interpreter evaluate some pairs of a batch, which are ordered by customer."""
        bound = BoundPlan(self.plan.columns, facts, self._bindings)
        found = self._interpret(facts, bound, pairs)
        bound.give_back()
        return found

    def grid(
        self,
        facts: FactBatch,
        problems: Counter[Problem] | None = None,
        beside: Interpret | None = None,
    ) -> Grid:
        """Return the results as arrays, and add the reasons for unknown ones to the problems."""
        plan = self.plan
        bound = BoundPlan(plan.columns, facts, self._bindings)
        outputs = bound.run(0, len(facts))
        pairs = self._left_over(outputs.states)
        short = outputs.states == SHORT_HISTORY
        too_short = np.count_nonzero(short, axis=1)
        outputs.states[short] = UNKNOWN
        signatures: dict[int, int] = {}
        unexplained: dict[int, list[int]] = {}
        if problems is not None:
            signatures, unexplained = self._signatures(outputs)
        for customer, unknown in unexplained.items():
            context = self._context(facts, bound, customer, {s >> 32 for s in unknown})
            for signature in unknown:
                one = Counter[Problem]()
                evaluate_rule(plan.rules[signature >> 32], context, plan.as_of, one)
                self._reasons[signature] = tuple(one)
        most = max(MAX_INTERPRETED, MAX_SHARE * len(facts))
        if beside is not None and len(pairs) > most:
            interpreted = beside(pairs)
        else:
            interpreted = self._interpret(facts, bound, pairs)
        for pair, result in zip(pairs, interpreted.results, strict=True):
            _put(outputs, plan.columns, pair, result, bound.texts)
        if problems is not None:
            for rule in np.flatnonzero(too_short).tolist():
                written = plan.rules[rule].rule
                problem = history_problem(written.id, written.minimum_history_days)
                problems[problem] += int(too_short[rule])
            for signature, count in signatures.items():
                for reason in self._reasons[signature]:
                    problems[reason] += count
            problems.update(interpreted.problems)
        bound.give_back()
        names = bound.texts.texts
        return Grid(outputs.states, outputs.scores, outputs.values, outputs.kinds, names)

    def _left_over(self, states: Array) -> list[Pair]:
        """Return the pairs that the interpreter evaluates, ordered by customer."""
        is_left = states == UNSURE_STATE
        is_left[self._partial] |= states[self._partial] == QUALIFIED
        customers, rules = np.nonzero(is_left.T)
        return list(zip(customers.tolist(), rules.tolist(), strict=True))

    def _interpret(
        self, facts: FactBatch, bound: "BoundPlan", pairs: Sequence[Pair]
    ) -> Interpretation:
        plan, met = self.plan, Counter[Problem]()
        found: list[Interpreted] = []
        for customer, own in itertools.groupby(pairs, itemgetter(0)):
            rules = [rule for _, rule in own]
            context = self._context(facts, bound, customer, rules)
            for rule in rules:
                result = packed(evaluate_rule(plan.rules[rule], context, plan.as_of, met))
                score = -1 if result.score is None else result.score
                found.append(Interpreted(result.state, score, tuple(map(coded, result.values))))
        return Interpretation(found, met)

    def _signatures(self, outputs: Outputs) -> tuple[dict[int, int], dict[int, list[int]]]:
        """Return how often each signature occurs, and by customer those to be explained.

        The upper half of a signature is the rule, the lower half tells what was null.
        """
        signed = np.where(outputs.states == UNSURE_STATE, 0, outputs.signatures)
        rules, customers = np.nonzero(signed)
        keys = rules << 32 | signed[rules, customers]
        found, first, counts = np.unique(keys, return_index=True, return_counts=True)
        signatures = dict(zip(found.tolist(), counts.tolist(), strict=True))
        unexplained: dict[int, list[int]] = {}
        for signature, customer in zip(signatures, customers[first].tolist(), strict=True):
            if signature not in self._reasons:
                unexplained.setdefault(customer, []).append(signature)
        return signatures, unexplained

    def _context(
        self, facts: FactBatch, bound: "BoundPlan", customer: int, rules: Iterable[int]
    ) -> Mapping[str, Any]:
        """Return the facts of a customer that some rules read, with what the batch derived."""
        planned = [self.plan.rules[rule] for rule in rules]
        streams = any(rule.reads_streams for rule in planned)
        names = frozenset[str]().union(*(rule.names for rule in planned))
        transactions = reads_transactions(names)
        return customer_context(
            facts,
            customer,
            self.plan.as_of,
            streams=streams,
            derived=bound.derived(customer, transactions=transactions, streams=streams),
            names=names,
        )


def _put(
    outputs: Outputs, plan: ColumnPlan, pair: Pair, result: Interpreted, texts: TextNumbers
) -> None:
    """Write a result of the interpreter to the outputs."""
    customer, rule = pair
    outputs.states[rule, customer] = result.state
    if result.state != QUALIFIED:
        return
    outputs.scores[rule, customer] = result.score
    for place, (kind, number, text) in enumerate(result.values, plan.program.first_values[rule]):
        outputs.kinds[place, customer] = kind
        is_text = kind in {TEXT, LITERAL}
        outputs.values[place, customer] = texts.number(text) if is_text else number


class BoundPlan:
    """A plan bound to a batch, which can run over any part of it, any number of times.

    Only one thread at a time may use it.

    Args:
        plan: The plan.
        batch: The facts.
        bindings: The plan's bindings, of which it takes those it needs.

    Attributes:
        texts: The numbers of texts in the outputs.
    """

    def __init__(
        self, plan: ColumnPlan, batch: FactBatch, bindings: Bindings | None = None
    ) -> None:
        self._plan = plan
        self._bindings = bindings or Bindings(plan)
        self._taken: dict[int, Binding] = {}
        self.texts = TextNumbers(texts_of_constants(plan))
        self._groups: list[_CurrencyGroup] = []
        for start, stop, digits in _by_digits(batch):
            part = batch if stop - start == len(batch) else batch.slice(start, stop)
            binding = self._taken.get(digits) or self._bindings.take(digits)
            self._taken[digits] = binding
            self._groups.append(_CurrencyGroup(binding, part, start, self.texts))

    def give_back(self) -> None:
        """Leave the bindings to others; it cannot run any more."""
        for binding in self._taken.values():
            self._bindings.give_back(binding)
        self._groups = []

    def features(self, customer: int) -> list[float]:
        """Return the features of a customer, counted from the start of the last run."""
        return [float(value) for one in self._groups[:1] for value in one.features[:, customer]]

    def derived(self, customer: int, *, transactions: bool, streams: bool) -> Derived:
        """Return the derived facts of a customer, those that are wanted; see `DerivedTables.of`."""
        group = next(one for one in self._groups if one.start <= customer < one.stop)
        place = customer - group.start
        return group.derived.of(place, transactions=transactions, streams=streams)

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

    def __init__(self, binding: Binding, batch: FactBatch, start: int, texts: TextNumbers) -> None:
        self.start, self.stop = start, start + len(batch)
        self._binding = binding
        self._texts = texts
        self.derived = DerivedTables(batch, binding.plan.as_of, binding.fields)
        self._bound: BoundInputs | None = None
        self.features = binding.features(min(CHUNK, len(batch)))

    def run(self, start: int, stop: int, outputs: Outputs, first: int) -> None:
        """Fill the outputs, from index `first` on, for customers `start` to `stop` of the group."""
        binding, derived, bound = self._binding, self.derived, self._bound
        if bound is None or binding.bound is not bound:  # another group was bound meanwhile
            bound = binding.bind(derived.customers(), derived.table, self._texts)
            self._bound = bound
        inputs = Inputs(
            bound.row_counts, self.features, bound.numbers, bound.number_errors, bound.conditions
        )
        chunk = self.features.shape[1]
        for low in range(start, stop, chunk):
            high = min(low + chunk, stop)
            place = 0
            for table in bound.tables:
                out = self.features[place : place + table.features].reshape(-1)
                gather(table.rows, table.classes, table.plan, table.memo, low, high, chunk, out)
                place += table.features
            many, at = high - low, first + low - start
            compute(binding.program, inputs, binding.work, outputs, low, many, at)


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
