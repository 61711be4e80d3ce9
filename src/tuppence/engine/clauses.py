"""The clauses of a condition, with their values for one customer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuppence.feel import Span, syntax
from tuppence.rules.checking import CheckedRule


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the condition's text and its value for this customer.

    Attributes:
        text: The piece as the author wrote it.
        value: The FEEL value.
        reached: False if the outcome was decided before this piece was evaluated.
        parts: The function calls in the piece.
    """

    text: str
    value: Any
    reached: bool
    parts: "tuple[Part, ...]" = ()


class Recorder:
    """Records the values of the parts of a rule's condition while it is evaluated.

    Args:
        checked: The rule.
    """

    def __init__(self, checked: CheckedRule) -> None:
        self._checked = checked
        self._seen: dict[Span, Any] = {}

    def record(self, node: syntax.Node, value: Any) -> None:
        """Record the value of a part."""
        self._seen[node.span] = value  # a call shares its span with its definition, and comes last

    def clear(self) -> None:
        """Forget what was recorded, before another evaluation."""
        self._seen.clear()

    def clauses(self) -> tuple[Part, ...]:
        """Return the operands of every `and` and `or`."""
        tree, text = self._checked.trees["when",], self._checked.rule.when
        return tuple(_part(node, text, self._seen) for node in _clauses(tree))


def _clauses(node: syntax.Node) -> Iterator[syntax.Node]:
    if isinstance(node, syntax.Logic):
        yield from _clauses(node.left)
        yield from _clauses(node.right)
    else:
        yield node


def _part(node: syntax.Node, text: str, seen: dict[Span, Any]) -> Part:
    inner = {call.span: call for call in _calls(node) if call.span != node.span}
    parts = [
        Part(one_line(text[slice(*span)]), seen[span], reached=True)
        for span in inner
        if span in seen
    ]
    own = one_line(text[slice(*node.span)])
    return Part(own, seen.get(node.span), node.span in seen, tuple(parts))


def _calls(node: syntax.Node) -> Iterator[syntax.Node]:
    """Yield the outermost calls with arguments, and facts of the customer, in a clause."""
    match node:
        case syntax.Call(arguments=arguments) if arguments:
            yield node
        case syntax.Path(base=syntax.Name(name="customer")):
            yield node
        case _:
            for child in syntax.children(node):
                yield from _calls(child)


def one_line(text: str) -> str:
    """Return a text with a blank for each sequence of blanks and ends of lines."""
    return " ".join(text.split())
