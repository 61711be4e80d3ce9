"""Domain functions: defined in FEEL, in one file, and expanded where rules call them."""

import dataclasses
import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from tuppence.errors import TuppenceError
from tuppence.feel import parse, syntax
from tuppence.feel.diagnostics import Span
from tuppence.feel.library import BUILTINS

Definitions = Mapping[str, syntax.FunctionDefinition]


_DOCUMENTED: Final = re.compile(r"//\s*(.*)\n\s*(.+?): function\((.*?)\)")


def _text() -> str:
    return resources.files("tuppence.rules").joinpath("domain.feel").read_text("utf-8")


def documented_definitions() -> list[tuple[str, str]]:
    """Return the signature and the comment of each definition, for the reference."""
    return [(f"{name}({parts})", doc) for doc, name, parts in _DOCUMENTED.findall(_text())]


def load_definitions() -> Definitions:
    """Load the definitions of `domain.feel`, by name."""
    tree = parse(_text(), BUILTINS)
    if not isinstance(tree, syntax.ContextLiteral):
        raise TuppenceError("domain.feel does not hold a context")
    definitions: dict[str, syntax.FunctionDefinition] = {}
    for name, value in zip(tree.names, tree.values, strict=True):
        expanded = expand(value, definitions)  # a definition may use the ones before it
        if not isinstance(expanded, syntax.FunctionDefinition):
            raise TuppenceError(f"domain.feel: {name} is not a function")
        definitions[name] = expanded
    return MappingProxyType(definitions)


def expand(tree: syntax.Node, definitions: Definitions) -> syntax.Node:
    """Replace the name of each called domain function by its definition."""

    def change(node: syntax.Node) -> syntax.Node:
        match node:
            case syntax.Call(function=syntax.Name(name=name)) if name in definitions:
                return dataclasses.replace(node, function=_moved(definitions[name], node.span))
        return node

    return syntax.transform(tree, change)


def _moved(tree: syntax.Node, span: Span) -> syntax.Node:
    """Return the tree with one span everywhere: that of the call, which the author wrote."""

    def move(node: syntax.Node) -> Any:
        return dataclasses.replace(node, span=span)

    return syntax.transform(tree, move)
