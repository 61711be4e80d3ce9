"""Resolves the names in a rule while it is planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tuppence.feel import Span, syntax
from tuppence.feel.library import BUILTINS
from tuppence.plan.model import Collection


class NotColumnar(Exception):  # noqa: N818 - a signal inside the planner, never seen outside
    """Raised where an expression does not fit columns.

    Attributes:
        reason: The reason, in plain words.
        span: Position of the part that does not fit.
    """

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A name bound to an expression, with the scope in which it was written."""

    node: syntax.Node
    scope: "Scope"


@dataclass(frozen=True, slots=True, eq=False)
class RowOf:
    """A name bound to a row of a collection, or to one of its fields."""

    collection: Collection
    field: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Names, and the enclosing scope."""

    names: Mapping[str, Binding | RowOf]
    around: "Scope | None" = None

    def find(self, name: str) -> Binding | RowOf | None:
        """Return the binding of a name in this or an enclosing scope; None if it is unbound."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.around
        return None


def row_scope(collection: Collection, name: str, around: Scope) -> Scope:
    """Return the scope of an expression that is evaluated for each row.

    Args:
        collection: The collection of the rows.
        name: Name of the row; empty in a filter, where the row is `item` and its fields are names.
        around: The enclosing scope.
    """
    if name:
        return Scope({name: RowOf(collection)}, around)
    names = {field: RowOf(collection, field) for field in collection.table.fields}
    return Scope({"item": RowOf(collection)} | names, around)


def resolved(node: syntax.Node, scope: Scope) -> tuple[syntax.Node, Scope]:
    """Return the expression, and its scope, to which names, functions and contexts lead."""
    while isinstance(node, _RESOLVABLE):
        match node:
            case syntax.Name(name=name):
                found = scope.find(name)
                if not isinstance(found, Binding):
                    return node, scope
                node, scope = found.node, found.scope
            case syntax.Call(function=syntax.FunctionDefinition() as function, names=None) if len(
                function.parameters
            ) == len(node.arguments):
                given = zip(function.parameters, node.arguments, strict=True)
                inner = {name: Binding(argument, scope) for name, argument in given}
                node, scope = function.body, Scope(inner, scope)
            case syntax.Path(base=syntax.ContextLiteral() as context, name=name):
                if name not in context.names:
                    return node, scope
                for entry, value in zip(context.names, context.values, strict=True):
                    scope = Scope({entry: Binding(value, scope)}, scope)
                node = syntax.Name(node.span, name)
            case _:
                break
    return node, scope


_RESOLVABLE: Final = (syntax.Name, syntax.Call, syntax.Path)
Reference = tuple[str, ...]
"""`("row", field)`, or the path of one of the model's attributes."""

VALUE = "value"


class SingleInputAbstraction:
    """Rewrites an expression that reads one value, so that it depends on the name `value` alone.

    Args:
        attributes: Paths of the customer's single values.
    """

    def __init__(self, attributes: Mapping[Reference, Any]) -> None:
        self.attributes = attributes
        self.references: set[Reference] = set()

    def close(self, node: syntax.Node, scope: Scope) -> syntax.Node:
        """Return the expression with names of rows and of customers replaced by `value`.

        Raises:
            NotColumnar: The expression reads whole collections, or it loops.
        """
        node, scope = resolved(node, scope)
        reference = self.reference(node, scope)
        if reference is not None:
            self.references.add(reference)
            return syntax.Name(node.span, VALUE)
        match node:
            case syntax.Name(name=name):
                if name in BUILTINS or name == "?":
                    return node
                raise NotColumnar(f"{name} is not a single value here", node.span)
            case (
                syntax.For()
                | syntax.Quantified()
                | syntax.FunctionDefinition()
                | syntax.Filter()
                | syntax.ContextLiteral()
            ):
                raise NotColumnar("it iterates over a list of its own", node.span)
        return syntax.with_children(node, lambda child: self.close(child, scope))

    def reference(self, node: syntax.Node, scope: Scope) -> Reference | None:
        """Return the reference of a name or path that reads a single value; None for others."""
        if isinstance(node, syntax.Name):
            found = scope.find(node.name)
            if isinstance(found, RowOf) and found.field:
                return ("row", found.field)
            return (node.name,) if found is None and (node.name,) in self.attributes else None
        if isinstance(node, syntax.Path):
            base, inner = resolved(node.base, scope)
            if isinstance(base, syntax.Name):
                found = inner.find(base.name)
                if isinstance(found, RowOf) and not found.field:
                    return (
                        ("row", node.name) if node.name in found.collection.table.fields else None
                    )
                path = (base.name, node.name)
                return path if found is None and path in self.attributes else None
        return None
