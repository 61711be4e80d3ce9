"""The one result kept for each (customer, rule)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from tuppence.errors import UserError
from tuppence.feel import evaluate, feel_literal
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.values import Date


class State(StrEnum):
    """What became of a rule's condition."""

    QUALIFIED = "qualified"
    NOT_QUALIFIED = "not_qualified"
    UNKNOWN = "unknown"


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What one rule found for one customer.

    Attributes:
        rule_id: Of the rule.
        state: qualified, not_qualified, or unknown where the condition is null.
        score: Relevance from 0 to 100, of 4 decimals; None unless qualified.
        values: The rule's values as a FEEL context, numbers to 4 decimals; empty unless qualified.
        since: Day since which the state has been so, in days since 1970-01-01.
    """

    rule_id: str
    state: State
    score: Decimal | None
    values: str
    since: int

    def same_as(self, other: "Result | None") -> bool:
        """Whether the other says the same of the customer."""
        return other is not None and (self.state, self.score, self.values) == (
            other.state,
            other.score,
            other.values,
        )

    def decoded_values(self) -> dict[str, Any]:
        """The values as FEEL values."""
        return dict(evaluate(self.values)) if self.values else {}


class CustomerResults(msgspec.Struct, frozen=True):
    """All results of one customer, in the order of their rules.

    Attributes:
        customer_id: Of the customer.
        as_of: Date of the last evaluation, in days since 1970-01-01.
        ruleset: Digest of the ruleset that gave them.
        results: One for each rule.
    """

    customer_id: str
    as_of: int
    ruleset: str
    results: tuple[Result, ...]


class ResultStore(Protocol):
    """Keeps the results of every customer."""

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """What is kept of these customers; those without results are left out."""
        ...

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Keep these in place of what is there, unless that is of a later date."""
        ...

    def scan(self, after: str = "") -> Iterator[CustomerResults]:
        """All customers' results in the order of their identifiers, beginning after one."""
        ...


def values_text(values: Mapping[str, Any]) -> str:
    """Values as they are kept: a FEEL context, numbers rounded half even to 4 decimals."""
    return feel_literal({name: rounded(value) for name, value in values.items()}) if values else ""


def rounded(value: Any) -> Any:
    """The value with its numbers, however deep, rounded half even to 4 decimals."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        fine = isinstance(exponent, int) and exponent < -4
        return CONTEXT.quantize(value, Decimal("0.0001")) if fine else value
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return value


def update(previous: CustomerResults | None, fresh: CustomerResults) -> tuple[CustomerResults, int]:
    """What to keep, given what was kept before, and how many results differ.

    A state that has not changed keeps the day since which it has been so.

    Raises:
        UserError: What is kept is of a later date.
    """
    if previous is None:
        return fresh, len(fresh.results)
    if previous.as_of > fresh.as_of:
        kept, now = Date(previous.as_of), Date(fresh.as_of)
        message = f"the results kept are as of {kept}, later than {now}"
        raise UserError("results.older", message, "run it into another store")
    known = {result.rule_id: result for result in previous.results}
    results: list[Result] = []
    changed = len(known.keys() - {result.rule_id for result in fresh.results})
    for result in fresh.results:
        before = known.get(result.rule_id)
        changed += not result.same_as(before)
        if before and before.state is result.state:
            results.append(msgspec.structs.replace(result, since=before.since))
        else:
            results.append(result)
    return msgspec.structs.replace(fresh, results=tuple(results)), changed
