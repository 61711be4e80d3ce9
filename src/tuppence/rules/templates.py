"""Templates of messages: the little of Jinja that a message needs, and bounds on what it makes.

A message shows values, in one of two wordings, or one element of a list after another. All else is
refused, with its place, when a rule is read: a template that computes could do so for ever.
Templates run in Jinja's sandbox as well, so that no single wall has to hold.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import jinja2
import jinja2.meta
import jinja2.sandbox
from jinja2 import nodes

from tuppence.feel.diagnostics import Span
from tuppence.feel.values import Date, DateTime, DaysDuration, Time, YearsDuration

MAXIMUM_OUTPUT: Final = 10_000
"""Characters of a title or a body, filled in."""

MAXIMUM_ELEMENTS: Final = 100
"""Elements of a list that a message may go through."""

MAXIMUM_NESTING: Final = 20
"""How deep the parts of a template may lie in each other."""

ALLOWED: Final = (
    "values, texts and numbers, fields of elements, comparisons, and/or/not, if, "
    "and for over a list, but not in another for"
)
"""What a template may consist of, for people."""

_NODES: Final = (
    nodes.And,
    nodes.Compare,
    nodes.CondExpr,
    nodes.Const,
    nodes.Filter,
    nodes.For,
    nodes.Getattr,
    nodes.If,
    nodes.Name,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Output,
    nodes.Template,
    nodes.TemplateData,
    nodes.Test,
)
_SHOWN: Final = (
    str, int, float, Decimal, Date, Time, DateTime, DaysDuration, YearsDuration,
)  # fmt: skip
_WRITTEN: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Add: "+", nodes.Assign: "set", nodes.AssignBlock: "set", nodes.Block: "block",
    nodes.Call: "(", nodes.CallBlock: "call", nodes.Concat: "~", nodes.Dict: "{",
    nodes.Div: "/", nodes.Extends: "extends", nodes.FilterBlock: "filter", nodes.FloorDiv: "//",
    nodes.FromImport: "from", nodes.Getitem: "[", nodes.Import: "import",
    nodes.Include: "include", nodes.List: "[", nodes.Macro: "macro", nodes.Mod: "%",
    nodes.Mul: "*", nodes.Neg: "-", nodes.Pos: "+", nodes.Pow: "**", nodes.Slice: ":",
    nodes.Sub: "-", nodes.Tuple: "(", nodes.With: "with",
}  # fmt: skip


class TemplateError(ValueError):
    """Raised for a template that does not parse, or has something in it that is not allowed.

    Attributes:
        message: One sentence.
        hint: What is allowed.
        span: Where in the template.
    """

    def __init__(self, message: str, hint: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.span = span


def make_environment(filters: Mapping[str, Callable[..., Any]]) -> jinja2.Environment:
    """Jinja with these filters, the few of its own that messages may use, and nothing else."""
    environment = jinja2.sandbox.SandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
        finalize=_shown,
    )
    environment.filters = {**JINJA_FILTERS, **filters}
    environment.tests = {"defined": environment.tests["defined"]}
    environment.globals = {}
    return environment


def read_template(text: str, environment: jinja2.Environment) -> nodes.Template:
    """Parse a template and check that there is nothing in it but what messages may use.

    Raises:
        TemplateError: It does not parse, or has something else in it.
    """
    try:
        tree = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        span = _line(text, error.lineno)
        raise TemplateError(error.message or "it is no template", "", span) from None
    except RecursionError:
        raise TemplateError(*_too_deep(), Span(0, len(text))) from None
    waiting: list[tuple[nodes.Node, int, bool]] = [(tree, 0, False)]
    while waiting:
        node, depth, in_loop = waiting.pop()
        _check_node(node, text, environment, in_loop=in_loop)
        if depth > MAXIMUM_NESTING:
            raise TemplateError(*_too_deep(), _line(text, node.lineno))
        if isinstance(node, nodes.For):  # texts, too, could be gone through, and are longer
            node.iter = nodes.Filter(node.iter, "list", [], [], None, None, lineno=node.lineno)
            in_loop = True
        waiting.extend((child, depth + 1, in_loop) for child in node.iter_child_nodes())
    return tree


def fill(text: str, environment: jinja2.Environment, values: Mapping[str, Any]) -> str:
    """Return a template filled with values.

    Raises:
        TemplateError: The template has something in it that is not allowed.
        jinja2.TemplateError: A value is missing.
        TypeError: A filter does not fit its value, or a value cannot be shown.
        ValueError: A value, a list or the whole text is too long, or a number too large.
    """
    tree = read_template(text, environment)
    used = jinja2.meta.find_undeclared_variables(tree) & values.keys()
    template = environment.from_string(tree)
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.generate({name: _given(values[name]) for name in used}):
            size += len(piece)
            if size > MAXIMUM_OUTPUT:
                raise ValueError(f"it would have over {MAXIMUM_OUTPUT:,} characters")
            pieces.append(piece)
    except ArithmeticError:
        raise ValueError("a filter for numbers was given something else, or too much") from None
    return "".join(pieces)


def _given(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAXIMUM_OUTPUT:
        raise ValueError(f"a value has over {MAXIMUM_OUTPUT:,} characters")
    if isinstance(value, list):
        if len(value) > MAXIMUM_ELEMENTS:
            raise ValueError(f"a list has over {MAXIMUM_ELEMENTS} elements")
        return [_given(item) for item in value]
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items()}
    return value


def _too_deep() -> tuple[str, str]:
    return "it is nested too deeply", "compute it under values"


def _check_node(
    node: nodes.Node, text: str, environment: jinja2.Environment, *, in_loop: bool
) -> None:
    """Refuse a node that is not among those that messages may use."""

    def wrong(what: str, hint: str, word: str) -> TemplateError:
        return TemplateError(what, hint, _place(text, node.lineno, word))

    match node:
        case nodes.Filter() if node.name not in environment.filters:
            known = ", ".join(sorted(environment.filters))
            raise wrong(f"there is no filter {node.name}", f"the filters are: {known}", node.name)
        case nodes.Test() if node.name not in environment.tests:
            raise wrong(f"there is no test {node.name}", "the only test is: defined", node.name)
        case nodes.Filter() | nodes.Test() if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise wrong(f"{node.name} takes no names and no stars", "", node.name)
        case nodes.Getattr() if node.attr.startswith("_"):
            raise wrong(f"there is no field {node.attr}", f"allowed are {ALLOWED}", node.attr)
        case nodes.For() if in_loop or node.recursive or not isinstance(node.target, nodes.Name):
            raise wrong(
                "a for in a for, or over pairs, is not for messages",
                f"allowed are {ALLOWED}",
                "for",
            )
        case _ if not isinstance(node, _NODES):
            word = _WRITTEN.get(type(node), "")
            shown = word or type(node).__name__.lower()
            hint = f"allowed are {ALLOWED}; compute under values"
            raise wrong(f"{shown} is not for messages", hint, word)


def _line(text: str, number: int) -> Span:
    """A line of the template, counted from 1."""
    lines = text.splitlines(keepends=True) or [""]
    number = min(max(number, 1), len(lines))
    start = sum(map(len, lines[: number - 1]))
    return Span(start, start + len(lines[number - 1].rstrip("\n")))


def _place(text: str, line: int, word: str) -> Span:
    """The word in a line, where it stands in braces; the line where it is not found."""
    whole = _line(text, line)
    inside = text.find("{", whole.start, whole.end)
    start = text.find(word, max(inside + 1, whole.start), whole.end) if word else -1
    return whole if start < 0 else Span(start, start + len(word))


def _shown(value: Any) -> Any:
    """A value as it is, where it can be shown."""
    if isinstance(value, (*_SHOWN, jinja2.Undefined)):
        return value
    kinds = {list: "a list", dict: "a context", type(None): "null"}
    raise TypeError(f"{kinds.get(type(value), 'something else')} cannot be shown")


# -- filters of Jinja's that stay, each for what messages have -------------------------------------


def _join(items: Sequence[Any], between: str = "") -> str:
    return str(between).join(str(_shown(item)) for item in _list(items))


def _length(items: Any) -> int:
    return len(items)


def _first(items: Any) -> Any:
    return _list(items)[0] if _list(items) else jinja2.StrictUndefined("the list is empty")


def _last(items: Any) -> Any:
    return _list(items)[-1] if _list(items) else jinja2.StrictUndefined("the list is empty")


def _list(items: Any) -> list[Any]:
    """The list as it is; texts and contexts are none."""
    if not isinstance(items, list):
        raise TypeError("a list is needed")
    return items


def _default(value: Any, other: Any = "") -> Any:
    return other if isinstance(value, jinja2.Undefined) else value


def _text(change: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: change(str(_shown(value)))


JINJA_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": _text(str.capitalize),
    "default": _default,
    "first": _first,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "lower": _text(str.lower),
    "upper": _text(str.upper),
}
"""What stays of Jinja's own filters: none of them makes a text longer than what it is given."""
