"""Functions on lists (DMN 1.5, 10.3.4.4)."""

import collections
import functools
from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from tuppence.feel.budget import Budget, nest
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.equality import equal
from tuppence.feel.library.builtin import (
    Builtin,
    apply,
    element_or_null,
    list_of_elements,
    nonempty_list,
    number_or_null,
)
from tuppence.feel.numbers import CONTEXT, number_key, whole
from tuppence.feel.operators import compare
from tuppence.feel.types import ANY, BOOLEAN, FUNCTION, NUMBER, ListOf, Nullable
from tuppence.feel.values import Range

_COMPARISON_STEPS: Final = 10
_KEY_STEPS: Final = 5
_SORTING_STEPS: Final = 10
_ORDERED: Final = "number, string, date and duration"


def _numbers(items: list[Any], function: str) -> list[Decimal]:
    for item in items:
        if type(item) is not Decimal:
            found = "null" if item is None else "something else"
            raise FeelError("feel.argument-type", f"{function} takes numbers, and {found} is there")
    return items


def _sum(items: list[Any]) -> Decimal | None:
    numbers = _numbers(items, "sum")
    if not numbers:
        return None
    total = numbers[0]
    for number in numbers[1:]:
        total = CONTEXT.add(total, number)
    return total


def _product(items: list[Any]) -> Decimal | None:
    numbers = _numbers(items, "product")
    if not numbers:
        return None
    product = Decimal(1)
    for number in numbers:
        product = CONTEXT.multiply(product, number)
    return product


def _mean(items: list[Any]) -> Decimal | None:
    total = _sum(items)
    return None if total is None else CONTEXT.divide(total, Decimal(len(items)))


def _median(items: list[Any]) -> Decimal | None:
    numbers = sorted(_numbers(items, "median"))
    if not numbers:
        return None
    middle = len(numbers) // 2
    if len(numbers) % 2:
        return numbers[middle]
    return CONTEXT.divide(CONTEXT.add(numbers[middle - 1], numbers[middle]), Decimal(2))


def _stddev(items: list[Any]) -> Decimal | None:
    numbers = _numbers(items, "stddev")
    if len(numbers) < 2:
        raise FeelError("feel.arithmetic", "stddev takes two numbers or more")
    mean = _mean(numbers) or Decimal(0)
    squares = [CONTEXT.power(CONTEXT.subtract(n, mean), Decimal(2)) for n in numbers]
    return CONTEXT.sqrt(CONTEXT.divide(_sum(squares) or Decimal(0), Decimal(len(numbers) - 1)))


def _mode(items: list[Any]) -> list[Decimal]:
    numbers = {number_key(number): number for number in reversed(_numbers(items, "mode"))}
    counts = collections.Counter(map(number_key, items))
    most = max(counts.values(), default=0)
    return sorted(numbers[key] for key, count in counts.items() if count == most)


def _one_kind(items: list[Any], function: str) -> list[Any]:
    kinds = {type(item) for item in items}
    if len(kinds) > 1 or kinds & {type(None), list, dict, bool}:
        raise FeelError("feel.argument-type", f"{function} takes values of one type: {_ORDERED}")
    return items


def _extreme(budget: Budget, items: list[Any], function: str, symbol: str) -> Any:
    """Return the first extreme element: none of the others compares with it by `symbol`."""
    found = None
    for item in _one_kind(items, function):
        if found is None or compare(symbol, item, found, budget):
            found = item
    return found


def _minimum(budget: Budget, items: list[Any]) -> Any:
    return _extreme(budget, items, "min", "<")


def _maximum(budget: Budget, items: list[Any]) -> Any:
    return _extreme(budget, items, "max", ">")


def _sort(budget: Budget, items: list[Any], precedes: Any = None) -> list[Any]:
    def order(left: Any, right: Any) -> int:
        budget.spend(_COMPARISON_STEPS)
        if precedes is None:
            return compare(">", left, right, budget) - compare("<", left, right, budget)
        later = apply(precedes, budget, right, left) is True
        return later - (apply(precedes, budget, left, right) is True)

    return sorted(items, key=functools.cmp_to_key(order))


