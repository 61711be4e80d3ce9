"""Names in a rule and what they stand for while it is being planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tuppence.feel import Span, syntax
from tuppence.feel.library import BUILTINS
from tuppence.plan.model import Collection


class NotColumnar(Exception):  # noqa: N818 - a signal inside the planner, never seen outside
    """The expression does not fit the columns.

    Attributes:
        reason: In plain words.
        span: Of the part that does not fit.
    """

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A name for an expression, with the scope that it was written in."""

    node: syntax.Node
    scope: "Scope"


@dataclass(frozen=True, slots=True, eq=False)
class RowOf:
    """A name for a row of a collection, or for one of its fields."""

    collection: Collection
    field: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Names, and the scope around them."""

    names: Mapping[str, Binding | RowOf]
    around: "Scope | None" = None

    def find(self, name: str) -> Binding | RowOf | None:
        """Return the meaning of a name in this or an outer scope, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.around
        return None


def row_scope(collection: Collection, name: str, around: Scope) -> Scope:
    """Return the scope of a condition on each row.

    Args:
        collection: Whose rows.
        name: Of the row; empty in a filter, where its fields are names and it is `item`.
        around: The scope of the whole.
    """
    if name:
        return Scope({name: RowOf(collection)}, around)
    names = {field: RowOf(collection, field) for field in collection.table.fields}
    return Scope({"item": RowOf(collection)} | names, around)


def resolved(node: syntax.Node, scope: Scope) -> tuple[syntax.Node, Scope]:
    """Resolve a chain of names, functions and contexts to the expression that it stands for."""
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
    """Makes an expression stand alone: what it reads becomes the one name `value`.

    Args:
        attributes: Paths of single values.
    """

    def __init__(self, attributes: Mapping[Reference, Any]) -> None:
        self.attributes = attributes
        self.references: set[Reference] = set()

    def close(self, node: syntax.Node, scope: Scope) -> syntax.Node:
        """Replace the names of rows and of customers in an expression by `value`.

        Raises:
            NotColumnar: It reads whole collections, or it loops.
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
                raise NotColumnar("it goes through a list of its own", node.span)
        return syntax.with_children(node, lambda child: self.close(child, scope))

    def reference(self, node: syntax.Node, scope: Scope) -> Reference | None:
        """Return the single value that a name or path reads, if it does."""
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
