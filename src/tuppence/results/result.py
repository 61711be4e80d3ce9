"""Results, of which one is stored for each customer and rule."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, overload

import msgspec

from tuppence.feel.numbers import CONTEXT
from tuppence.results.packed import (
    NOT_QUALIFIED,
    QUALIFIED,
    SUSPENDED,
    Layout,
    Packed,
    unpack,
)


class State(StrEnum):
    """The outcome of a rule's condition."""

    NOT_QUALIFIED = "not_qualified"
    QUALIFIED = "qualified"
    UNKNOWN = "unknown"


STATES = tuple(State)
"""All states, in the order of their numbers in packed results."""


class Result(msgspec.Struct, frozen=True):
    """The result of one rule for one customer.

    Attributes:
        rule_id: Identifier of the rule.
        state: The outcome of the condition; unknown if that is null.
        score: Relevance from 0 to 100, with 4 decimals; None unless qualified.
        values: The rule's values as FEEL values, numbers with 4 decimals; empty unless qualified.
        since: Day since which the state has held, in days since 1970-01-01. If it was qualified,
            then unknown, that is the day since which it qualified, also once it qualifies again.
        suspended: Whether it is unknown, and was qualified before.
    """

    rule_id: str
    state: State
    score: Decimal | None
    values: Mapping[str, Any]
    since: int
    suspended: bool = False


class CustomerResults(msgspec.Struct, frozen=True, gc=False):
    """All results of one customer, in the order of their rules.

    Attributes:
        customer_id: Identifier of the customer.
        as_of: Date of the evaluation that wrote them, in days since 1970-01-01. Later evaluations
            with equal results do not write them again.
        layout: Layout of the packed results.
        packed: The packed results.
    """

    customer_id: str
    as_of: int
    layout: Layout
    packed: bytes

    @property
    def ruleset(self) -> str:
        """The digest of the ruleset that was evaluated."""
        return self.layout.ruleset

    @property
    def version(self) -> str:
        """A digest of the results, computed at each access."""
        return hashlib.sha256(self.packed).hexdigest()[:32]

    @property
    def results(self) -> tuple[Result, ...]:
        """The result of each rule, unpacked at each access."""
        return self._from(NOT_QUALIFIED)

    @property
    def that_apply(self) -> tuple[Result, ...]:
        """The results that qualify or are unknown, unpacked at each access: a few of many."""
        return self._from(QUALIFIED)

    def _from(self, least: int) -> tuple[Result, ...]:
        rules = self.layout.rules
        return tuple(
            _result(*rules[place], found)
            for place, found in unpack(self.layout, self.packed, least)
        )


def _result(rule_id: str, names: tuple[str, ...], found: Packed) -> Result:
    if found.state != QUALIFIED:
        return _unqualified(rule_id, found.state, found.since)
    score = None if found.score is None else Decimal(found.score).scaleb(-4)
    values = dict(zip(names, found.values, strict=True))
    return Result(rule_id, State.QUALIFIED, score, values, found.since)


@functools.lru_cache(maxsize=10_000)  # most results do not qualify, since one of a few days
def _unqualified(rule_id: str, state: int, since: int) -> Result:
    is_suspended = state == SUSPENDED
    known = State.UNKNOWN if is_suspended else STATES[state]
    return Result(rule_id, known, None, {}, since, is_suspended)


class ResultsThatApply(Sequence[Result]):
    """The results of a customer that qualify or are unknown, unpacked when they are first read.

    Args:
        row: All results of the customer.
    """

    def __init__(self, row: CustomerResults) -> None:
        self._row = row

    @functools.cached_property
    def _unpacked(self) -> tuple[Result, ...]:
        return self._row.that_apply

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        return self._unpacked[index]

    def __len__(self) -> int:
        return len(self._unpacked)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._unpacked)


class ResultStore(Protocol):
    """Keeps the results of every customer.

    Attributes:
        by_rule: Whether a row may hold the results of some rules only, while stored results of the
            other rules stay. Otherwise a row replaces all stored results of its customer.
    """

    by_rule: bool

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the stored results of customers; those without results are left out."""
        ...

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Store rows in place of earlier ones, unless those are of a later date."""
        ...

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer, and return whether there were any."""
        ...


def packed(result: Result) -> Packed:
    """Convert a result to the form that can be packed."""
    score = None if result.score is None else int(result.score.scaleb(4))
    values = tuple(result.values.values())
    state = SUSPENDED if result.suspended else STATES.index(result.state)
    return Packed(state, result.since, score, values)


def rounded(value: Any) -> Any:
    """Return a value with all numbers in it rounded half even to 4 decimals.

    Trailing zeros are removed, so that equal numbers are written alike.
    """
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -4:
            value = CONTEXT.quantize(value, Decimal("0.0001"))
        shortest = CONTEXT.plus(value.normalize(CONTEXT))
        return CONTEXT.quantize(shortest, Decimal(1)) if _is_round(shortest) else shortest
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return value


def _is_round(number: Decimal) -> bool:
    """Return whether a number would be written with an avoidable exponent, such as 1E+2."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent > 0 and number.adjusted() < CONTEXT.prec


def json_value(value: Any) -> Any:
    """Convert a FEEL value for JSON: numbers stay decimals, dates and durations become texts."""
    if isinstance(value, dict):
        return {name: json_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | str | Decimal) else str(value)