def _list_replace(budget: Budget, items: list[Any], place: Any, new: Any) -> list[Any]:
    """Replace the element at a position, or those for which a function of both items is true."""
    if isinstance(place, Decimal):
        index = _index(items, place.to_integral_value(ROUND_DOWN), len(items))
        return [*items[:index], new, *items[index + 1 :]]
    verdicts = [apply(place, budget, item, new) for item in items]
    if not all(verdict is True or verdict is False for verdict in verdicts):
        raise FeelError("feel.argument-type", "the match must be true or false for each element")
    return [new if verdict else item for item, verdict in zip(items, verdicts, strict=True)]


def _all(items: list[Any]) -> bool | None:
    if False in [item for item in items if type(item) is bool]:
        return False
    return True if all(item is True for item in items) else None


def _any(items: list[Any]) -> bool | None:
    if any(item is True for item in items):
        return True
    return False if all(item is False for item in items) else None


def _index(items: list[Any], position: Decimal, longest: int) -> int:
    """Return the index from 0 of a position counted from 1, or from -1 at the end.

    A fraction is left out, as in texts.
    """
    place = whole(position)
    if 1 <= abs(place) <= longest:
        return place - 1 if place > 0 else len(items) + place
    raise FeelError("feel.argument-type", f"the list has no position {position}")


def _sublist(items: list[Any], start: Decimal, length: Decimal | None = None) -> list[Any]:
    first = _index(items, start, len(items))
    if length is None:
        return items[first:]
    if length < 0 or first + whole(length) > len(items):
        raise FeelError("feel.argument-type", f"the list has no {length} elements from there")
    return items[first : first + whole(length)]


def _insert_before(items: list[Any], position: Decimal, value: Any) -> list[Any]:
    index = _index(items, position, len(items) + 1)
    return [*items[:index], value, *items[index:]]


def _remove(items: list[Any], position: Decimal) -> list[Any]:
    index = _index(items, position, len(items))
    return items[:index] + items[index + 1 :]


def _contains(budget: Budget, items: list[Any], element: Any) -> bool:
    return any(equal(item, element, budget) is True for item in items)


def _distinct(budget: Budget, items: list[Any]) -> list[Any]:
    if any(isinstance(item, list | dict | Range) for item in items):
        found: list[Any] = []
        for item in items:
            if not _contains(budget, found, item):
                found.append(item)
        return found
    budget.spend(_KEY_STEPS * len(items))
    return list({_key(item): item for item in items}.values())


def _key(item: Any) -> Any:
    """Return a key that is the same for equal values, and whose hash cannot be predicted."""
    kind = type(item)
    if kind is Decimal:
        return number_key(item)
    return (kind, str(item) if isinstance(item, tuple) else item)


def _concatenate(*lists: list[Any]) -> list[Any]:
    return [item for items in lists for item in items]


def _union(budget: Budget, *lists: list[Any]) -> list[Any]:
    return _distinct(budget, _concatenate(*lists))


def _flatten(budget: Budget, items: list[Any]) -> list[Any]:
    return list(_opened(budget, items, 0))


