"""Lists of contexts with the same fields, and filters over them at the speed of a comprehension.

Facts are such lists, and rules spend most of their time filtering them. Because the fields of all
elements are known in advance, a condition made of comparisons can be written as one Python
comprehension. It keeps exactly the elements for which the condition is true, as the interpreter
does. All other conditions are left to the interpreter.
"""

import functools
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.feel import syntax
from tuppence.feel.values import Date

Keep = Callable[[list[dict[str, Any]], Sequence[Any]], list[dict[str, Any]]]
"""Takes the elements and the values of the outer expressions; returns the elements to keep."""

_NULL: Final = frozenset({type(None)})
_CLASSES: Final = frozenset({Decimal, str, bool, Date, type(None)})
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


class RowField(NamedTuple):
    """The Python class of a field's values, and whether they may be None."""

    kind: type
    nullable: bool


class Rows(list[dict[str, Any]]):
    """A FEEL list of contexts with the same fields.

    Args:
        items: The contexts.
        fields: All fields of the contexts, by name.
    """

    __slots__ = ("fields",)

    def __init__(self, items: Sequence[dict[str, Any]], fields: Mapping[str, RowField]) -> None:
        super().__init__(items)
        self.fields = fields


class FastFilter(NamedTuple):
    """A condition as a Python comprehension.

    Attributes:
        keep: Filters elements, given the values of the outer expressions.
        outer: Expressions that do not depend on the element.
        kinds: The classes of which each outer value must have one for `keep` to be correct.
    """

    keep: Keep
    outer: tuple[syntax.Node, ...]
    kinds: tuple[frozenset[type], ...]


def write_out(predicate: syntax.Node, fields: Mapping[str, RowField]) -> FastFilter | None:
    """Convert a condition to a comprehension, or return None if its form is not supported."""
    writer = _Writer(fields)
    text = writer.condition(predicate)
    if text is None:
        return None
    return FastFilter(_compiled(text), tuple(writer.outer), tuple(writer.kinds))


@functools.lru_cache(maxsize=1_000)  # most filters of a ruleset have one of a few forms
def _compiled(text: str) -> Keep:
    source = f"lambda items, outer: [t for t in items if {text}]"
    # The only parts of the source that come from an author are names in `fields`, as literals.
    keep: Keep = eval(source, {"__builtins__": {}})  # noqa: S307
    return keep


class _Writer:
    def __init__(self, fields: Mapping[str, RowField]) -> None:
        self.fields = fields
        self.outer: list[syntax.Node] = []
        self.kinds: list[frozenset[type]] = []

    def condition(self, node: syntax.Node) -> str | None:
        match node:
            case syntax.Logic():
                left, right = self.condition(node.left), self.condition(node.right)
                return (
                    None if left is None or right is None else f"({left} {node.operator} {right})"
                )
            case syntax.Name(name=name) if name in self.fields:
                return f"t[{name!r}] is True"
            case syntax.Comparison():
                return self.comparison(node)
            case syntax.In(value=syntax.Name(name=name)) if name in self.fields:
                tests = [self.equality("=", name, test) for test in node.tests]
                written = [test for test in tests if test is not None]
                return f"({' or '.join(written)})" if len(written) == len(tests) else None
            case syntax.Call(function=syntax.Name(name="not"), arguments=(inner,), names=None):
                text = self.condition(inner) if self.is_never_null(inner) else None
                return None if text is None else f"(not {text})"
        return None

    def is_never_null(self, node: syntax.Node) -> bool:
        """Return True for a condition that is true or false for every element."""
        match node:
            case syntax.Name(name=name) if name in self.fields:
                return not self.fields[name].nullable
            case syntax.In():
                return True
            case syntax.Comparison(operator="=" | "!="):
                return True
        return False

    def comparison(self, node: syntax.Comparison) -> str | None:
        left, right, operator = node.left, node.right, str(node.operator)
        if not self.is_field(left):
            left, right, operator = right, left, _MIRRORED[operator]
        if not isinstance(left, syntax.Name) or left.name not in self.fields:
            return None
        if operator in {"=", "!="}:
            return self.equality(operator, left.name, right, _NULL)
        field = self.fields[left.name]
        value = None if field.kind is bool else self.value(right, {field.kind})
        if value is None:
            return None
        if field.nullable:
            return f"((x := t[{left.name!r}]) is not None and x {operator} {value})"
        return f"t[{left.name!r}] {operator} {value}"

    def equality(
        self, operator: str, name: str, other: syntax.Node, also: frozenset[type] = frozenset()
    ) -> str | None:
        """Write a test for equality with a value of the field's class, or of another one."""
        symbol = "==" if operator == "=" else "!="
        if isinstance(other, syntax.Literal) and other.value is None:
            return f"t[{name!r}] {'is' if operator == '=' else 'is not'} None"
        value = self.value(other, {self.fields[name].kind, *also})
        return None if value is None else f"t[{name!r}] {symbol} {value}"

    def value(self, node: syntax.Node, kinds: Set[type]) -> str | None:
        """Add an outer expression, and return its text, or None if it depends on the element."""
        names = {part.name for part in syntax.walk(node) if isinstance(part, syntax.Name)}
        loops = (syntax.Filter, syntax.For, syntax.Quantified, syntax.FunctionDefinition)
        inner = any(isinstance(part, loops) for part in syntax.walk(node))
        if not kinds <= _CLASSES or inner or names & {"item", *self.fields}:
            return None
        self.outer.append(node)
        self.kinds.append(frozenset(kinds))
        return f"outer[{len(self.outer) - 1}]"

    def is_field(self, node: syntax.Node) -> bool:
        return isinstance(node, syntax.Name) and node.name in self.fields
