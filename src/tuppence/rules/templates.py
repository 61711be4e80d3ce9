"""Templates of messages: the subset of Jinja that messages may use, with limits on the output.

A message shows values, chooses between wordings, and goes through the elements of a list. Anything
else is refused, with its place, when a rule is read, because a template that computes might never
end. Templates also run in Jinja's sandbox, as a second line of defence.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import jinja2
import jinja2.meta
import jinja2.sandbox
from jinja2 import nodes

from tuppence.feel.diagnostics import Span
from tuppence.feel.values import Date, DateTime, DaysDuration, Time, YearsDuration

MAX_OUTPUT: Final = 10_000
"""Maximum number of characters of a filled title or body."""

MAX_ELEMENTS: Final = 100
"""Maximum number of elements of a list that a message may go through."""

MAX_NESTING: Final = 20
"""Maximum nesting depth of a template."""

ALLOWED: Final = (
    "values, texts and numbers, fields of elements, comparisons, and/or/not, if, "
    "and for over a list, but no nested for"
)
"""Description of what a template may use, for error messages and documentation."""

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
    """Raised for a template that cannot be parsed or uses something that is not allowed.

    Attributes:
        message: One sentence.
        hint: A description of what is allowed.
        span: The place in the template.
    """

    def __init__(self, message: str, hint: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.span = span


def make_environment(filters: Mapping[str, Callable[..., Any]]) -> jinja2.Environment:
    """Return a Jinja environment with the given filters and the allowed ones of Jinja's own."""
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


@functools.lru_cache(maxsize=1_000)  # the same templates are filled for customer after customer
def read_template(
    text: str, environment: jinja2.Environment
) -> tuple[jinja2.Template, frozenset[str]]:
    """Parse a template and check that it uses only what messages may use.

    Returns:
        The template, and the names of the values that it uses.

    Raises:
        TemplateError: It cannot be parsed, or uses something that is not allowed.
    """
    tree = _parse(text, environment)
    return environment.from_string(tree), frozenset(jinja2.meta.find_undeclared_variables(tree))


def _parse(text: str, environment: jinja2.Environment) -> nodes.Template:
    try:
        tree = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        span = _line(text, error.lineno)
        raise TemplateError(error.message or "it is not a template", "", span) from None
    except RecursionError:
        raise TemplateError(*_too_deep(), Span(0, len(text))) from None
    waiting: list[tuple[nodes.Node, int, bool]] = [(tree, 0, False)]
    while waiting:
        node, depth, in_loop = waiting.pop()
        _check_node(node, text, environment, in_loop=in_loop)
        if depth > MAX_NESTING:
            raise TemplateError(*_too_deep(), _line(text, node.lineno))
        if isinstance(node, nodes.For):  # `list` refuses texts, which could be much longer
            node.iter = nodes.Filter(node.iter, "list", [], [], None, None, lineno=node.lineno)
            in_loop = True
        waiting.extend((child, depth + 1, in_loop) for child in node.iter_child_nodes())
    return tree


_Part: TypeAlias = str | tuple[str, Callable[[Any], Any] | None]
"""A text, or the name of a value with its filter."""


class _Simple(NamedTuple):
    """A template that only shows values: its parts, and the names of the values."""

    parts: tuple[_Part, ...]
    names: frozenset[str]


@functools.lru_cache(maxsize=1_000)
def _simple_parts(text: str, environment: jinja2.Environment) -> _Simple | None:
    """Return the parts of a template that only shows values; None for any other one."""
    parts: list[_Part] = []
    for output in _parse(text, environment).body:
        if not isinstance(output, nodes.Output):
            return None
        for part in output.nodes:
            match part:
                case nodes.TemplateData():
                    parts.append(part.data)
                case nodes.Name():
                    parts.append((part.name, None))
                case nodes.Filter(node=nodes.Name(name=name), args=[]):
                    parts.append((name, environment.filters[part.name]))
                case _:
                    return None
    return _Simple(tuple(parts), frozenset(one[0] for one in parts if not isinstance(one, str)))


def fill(text: str, environment: jinja2.Environment, values: Mapping[str, Any]) -> str:
    """Return a template filled with values, as Jinja would fill it.

    Most templates only show values. Those are filled here, several times as fast.

    Raises:
        TemplateError: The template uses something that is not allowed.
        jinja2.TemplateError: A value is missing.
        TypeError: A filter does not fit its value, or a value cannot be shown.
        ValueError: A value, a list or the filled text is too long, or a number is too large.
    """
    simple = _simple_parts(text, environment)
    if simple is None or not simple.names <= values.keys():
        return _joined(_generated(text, environment, values))
    used = {name: _limited(values[name]) for name in simple.names}
    return _joined(one if isinstance(one, str) else _shown_part(one, used) for one in simple.parts)