def _opened(budget: Budget, items: list[Any], depth: int) -> Iterator[Any]:
    """Yield the elements, with lists among them replaced by their elements."""
    nest(depth)
    for item in items:
        budget.spend(1 + depth // 4)
        if isinstance(item, list):
            yield from _opened(budget, item, depth + 1)
        else:
            yield item


def _index_of(budget: Budget, items: list[Any], match: Any) -> list[Decimal]:
    return [Decimal(i) for i, item in enumerate(items, 1) if equal(item, match, budget) is True]


_LIST: Final = (("list", ListOf(ANY)),)
_NUMBERS: Final = (("list", ListOf(NUMBER)),)
_BOOLEANS: Final = (("list", ListOf(Nullable(BOOLEAN))),)

FUNCTIONS: Final = (
    Builtin(
        "count", _LIST, NUMBER, lambda items: Decimal(len(items)), "Returns the number of elements."
    ),
    *(
        Builtin(
            name, _LIST, element_or_null, call, doc, variadic=True, element_steps=4, spends=True
        )
        for name, call, doc in (
            ("min", _minimum, "Returns the smallest element; null if the list is empty."),
            ("max", _maximum, "Returns the largest element; null if the list is empty."),
        )
    ),
    *(
        Builtin(name, _NUMBERS, number_or_null, call, doc, variadic=True, element_steps=steps)
        for name, call, doc, steps in (
            ("sum", _sum, "Returns the sum; null if the list is empty.", 2),
            ("mean", _mean, "Returns the average; null if the list is empty.", 2),
            ("median", _median, "Returns the median; null if the list is empty.", _SORTING_STEPS),
            ("product", _product, "Returns the product; null if the list is empty.", 2),
        )
    ),
    Builtin(
        "stddev",
        _NUMBERS,
        Nullable(NUMBER),
        _stddev,
        "Returns the sample standard deviation.",
        variadic=True,
        element_steps=10,
    ),
    Builtin(
        "mode",
        _NUMBERS,
        ListOf(NUMBER),
        _mode,
        "Returns the most frequent numbers.",
        variadic=True,
        element_steps=2 * _KEY_STEPS + _SORTING_STEPS,
    ),
    Builtin(
        "all",
        _BOOLEANS,
        Nullable(BOOLEAN),
        _all,
        "Returns true if all elements are true.",
        variadic=True,
    ),
    Builtin(
        "any",
        _BOOLEANS,
        Nullable(BOOLEAN),
        _any,
        "Returns true if any element is true.",
        variadic=True,
    ),
    Builtin(
        "list contains",
        (("list", ListOf(ANY)), ("element", Nullable(ANY))),
        BOOLEAN,
        _contains,
        "Returns true if the list contains the element.",
        spends=True,
    ),
    Builtin(
        "sublist",
        (("list", ListOf(ANY)), ("start position", NUMBER), ("length", NUMBER)),
        list_of_elements,
        _sublist,
        "Returns part of the list; positions count from 1, or from -1 at the end.",
        required=2,
    ),
    Builtin(
        "append",
        (("list", ListOf(ANY)), ("item", Nullable(ANY))),
        nonempty_list,
        lambda items, *more: [*items, *more],
        "Returns the list with elements appended.",
        repeats=True,
    ),
    Builtin(
        "concatenate",
        _LIST,
        list_of_elements,
        _concatenate,
        "Concatenates all lists.",
        repeats=True,
    ),
    Builtin(
        "union",
        _LIST,
        list_of_elements,
        _union,
        "Concatenates all lists, without duplicates.",
        repeats=True,
        spends=True,
    ),
    Builtin(
        "insert before",
        (("list", ListOf(ANY)), ("position", NUMBER), ("newItem", Nullable(ANY))),
        nonempty_list,
        _insert_before,
        "Returns the list with an element inserted before the position.",
    ),
    Builtin(
        "remove",
        (("list", ListOf(ANY)), ("position", NUMBER)),
        list_of_elements,
        _remove,
        "Returns the list without the element at the position.",
    ),
    Builtin(
        "list replace",
        (("list", ListOf(ANY)), ("position", NUMBER), ("newItem", Nullable(ANY))),
        ListOf(ANY),
        _list_replace,
        "Replaces the element at a position, or every element for which a function is true.",
        others=((("list", ListOf(ANY)), ("match", FUNCTION), ("newItem", Nullable(ANY))),),
        spends=True,
    ),
    Builtin(
        "sort",
        (("list", ListOf(ANY)), ("precedes", FUNCTION)),
        list_of_elements,
        _sort,
        "Sorts the list; a function may decide which of two elements comes first.",
        required=1,
        spends=True,
    ),
    Builtin(
        "reverse",
        _LIST,
        list_of_elements,
        lambda items: items[::-1],
        "Returns the list in reverse order.",
    ),
    Builtin(
        "index of",
        (("list", ListOf(ANY)), ("match", Nullable(ANY))),
        ListOf(NUMBER),
        _index_of,
        "Returns the positions of the elements that equal the value.",
        spends=True,
    ),
    Builtin(
        "distinct values",
        _LIST,
        list_of_elements,
        _distinct,
        "Returns the list without duplicates.",
        spends=True,
    ),
    Builtin(
        "flatten",
        _LIST,
        ListOf(ANY),
        _flatten,
        "Replaces nested lists by their elements.",
        spends=True,
    ),
)
