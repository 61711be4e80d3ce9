"""Calls of functions: fits arguments to parameters, and turns errors into null."""

from collections.abc import Sequence
from typing import Any

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
            return value.invoke(_fit_form(value, None, arguments, session), session)
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
    listing = builtin.variadic and names is None

    def run(frame: Frame) -> Any:
        values = [argument(frame) for argument in arguments]
        if listing and len(values) != 1:
            values = [values] if values else []
        try:
            fitted = _fit_form(builtin, names, values, frame.session)
            if takes_functions:
                fitted = [bound(value, frame.session) for value in fitted]
            return builtin.invoke(fitted, frame.session)
        except FeelError as error:
            frame.session.spend(CALL_STEPS * len(builtin.forms))
            frame.session.report(error.code, span, error.message)
            return None

    return run


def _fit_form(
    builtin: Builtin, names: Sequence[str] | None, values: list[Any], budget: Budget
) -> list[Any]:
    """Fit the arguments to the first form of parameters that accepts them.

    Raises:
        FeelError: They fit no form.
    """
    problem: FeelError | None = None
    for form in builtin.forms:
        parameters = [name for name, _ in form]
        ordered = in_order(parameters, names, values, builtin.required_of(form))
        kinds = None if ordered is None else builtin.kinds(form, len(ordered))
        if ordered is None or kinds is None:
            continue
        try:
            return [_fit(v, k, builtin, budget) for v, k in zip(ordered, kinds, strict=True)]
        except FeelError as error:
            problem = problem or error
    if problem is None:
        problem = FeelError(
            "feel.argument-count", f"the call must have the form {builtin.signature}"
        )
    raise problem


def _fit(value: Any, kind: Type, builtin: Builtin, budget: Budget) -> Any:
    """Fit an argument to a parameter, converting between single values and lists of one.

    Raises:
        FeelError: It is null or of another type.
    """
    if value is None:
        if builtin.takes_null or isinstance(kind, Nullable):
            return None
        raise FeelError("feel.null-operand", f"an argument of {builtin.name} is null")
    wanted = strip(kind)
    if isinstance(wanted, ListOf):
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) == 1 and not is_instance(value, wanted, budget):
        value = value[0]
    if is_instance(value, wanted, budget):
        return value
    message = f"{builtin.name} takes {wanted}, not {type_name(value)}"

    raise FeelError("feel.argument-type", message)
