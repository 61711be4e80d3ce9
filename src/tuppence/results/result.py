"""The one result kept for each (customer, rule)."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from tuppence.feel.numbers import CONTEXT
from tuppence.results.packed import Layout, Packed, unpack


class State(StrEnum):
    """What became of a rule's condition."""

    NOT_QUALIFIED = "not_qualified"
    QUALIFIED = "qualified"
    UNKNOWN = "unknown"


STATES = tuple(State)
"""In the order of their numbers in packed results."""


class Result(msgspec.Struct, frozen=True):
    """What one rule found for one customer.

    Attributes:
        rule_id: Of the rule.
        state: qualified, not_qualified, or unknown where the condition is null.
        score: Relevance from 0 to 100, of 4 decimals; None unless qualified.
        values: The rule's values as FEEL values, numbers to 4 decimals; empty unless qualified.
        since: Day since which the state has been so, in days since 1970-01-01.
    """

    rule_id: str
    state: State
    score: Decimal | None
    values: Mapping[str, Any]
    since: int


class CustomerResults(msgspec.Struct, frozen=True, gc=False):
    """All results of one customer, in the order of their rules.

    Attributes:
        customer_id: Of the customer.
        as_of: Date of the evaluation that wrote them, in days since 1970-01-01; later ones that
            found the same have left them alone.
        layout: Of the ruleset that gave them.
        packed: The results.
    """

    customer_id: str
    as_of: int
    layout: Layout
    packed: bytes

    @property
    def ruleset(self) -> str:
        """Digest of the ruleset that gave them."""
        return self.layout.ruleset

    @property
    def results(self) -> tuple[Result, ...]:
        """One for each rule; they are unpacked at each call."""
        return tuple(
            Result(
                rule_id,
                STATES[found.state],
                None if found.score is None else Decimal(found.score).scaleb(-4),
                dict(zip(names, found.values, strict=True)) if found.state == 1 else {},
                found.since,
            )
            for (rule_id, names), found in zip(
                self.layout.rules, unpack(self.layout, self.packed), strict=True
            )
        )


class ResultStore(Protocol):
    """Keeps the results of every customer.

    Attributes:
        by_rule: Whether a row may have some of its ruleset's rules: results by the others stay as
            they are. Otherwise a row takes the place of all that is there.
    """

    by_rule: bool

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """What is kept of these customers; those without results are left out."""
        ...

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Keep these in place of what is there, unless that is of a later date."""
        ...

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer; whether there were any."""
        ...


def packed(result: Result) -> Packed:
    """A result as it is packed."""
    score = None if result.score is None else int(result.score.scaleb(4))
    values = tuple(result.values.values())
    return Packed(STATES.index(result.state), result.since, score, values)


def rounded(value: Any) -> Any:
    """The value with its numbers, however deep, rounded half even to 4 decimals.

    No zeros are left at the end of a number, so that equal numbers are written alike.
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
    """Whether it would be written with an exponent that is not needed: 1E+2."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent > 0 and number.adjusted() < CONTEXT.prec


def json_value(value: Any) -> Any:
    """A FEEL value for JSON: numbers stay decimals, dates and durations become texts."""
    if isinstance(value, dict):
        return {name: json_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | str | Decimal) else str(value)
