"""The syntax tree: one small frozen class for each form of expression."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, get_args
from typing import Literal as OneOf

from tuppence.feel.diagnostics import Span
from tuppence.feel.types import Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written out: number, string, boolean, null, date or duration."""

    span: Span
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable or a function by its name."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """`base.name`; over a list, the name's value of each element."""

    span: Span
    base: "Node"
    name: str


@dataclass(frozen=True, slots=True)
class Filter:
    """`base[predicate]`: the elements for which it holds, or the one at an index."""

    span: Span
    base: "Node"
    predicate: "Node"


@dataclass(frozen=True, slots=True)
class Negation:
    """`-operand`."""

    span: Span
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right`."""

    span: Span
    operator: OneOf["+", "-", "*", "/", "**"]
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`."""

    span: Span
    operator: OneOf["=", "!=", "<", "<=", ">", ">="]
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Between:
    """`value between low and high`, both ends included."""

    span: Span
    value: "Node"
    low: "Node"
    high: "Node"


@dataclass(frozen=True, slots=True)
class In:
    """`value in test` or `value in (test, …)`, true if the value passes any of the tests."""

    span: Span
    value: "Node"
    tests: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Logic:
    """`left and right` or `left or right`, in three-valued logic."""

    span: Span
    operator: OneOf["and", "or"]
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class If:
    """`if condition then … else …`."""

    span: Span
    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Binding:
    """`name in source` of a for, some or every; `name in source..until` counts up or down."""

    span: Span = dataclasses.field(compare=False)
    name: str
    source: "Node"
    until: "Node | None" = None


@dataclass(frozen=True, slots=True)
class For:
    """`for x in …, y in … return body`."""

    span: Span
    iterators: tuple[Binding, ...]
    body: "Node"


@dataclass(frozen=True, slots=True)
class Quantified:
    """`some x in … satisfies body`, `every x in … satisfies body`."""

    span: Span
    quantifier: OneOf["some", "every"]
    iterators: tuple[Binding, ...]
    body: "Node"


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """`function(a, b: number) body`; `kinds` has None for parameters without a type."""

    span: Span
    parameters: tuple[str, ...]
    body: "Node"
    kinds: tuple[Type | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """`function(argument, …)`; `names` holds the names of named arguments."""

    span: Span
    function: "Node"
    arguments: "tuple[Node, ...]"
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """`[a, b]`."""

    span: Span
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class ContextLiteral:
    """`{name: value}`; later values may use earlier names."""

    span: Span
    names: tuple[str, ...]
    values: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class RangeLiteral:
    """`[low..high]`, or with other brackets; `unary` if written `< high` or `>= low`."""

    span: Span
    low: "Node | None"
    high: "Node | None"
    low_closed: bool
    high_closed: bool
    unary: bool = False


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """`value instance of kind`."""

    span: Span
    value: "Node"
    kind: Type


Node = (
    Literal
    | Name
    | Path
    | Filter
    | Negation
    | Arithmetic
    | Comparison
    | Between
    | In
    | Logic
    | If
    | For
    | Quantified
    | FunctionDefinition
    | Call
    | ListLiteral
    | ContextLiteral
    | RangeLiteral
    | InstanceOf
)


def _parts_of(node: Any) -> tuple[str, ...]:
    """Return the fields of a node other than its span, in the order of the text."""
    kind: Any = type(node)
    return _fields_of(kind)


@functools.cache
def _fields_of(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.name != "span")


_NODES: Final = frozenset(get_args(Node))


def _is_node(value: Any) -> TypeGuard[Node]:
    """Return whether a value is a node; `isinstance` with a union is several times slower."""
    return type(value) in _NODES


@functools.cache
def _branches_of(kind: Any) -> tuple[str, ...]:
    """Return the fields of a kind of node that hold nodes, as their annotations say."""
    fields = dataclasses.fields(kind)
    return tuple(
        one.name for one in fields if "Node" in str(one.type) or "Binding" in str(one.type)
    )


def children(node: Node) -> list[Node]:
    """Return the node's direct parts, in the order of the text."""
    kind: Any = type(node)
    found: list[Node] = []
    for name in _branches_of(kind):
        value = getattr(node, name)
        for part in value if type(value) is tuple else (value,):
            if _is_node(part):
                found.append(part)
            elif isinstance(part, Binding):
                found.append(part.source)
                if part.until is not None:
                    found.append(part.until)
    return found


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, parents first."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(children(one)))


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to every node of a tree, from the leaves up.

    Unchanged nodes are returned as the same objects.
    """
    return change(with_children(node, lambda child: transform(child, change)))


def with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to the node's direct parts; return the same object if none changes."""
    renewed: dict[str, Any] = {}
    for name in _parts_of(node):
        value = getattr(node, name)
        new = _renewed(value, change)
        if new is not value:
            renewed[name] = new
    return dataclasses.replace(node, **renewed) if renewed else node


def _renewed(value: Any, change: Callable[[Node], Node]) -> Any:
    if _is_node(value):
        return change(value)
    if isinstance(value, Binding):
        source = change(value.source)
        until = None if value.until is None else change(value.until)
        if source is value.source and until is value.until:
            return value
        return dataclasses.replace(value, source=source, until=until)
    if type(value) is tuple:
        parts = [_renewed(part, change) for part in value]
        same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if same else tuple(parts)
    return value


def same(left: Any, right: Any) -> bool:
    """Return whether two trees are equal apart from their places in the text."""
    if type(left) is not type(right):
        return False
    if _is_node(left) or isinstance(left, Binding):
        return all(same(getattr(left, name), getattr(right, name)) for name in _parts_of(left))
    if type(left) is tuple:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def key(node: Any) -> Any:
    """Return a value that is equal for two trees exactly if they are the `same`."""
    if _is_node(node) or isinstance(node, Binding):
        return (type(node).__name__, *(key(getattr(node, name)) for name in _parts_of(node)))
    return tuple(map(key, node)) if type(node) is tuple else (type(node).__name__, node)


def defined_names(tree: Node) -> frozenset[str]:
    """Return the names that a text defines itself, in loops, functions and contexts."""
    names: set[str] = set()
    for node in walk(tree):
        match node:
            case For() | Quantified():
                names.update(binding.name for binding in node.iterators)
            case FunctionDefinition():
                names.update(node.parameters)
            case ContextLiteral():
                names.update(node.names)
    return frozenset(names)
