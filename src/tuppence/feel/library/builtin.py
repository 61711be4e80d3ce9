"""Descriptions of built-in functions for the checker, the interpreter and the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuppence.feel.budget import CALL_STEPS, Budget, extent, short
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_DURATION,
    FUNCTION,
    NULL,
    NUMBER,
    STRING,
    TIME,
    YEARS_DURATION,
    ContextOf,
    FunctionOf,
    ListOf,
    RangeOf,
    Type,
    join,
    nullable,
    strip,
)
from tuppence.feel.values import Date, DateTime, DaysDuration, Function, Range, Time, YearsDuration

_CLASSES: dict[Type, type] = {
    BOOLEAN: bool,
    DATE: Date,
    DATE_TIME: DateTime,
    TIME: Time,
    DAYS_DURATION: DaysDuration,
    NUMBER: Decimal,
    NULL: type(None),
    STRING: str,
    YEARS_DURATION: YearsDuration,
}


Parameters = tuple[tuple[str, Type], ...]
"""Names and types of parameters, in order."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function.

    Attributes:
        name: Name in FEEL.
        parameters: Names and types of the parameters, in order.
        others: Further lists of parameters that it accepts, all of them required.
        result: Type of the value, or a function that derives it from the arguments' types.
        call: Takes the arguments as FEEL values, after the budget if `spends`. Raises FeelError if
            the value is null for a reason that the author should know.
        doc: One sentence for the reference.
        required: Number of required arguments; None for all.
        variadic: Whether the only parameter is a list whose elements may be separate arguments.
        repeats: Whether the last parameter may be repeated.
        takes_null: Whether arguments may be null; otherwise a null argument makes the value null.
        steps: Steps of a call.
        element_steps: Steps for each element, entry, and 16 characters of the arguments.
        spends: Whether its work depends on more than that, so that it spends steps itself.
    """

    name: str
    parameters: Parameters
    result: Type | Callable[[Sequence[Type]], Type]
    call: Callable[..., Any]
    doc: str
    required: int | None = None
    variadic: bool = False
    repeats: bool = False
    takes_null: bool = False
    others: tuple[Parameters, ...] = ()
    steps: int = CALL_STEPS
    element_steps: int = 1
    spends: bool = False

    @property
    def forms(self) -> tuple[Parameters, ...]:
        """All lists of parameters, with the usual one first."""
        return (self.parameters, *self.others)

    def kinds(self, form: Parameters, count: int) -> list[Type] | None:
        """Return the types of a form's parameters for a number of arguments, or None if invalid."""
        kinds = [kind for _, kind in form]
        if self.repeats and count > len(kinds):
            kinds += [kinds[-1]] * (count - len(kinds))
        return kinds[:count] if self.required_of(form) <= count <= len(kinds) else None

    def required_of(self, form: Parameters) -> int:
        """Return the number of arguments that a form needs."""
        usual = form is self.parameters
        return self.required if usual and self.required is not None else len(form)

    @property
    def signature(self) -> str:
        """The form of a call, as the reference shows it."""
        names = [
            name + ("…" if self.variadic or self.repeats else "") for name, _ in self.parameters
        ]
        return f"{self.name}({', '.join(names)})"

    def result_type(self, arguments: Sequence[Type]) -> Type:
        """Return the type of the value for arguments of given types."""
        return self.result if not callable(self.result) else self.result(arguments)

    def invoke(self, arguments: Sequence[Any], budget: Budget) -> Any:
        """Compute the value for arguments that fit the parameters, and pay for it.

        Raises:
            FeelError: The function has no value for these arguments.
            OutOfBudget: The call takes more steps than are left.
        """
        budget.spend(self.steps + self.element_steps * sum(map(extent, arguments)))
        passed = (budget, *arguments) if self.spends else arguments
        try:
            value = self.call(*passed)
        except ArithmeticError:
            raise FeelError("feel.arithmetic", f"{self.name} has no number as its result") from None
        budget.spend(extent(value))
        if type(value) is str:
            short(len(value))
        return value


def is_instance(value: Any, kind: Type, budget: Budget) -> bool:
    """Return whether a value belongs to a type (DMN 1.5, 10.3.2.9.1).

    Raises:
        OutOfBudget: The check takes more steps than are left.
    """
    budget.spend(1)
    kind = strip(kind)
    if kind == ANY:
        return value is not None
    if isinstance(kind, ListOf):
        return isinstance(value, list) and (
            kind.element == ANY
            or all(item is None or is_instance(item, kind.element, budget) for item in value)
        )
    if isinstance(kind, ContextOf):
        return isinstance(value, dict) and all(
            name in value and (value[name] is None or is_instance(value[name], field, budget))
            for name, field in kind.fields.items()
        )
    if isinstance(kind, RangeOf):
        ends = (value.low, value.high) if isinstance(value, Range) else ()
        return bool(ends) and any(
            end is not None and (kind.element == ANY or is_instance(end, kind.element, budget))
            for end in ends
        )
    if kind == FUNCTION or isinstance(kind, FunctionOf):
        return isinstance(value, Function | Builtin)
    return type(value) is _CLASSES.get(kind)


def apply(function: Function, budget: Budget, *arguments: Any) -> Any:
    """Call a function that is an argument of another one.

    Raises:
        FeelError: The function takes other arguments.
        OutOfBudget: The call takes more steps than are left.
    """
    return function.call(list(arguments), budget)


def element_of(arguments: Sequence[Type]) -> Type:
    """Return the element type of the first argument if it is a list, else its own type."""
    first = strip(arguments[0]) if arguments else ANY
    return first.element if isinstance(first, ListOf) else first


def element_or_null(arguments: Sequence[Type]) -> Type:
    """Return the type of `element_of`, nullable if the list may be empty."""
    return _unless_empty(element_of(arguments), arguments)


def number_or_null(arguments: Sequence[Type]) -> Type:
    """Return number, nullable if the list may be empty."""
    return _unless_empty(NUMBER, arguments)


def _unless_empty(kind: Type, arguments: Sequence[Type]) -> Type:
    first = strip(arguments[0]) if arguments else ANY
    return kind if isinstance(first, ListOf) and first.nonempty else nullable(kind)


def nonempty_list(arguments: Sequence[Type]) -> Type:
    """Return the type of the list in the first argument with the last argument added."""
    return ListOf(join(element_of(arguments), arguments[-1]), nonempty=True)


def list_of_elements(arguments: Sequence[Type]) -> Type:
    """Return the type of the list in the first argument."""
    return ListOf(element_of(arguments))