def _shown_part(part: tuple[str, Callable[[Any], Any] | None], values: Mapping[str, Any]) -> str:
    name, write = part
    value = values[name]
    return str(_shown(value if write is None else write(value)))


def _generated(
    text: str, environment: jinja2.Environment, values: Mapping[str, Any]
) -> Iterator[str]:
    template, names = read_template(text, environment)
    used = {name: _limited(values[name]) for name in names & values.keys()}
    yield from template.root_render_func(template.new_context(used, shared=True))


def _joined(written: Iterable[str]) -> str:
    """Return pieces of a text as one.

    Raises:
        ValueError: It is too long, or a filter got a number that is too large.
    """
    pieces: list[str] = []
    size = 0
    try:
        for piece in written:
            size += len(piece)
            if size > MAX_OUTPUT:
                raise ValueError(f"it would have more than {MAX_OUTPUT:,} characters")
            pieces.append(piece)
    except ArithmeticError:
        raise ValueError("a filter for numbers got no number, or one that is too large") from None
    return "".join(pieces)


def _limited(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_OUTPUT:
        raise ValueError(f"a value has more than {MAX_OUTPUT:,} characters")
    if isinstance(value, list):
        if len(value) > MAX_ELEMENTS:
            raise ValueError(f"a list has more than {MAX_ELEMENTS} elements")
        return [_limited(item) for item in value]
    if isinstance(value, dict):
        return {name: _limited(item) for name, item in value.items()}
    return value


def _too_deep() -> tuple[str, str]:
    return "it is nested too deeply", "compute it under values"


def _check_node(
    node: nodes.Node, text: str, environment: jinja2.Environment, *, in_loop: bool
) -> None:
    """Check that messages may use a node.

    Raises:
        TemplateError: They may not.
    """

    def wrong(what: str, hint: str, word: str) -> TemplateError:
        return TemplateError(what, hint, _place(text, node.lineno, word))

    match node:
        case nodes.Filter() if node.name not in environment.filters:
            known = ", ".join(sorted(environment.filters))
            raise wrong(f"there is no filter {node.name}", f"the filters are: {known}", node.name)
        case nodes.Test() if node.name not in environment.tests:
            raise wrong(f"there is no test {node.name}", "the only test is: defined", node.name)
        case nodes.Filter() | nodes.Test() if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise wrong(f"{node.name} takes no named or starred arguments", "", node.name)
        case nodes.Getattr() if node.attr.startswith("_"):
            raise wrong(f"there is no field {node.attr}", f"allowed are {ALLOWED}", node.attr)
        case nodes.For() if in_loop or node.recursive or not isinstance(node.target, nodes.Name):
            raise wrong(
                "messages cannot use a for inside another for, or over pairs",
                f"allowed are {ALLOWED}",
                "for",
            )
        case _ if not isinstance(node, _NODES):
            word = _WRITTEN.get(type(node), "")
            shown = word or type(node).__name__.lower()
            hint = f"allowed are {ALLOWED}; compute under values"
            raise wrong(f"messages cannot use {shown}", hint, word)


def _line(text: str, number: int) -> Span:
    """Return the span of a line of the template, counted from 1."""
    lines = text.splitlines(keepends=True) or [""]
    number = min(max(number, 1), len(lines))
    start = sum(map(len, lines[: number - 1]))
    return Span(start, start + len(lines[number - 1].rstrip("\n")))


def _place(text: str, line: int, word: str) -> Span:
    """Return the span of a word after the first brace of a line, or else of the whole line."""
    whole = _line(text, line)
    inside = text.find("{", whole.start, whole.end)
    start = text.find(word, max(inside + 1, whole.start), whole.end) if word else -1
    return whole if start < 0 else Span(start, start + len(word))


def _shown(value: Any) -> Any:
    """Return a value unchanged.

    Raises:
        TypeError: The value cannot be shown.
    """
    if isinstance(value, (*_SHOWN, jinja2.Undefined)):
        return value
    kinds = {list: "a list", dict: "a context", type(None): "null"}
    raise TypeError(f"{kinds.get(type(value), 'something else')} cannot be shown")


# -- Jinja's own filters that messages may use, restricted to the types of values ------------------


def _join(items: Sequence[Any], between: str = "") -> str:
    return str(between).join(str(_shown(item)) for item in _list(items))


def _length(items: Any) -> int:
    return len(items)


def _first(items: Any) -> Any:
    return _list(items)[0] if _list(items) else jinja2.StrictUndefined("the list is empty")


def _last(items: Any) -> Any:
    return _list(items)[-1] if _list(items) else jinja2.StrictUndefined("the list is empty")


def _list(items: Any) -> list[Any]:
    """Return a list unchanged.

    Raises:
        TypeError: It is a text, a context or another value.
    """
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
"""Jinja's own filters that messages may use; none of them makes a text longer."""
