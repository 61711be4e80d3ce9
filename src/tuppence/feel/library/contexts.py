"""Functions on contexts (DMN 1.5, 10.3.4.9)."""

from typing import Any, Final

from tuppence.feel.budget import Budget, extent, nest
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.types import ANY, STRING, ContextOf, ListOf, Nullable


def _entries(context: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in context.items()]


def _context(entries: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not {"key", "value"} <= entry.keys():
            raise FeelError("feel.argument-type", "each entry needs a key and a value")
        if not isinstance(entry["key"], str) or entry["key"] in made:
            raise FeelError("feel.argument-type", "each key must be a text of its own")
        made[entry["key"]] = entry["value"]
    return made


def _put(
    budget: Budget, context: dict[str, Any], key: Any, value: Any, depth: int = 0
) -> dict[str, Any]:
    nest(depth)
    keys = key if isinstance(key, list) else [key]
    if not keys or not isinstance(keys[0], str):
        raise FeelError("feel.argument-type", "a key must be a text")
    first, *others = keys
    if others:
        inner = context.get(first)
        if not isinstance(inner, dict):
            raise FeelError("feel.argument-type", f"there is no context at {first}")
        value = _put(budget, inner, others, value, depth + 1)
    budget.spend(2 * extent(context))
    return {**context, first: value}


def _merge(budget: Budget, contexts: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for context in contexts:
        budget.spend(2 * extent(context))
        if not isinstance(context, dict):
            raise FeelError("feel.argument-type", "context merge takes contexts")
        merged.update(context)
    return merged


_ANY_CONTEXT: Final = ContextOf({})
_PAIR: Final = ContextOf({"key": STRING, "value": Nullable(ANY)})

FUNCTIONS: Final = (
    Builtin(
        "get value",
        (("m", _ANY_CONTEXT), ("key", STRING)),
        Nullable(ANY),
        lambda m, key: m.get(key),
        "Returns the value of a key, or null if there is none.",
    ),
    Builtin(
        "get entries",
        (("m", _ANY_CONTEXT),),
        ListOf(_PAIR),
        _entries,
        "Returns the entries as a list of contexts with key and value.",
        element_steps=5,
    ),
    Builtin(
        "context",
        (("entries", ListOf(ANY)),),
        _ANY_CONTEXT,
        _context,
        "Returns the context of a list of entries with key and value.",
        element_steps=5,
    ),
    Builtin(
        "context put",
        (("context", _ANY_CONTEXT), ("key", STRING), ("value", Nullable(ANY))),
        _ANY_CONTEXT,
        _put,
        "Returns the context with a new value for a key, or for a path of keys.",
        spends=True,
        others=((("context", _ANY_CONTEXT), ("keys", ListOf(STRING)), ("value", Nullable(ANY))),),
    ),
    Builtin(
        "context merge",
        (("contexts", ListOf(ANY)),),
        _ANY_CONTEXT,
        _merge,
        "Returns one context with the entries of all; later ones override earlier ones.",
        spends=True,
    ),
)
