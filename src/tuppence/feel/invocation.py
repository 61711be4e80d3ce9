"""Calls of functions: fits arguments to parameters, and turns errors into null."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tuppence.feel.budget import CALL_STEPS, Budget
from tuppence.feel.diagnostics import FeelError, Span
from tuppence.feel.frames import Frame, Run, Session
from tuppence.feel.library.builtin import Builtin, is_instance
from tuppence.feel.types import FUNCTION, ListOf, Nullable, Type, strip
from tuppence.feel.values import Function, type_name


def in_order(
    parameters: Sequence[str], names: Sequence[str] | None, values: list[Any], required: int
) -> list[Any] | None:
    """Return named arguments in the order of the parameters, or None if a name does not exist.

    Required parameters that are not named are null (DMN 1.5, 10.3.2.13.2).
    """
    if names is None:
        return values
    named = dict(zip(names, values, strict=True))
    if not named.keys() <= set(parameters) or len(named) != len(values):
        return None
    count = max(required, *(parameters.index(name) + 1 for name in named))
    return [named.get(name) for name in parameters[:count]]


def bound(value: Any, session: Session) -> Any:
    """Convert a function to one that the library can call, at the expense of the session."""

    def call(arguments: list[Any], _: Any) -> Any:
        if isinstance(value, Builtin):
            forms = _forms(value, None, len(arguments))
            return value.invoke(_fit_form(value, forms, arguments, session), session)
        if len(value.parameters) != len(arguments):
            message = f"the function must have {len(arguments)} parameters"
            raise FeelError("feel.argument-count", message)
        return value.call(arguments, session)

    return Function((), call) if isinstance(value, Function | Builtin) else value


def call_builtin(
    builtin: Builtin, arguments: list[Run], names: Sequence[str] | None, span: Span
) -> Run:
    """Compile a call of a built-in function; its errors are reported at the span."""
    takes_functions = any(kind == FUNCTION for form in builtin.forms for _, kind in form)
    listing = builtin.variadic and names is None and len(arguments) != 1
    forms = _forms(builtin, names, min(len(arguments), 1) if listing else len(arguments))

    def run(frame: Frame) -> Any:
        values = [argument(frame) for argument in arguments]
        if listing and values:
            values = [values]
        try:
            fitted = _fit_form(builtin, forms, values, frame.session)
            if takes_functions:
                fitted = [bound(value, frame.session) for value in fitted]
            return builtin.invoke(fitted, frame.session)
        except FeelError as error:
            frame.session.spend(CALL_STEPS * len(builtin.forms))
            frame.session.report(error.code, span, error.message)
            return None

    return run


class _Slot(NamedTuple):
    """A parameter for which a call has an argument.

    Attributes:
        place: Place of the argument in the call; None if it is left out, and so is null.
        takes_null: Whether the argument may be null.
        kind: Its type without null.
    """

    place: int | None
    takes_null: bool
    kind: Type


def _forms(builtin: Builtin, names: Sequence[str] | None, count: int) -> list[list[_Slot]]:
    """Return the signatures that accept this number of arguments under these names."""
    found: list[list[_Slot]] = []
    for form in builtin.forms:
        parameters = [name for name, _ in form]
        places = in_order(parameters, names, list(range(count)), builtin.required_of(form))
        kinds = None if places is None else builtin.kinds(form, len(places))
        if places is not None and kinds is not None:
            slots = [
                _Slot(place, builtin.takes_null or isinstance(kind, Nullable), strip(kind))
                for place, kind in zip(places, kinds, strict=True)
            ]
            found.append(slots)
    return found


def _fit_form(
    builtin: Builtin, forms: list[list[_Slot]], values: list[Any], budget: Budget
) -> list[Any]:
    """Fit the arguments to the first form of parameters that accepts them.

    Raises:
        FeelError: They fit no form.
    """
    problem: FeelError | None = None
    for form in forms:
        try:
            return [_fit(values, slot, builtin, budget) for slot in form]
        except FeelError as error:
            problem = problem or error
    if problem is None:
        problem = FeelError(
            "feel.argument-count", f"the call must have the form {builtin.signature}"
        )
    raise problem


def _fit(values: list[Any], slot: _Slot, builtin: Builtin, budget: Budget) -> Any:
    """Fit an argument to a parameter, converting between single values and lists of one.

    Raises:
        FeelError: It is null or of another type.
    """
    place, takes_null, wanted = slot
    value = None if place is None else values[place]
    if value is None:
        if takes_null:
            return None
        raise FeelError("feel.null-operand", f"an argument of {builtin.name} is null")
    if isinstance(wanted, ListOf):
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) == 1 and not is_instance(value, wanted, budget):
        value = value[0]
    if is_instance(value, wanted, budget):
        return value
    raise FeelError("feel.argument-type", f"{builtin.name} takes {wanted}, not {type_name(value)}")
