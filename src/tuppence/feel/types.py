"""The types that the checker infers (DMN 1.5, 10.3.2.9), extended by nullability."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Simple:
    """A type without parts, by its FEEL name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose elements all have one type; `nonempty` if it certainly has an element."""

    element: "Type"
    nonempty: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"list of {self.element}"


@dataclass(frozen=True, slots=True)
class ContextOf:
    """A context with known entries."""

    fields: Mapping[str, "Type"] = field(hash=False)

    def __str__(self) -> str:
        return "context"


@dataclass(frozen=True, slots=True)
class RangeOf:
    """A range whose ends have one type."""

    element: "Type"

    def __str__(self) -> str:
        return f"range of {self.element}"


@dataclass(frozen=True, slots=True)
class FunctionOf:
    """A function with the types of its parameters and of its value."""

    parameters: "tuple[Type, ...]"
    result: "Type"

    def __str__(self) -> str:
        return "function"


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value of the type, or null."""

    inner: "Type"

    def __str__(self) -> str:
        return f"{self.inner} or null"


Type = Simple | ListOf | ContextOf | RangeOf | FunctionOf | Nullable

ANY: Final = Simple("any")
NULL: Final = Simple("null")
BOOLEAN: Final = Simple("boolean")
NUMBER: Final = Simple("number")
STRING: Final = Simple("string")
DATE: Final = Simple("date")
TIME: Final = Simple("time")
DATE_TIME: Final = Simple("date and time")
DAYS_DURATION: Final = Simple("days and time duration")
YEARS_DURATION: Final = Simple("years and months duration")
FUNCTION: Final = Simple("function")
_MAX_PARTS: Final = 100
NAMED_TYPES: Final[Mapping[str, Type]] = {
    "Any": ANY,
    "Null": NULL,
    "boolean": BOOLEAN,
    "number": NUMBER,
    "string": STRING,
    "date": DATE,
    "time": TIME,
    "date and time": DATE_TIME,
    "days and time duration": DAYS_DURATION,
    "years and months duration": YEARS_DURATION,
}
"""The types that FEEL text can name (`instance of`, function parameters)."""


def context_of(fields: Mapping[str, Type]) -> ContextOf:
    """Return the type of a context with these entries.

    Types may hold the same type twice, at each of many levels; comparing two such types of 24
    levels would take years. So a type with more than `_MAX_PARTS` parts is replaced by any.
    """
    return ContextOf({name: ANY if _is_large(kind) else kind for name, kind in fields.items()})


def _is_large(kind: Type) -> bool:
    waiting, seen = [kind], 0
    while waiting and seen <= _MAX_PARTS:
        seen += 1
        match waiting.pop():
            case ListOf(element=inner) | RangeOf(element=inner) | Nullable(inner=inner):
                waiting.append(inner)
            case ContextOf(fields=fields):
                waiting.extend(fields.values())
            case FunctionOf(parameters=parameters, result=result):
                waiting += [*parameters, result]
    return seen > _MAX_PARTS


def nullable(kind: Type) -> Type:
    """Return the type with null added."""
    return kind if isinstance(kind, Nullable) or kind in {ANY, NULL} else Nullable(kind)


def strip(kind: Type) -> Type:
    """Return the type without null."""
    return kind.inner if isinstance(kind, Nullable) else kind


def join(left: Type, right: Type) -> Type:
    """Return the narrowest type that has the values of both types."""
    if left == right:
        return left
    if right == NULL:
        return nullable(left)
    if left == NULL:
        return nullable(right)
    a, b = strip(left), strip(right)
    if isinstance(a, ListOf) and isinstance(b, ListOf):
        joined: Type = ListOf(join(a.element, b.element), a.nonempty and b.nonempty)
    else:
        joined = a if a == b else ANY
    return nullable(joined) if isinstance(left, Nullable) or isinstance(right, Nullable) else joined


def fits(actual: Type, wanted: Type) -> bool:
    """Return whether a value of the actual type can be used where the wanted one is required.

    Null is ignored. A single value fits a list, because FEEL wraps it, and a list fits a single
    value, because FEEL takes its only element (DMN 1.5, 10.3.2.9.4).
    """
    a, w = strip(actual), strip(wanted)
    if ANY in {a, w} or a == NULL:
        return True
    if isinstance(a, ListOf) and isinstance(w, ListOf):
        return fits(a.element, w.element)
    if isinstance(w, ListOf):
        return fits(a, w.element)
    if isinstance(a, ContextOf) and isinstance(w, ContextOf):
        return all(name in a.fields and fits(a.fields[name], t) for name, t in w.fields.items())
    if isinstance(a, FunctionOf) or isinstance(w, FunctionOf):
        return {type(a), type(w)} <= {FunctionOf, Simple} and (FUNCTION in {a, w} or a == w)
    if isinstance(a, RangeOf) and isinstance(w, RangeOf):
        return fits(a.element, w.element)
    return a == w


def type_text(kind: Type) -> str:
    """Return the type in the notation of FEEL."""
    match kind:
        case ListOf():
            return "list" if kind.element == ANY else f"list<{type_text(kind.element)}>"
        case RangeOf():
            return "range" if kind.element == ANY else f"range<{type_text(kind.element)}>"
        case ContextOf():
            fields = ", ".join(f"{name}: {type_text(t)}" for name, t in kind.fields.items())
            return f"context<{fields}>" if fields else "context"
        case FunctionOf():
            parameters = ", ".join(map(type_text, kind.parameters))
            return f"function<{parameters}> -> {type_text(kind.result)}"
        case Nullable():
            return type_text(kind.inner)
    return {"any": "Any", "null": "Null"}.get(kind.name, kind.name)
