"""Calling functions: arguments fitted to parameters, errors turned into null."""

from collections.abc import Sequence
from typing import Any

from tuppence.feel.budget import CALL_STEPS, Budget
from tuppence.feel.diagnostics import FeelError, Span
from tuppence.feel.frames import Frame, Run, Session
from tuppence.feel.library.builtin import Builtin, is_instance
from tuppence.feel.types import FUNCTION, ListOf, Nullable, Type, strip
from tuppence.feel.values import Function, type_name


def in_order(
    parameters: Sequence[str], names: Sequence[str] | None, values: list[Any]
) -> list[Any] | None:
    """Named arguments put into the parameters' order; None where a name does not exist."""
    if names is None:
        return values
    given = dict(zip(names, values, strict=True))
    if not given.keys() <= set(parameters) or len(given) != len(values):
        return None
    last = max(parameters.index(name) for name in given)
    return [given.get(name) for name in parameters[: last + 1]]


def bound(value: Any, session: Session) -> Any:
    """A function as the library can call it, at the cost of the evaluation at hand."""

    def call(arguments: list[Any], _: Any) -> Any:
        if isinstance(value, Builtin):
            return value.invoke(_fit_form(value, None, arguments, session), session)
        if len(value.parameters) != len(arguments):
            message = f"a function of {len(arguments)} parameters is needed"
            raise FeelError("feel.argument-count", message)
        return value.call(arguments, session)

    return Function((), call) if isinstance(value, Function | Builtin) else value


def call_builtin(
    builtin: Builtin, arguments: list[Run], names: Sequence[str] | None, span: Span
) -> Run:
    """A call of a built-in function; its errors are reported at the span."""
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
    """The arguments as the first form of parameters wants them that they fit.

    Raises:
        FeelError: They fit none.
    """
    problem: FeelError | None = None
    for form in builtin.forms:
        ordered = in_order([name for name, _ in form], names, values)
        kinds = None if ordered is None else builtin.kinds(form, len(ordered))
        if ordered is None or kinds is None:
            continue
        try:
            return [_fit(v, k, builtin, budget) for v, k in zip(ordered, kinds, strict=True)]
        except FeelError as error:
            problem = problem or error
    if problem is None:
        problem = FeelError("feel.argument-count", f"it is called as {builtin.signature}")
    raise problem


def _fit(value: Any, kind: Type, builtin: Builtin, budget: Budget) -> Any:
    """The argument as the parameter wants it: null, lists of one and single values considered."""
    if value is None:
        if builtin.takes_null or isinstance(kind, Nullable):
            return None
        raise FeelError("feel.null-operand", f"{builtin.name} was given null")
    wanted = strip(kind)
    if isinstance(wanted, ListOf):
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) == 1 and not is_instance(value, wanted, budget):
        value = value[0]
    if is_instance(value, wanted, budget):
        return value
    message = f"{builtin.name} takes {wanted}, and {type_name(value)} was given"
    raise FeelError("feel.argument-type", message)
