"""Formats FEEL text consistently, with its comments.

The formatted text has the same tree as the original, and formatting it again changes nothing.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from tuppence.feel import syntax
from tuppence.feel.cursor import PROPERTY_NAMES
from tuppence.feel.diagnostics import FeelSyntaxError
from tuppence.feel.library.conversion import feel_literal, quoted
from tuppence.feel.parser import parse
from tuppence.feel.tokens import KEYWORDS, Token, TokenKind, comments, tokenize
from tuppence.feel.types import type_text

WIDTH: Final = 88
_INDENT: Final = "  "
_LOOSE, _COMPARING, _NEGATION, _POSTFIX, _PRIMARY = 0, 3, 7, 8, 9
_LEVELS: Final = {"or": 1, "and": 2, "+": 4, "-": 4, "*": 5, "/": 5, "**": 6}
_MAX_DECIMAL_LENGTH: Final = 40


def format_text(text: str, names: Iterable[str] = (), width: int = WIDTH) -> str:
    """Format an expression.

    Args:
        text: A FEEL expression.
        names: Names of several words that it may use, as in `parse`.
        width: Maximum length of lines, if possible.

    Raises:
        FeelSyntaxError: The text is not FEEL.
    """
    names = frozenset(names)
    tree = parse(text, names)
    known = names | syntax.defined_names(tree) | _implicit_names(tree)
    printer = _Printer(known, width)
    trailing = printer.attach(tree, comments(text))
    body = printer.layout(tree, _LOOSE, "")
    return "\n".join([body, *(comment.text for comment in trailing)])


def _implicit_names(tree: syntax.Node) -> frozenset[str]:
    """Return the names that need no definition: those of arguments and of properties."""
    calls = (node for node in syntax.walk(tree) if isinstance(node, syntax.Call))
    arguments = {name for call in calls for name in call.names or ()}
    return frozenset(arguments | set(PROPERTY_NAMES))


def _level(node: syntax.Node) -> int:
    """Return the precedence of a form; forms of precedence 0 need parentheses nearly everywhere."""
    match node:
        case syntax.Logic() | syntax.Arithmetic():
            return _LEVELS[node.operator]
        case syntax.Comparison() | syntax.Between() | syntax.In():
            return _COMPARING
        case syntax.Negation() | syntax.InstanceOf():
            return _NEGATION
        case syntax.Path() | syntax.Filter() | syntax.Call():
            return _POSTFIX
        case syntax.If() | syntax.For() | syntax.Quantified() | syntax.FunctionDefinition():
            return _LOOSE
        case syntax.RangeLiteral(unary=True):
            return _LOOSE
    return _PRIMARY


class _Printer:
    def __init__(self, names: frozenset[str], width: int) -> None:
        self.names = names
        self.width = width
        self.before: dict[int, list[Token]] = {}
        self.done: dict[tuple[int, int, str], str] = {}

    def attach(self, tree: syntax.Node, found: Sequence[Token]) -> list[Token]:
        """Attach each comment to the first part that starts after it, and return the others."""
        parts = sorted(syntax.walk(tree), key=lambda node: node.span.start)
        rest: list[Token] = []
        for comment in found:
            after = next((p for p in parts if p.span.start >= comment.span.end), None)
            if after is None:
                rest.append(comment)
            else:
                self.before.setdefault(id(after), []).append(comment)
        return rest

    def layout(self, node: syntax.Node, level: int, indent: str) -> str:
        """Return the text of a part with the comments before it, in parentheses if necessary.

        Each part is formatted on one line first, then on several if that is too long. Results are
        kept, because the number of repetitions would double at each level.
        """
        key = (id(node), level, indent)
        if key not in self.done:
            self.done[key] = self.laid_out(node, level, indent)
        return self.done[key]

    def laid_out(self, node: syntax.Node, level: int, indent: str) -> str:
        """Compute the result of `layout`."""
        lead = ""
        for comment in self.before.get(id(node), ()):
            line = comment.text.startswith("//")
            lead += comment.text + (f"\n{indent}" if line else " ")
        inside = level > _level(node)
        body = self.body(node, indent, flat=True)
        if "\n" in body or len(indent) + len(lead.rpartition("\n")[2]) + len(body) > self.width:
            body = self.body(node, indent + _INDENT if inside else indent, flat=False)
        return f"{lead}({body})" if inside else lead + body

    def body(self, node: syntax.Node, indent: str, *, flat: bool) -> str:
        match node:
            case syntax.Literal():
                return _literal(node.value)
            case syntax.Name():
                return self.name(node.name)
            case syntax.Path():
                return f"{self.layout(node.base, _POSTFIX, indent)}.{self.name(node.name)}"
            case syntax.Filter():
                base = self.layout(node.base, _POSTFIX, indent)
                return base + self.enclosed("[", [node.predicate], "]", indent, flat=flat)
            case syntax.Call():
                return self.call(node, indent, flat=flat)
            case syntax.Negation():
                return f"-{self.layout(node.operand, _NEGATION, indent)}"
            case syntax.InstanceOf():
                value = self.layout(node.value, _POSTFIX, indent)
                return f"{value} instance of {type_text(node.kind)}"
            case syntax.Logic() | syntax.Arithmetic() | syntax.Comparison():
                return self.chain(node, indent, flat=flat)
            case syntax.Between():
                parts = [self.layout(node.value, _COMPARING, indent)]
                parts += [self.layout(n, _COMPARING + 1, indent) for n in (node.low, node.high)]
                return f"{parts[0]} between {parts[1]} and {parts[2]}"
            case syntax.In():
                return self.contained(node, indent)
            case syntax.If():
                return self.choice(node, indent, flat=flat)
            case syntax.For() | syntax.Quantified():
                return self.loop(node, indent, flat=flat)
            case syntax.FunctionDefinition():
                return self.function(node, indent)
            case syntax.ListLiteral():
                return self.enclosed("[", node.items, "]", indent, flat=flat)
            case syntax.ContextLiteral():
                return self.context(node, indent, flat=flat)
            case syntax.RangeLiteral():
                return self.range(node, indent)

    # -- forms -----------------------------------------------------------------------------------

    def name(self, name: str) -> str:
        """Return a name in a form that can be parsed, in backticks if necessary."""
        try:
            single = [token.kind for token in tokenize(name)[:-1]] == [TokenKind.WORD]
        except FeelSyntaxError:
            return f"`{name}`"
        plain = (single and name not in KEYWORDS) or name in self.names
        return name if plain else f"`{name}`"

    def enclosed(
        self, opening: str, items: Sequence[syntax.Node], closing: str, indent: str, *, flat: bool
    ) -> str:
        inner = indent if flat else indent + _INDENT
        parts = [self.layout(item, _LOOSE, inner) for item in items]
        return _between(opening, parts, closing, indent, flat=flat or not parts)

    def call(self, node: syntax.Call, indent: str, *, flat: bool) -> str:
        function = self.layout(node.function, _POSTFIX, indent)
        inner = indent if flat else indent + _INDENT
        parts = [self.layout(argument, _LOOSE, inner) for argument in node.arguments]
        if node.names is not None:
            parts = [f"{name}: {part}" for name, part in zip(node.names, parts, strict=True)]
        return function + _between("(", parts, ")", indent, flat=flat or not parts)

    def chain(
        self,
        node: syntax.Logic | syntax.Arithmetic | syntax.Comparison,
        indent: str,
        *,
        flat: bool,
    ) -> str:
        level = _level(node)
        inner = indent + ("" if flat or isinstance(node, syntax.Logic) else _INDENT)
        left = self.layout(node.left, level, indent)
        right = self.layout(node.right, level + 1, inner)
        separator = " " if flat else f"\n{inner}"
        return f"{left}{separator}{node.operator} {right}"

    def contained(self, node: syntax.In, indent: str) -> str:
        value = self.layout(node.value, _COMPARING, indent)
        tests = [self.test(test, indent) for test in node.tests]
        if len(tests) == 1 and not tests[0].startswith("("):
            return f"{value} in {tests[0]}"
        return f"{value} in ({', '.join(tests)})"

    def test(self, node: syntax.Node, indent: str) -> str:
        match node:
            case syntax.RangeLiteral(unary=True) if id(node) not in self.before:
                return self.range(node, indent)
            case syntax.Comparison(operator="!=", left=syntax.Name(name="?")):
                if id(node) not in self.before and id(node.left) not in self.before:
                    return f"!= {self.layout(node.right, _COMPARING + 1, indent)}"
        return self.layout(node, _COMPARING + 1, indent)

    def choice(self, node: syntax.If, indent: str, *, flat: bool) -> str:
        parts = [self.layout(n, _LOOSE, indent) for n in (node.condition, node.then)]
        otherwise = self.layout(node.otherwise, _LOOSE, indent)
        separator = " " if flat else f"\n{indent}"
        return separator.join((f"if {parts[0]}", f"then {parts[1]}", f"else {otherwise}"))

    def loop(self, node: syntax.For | syntax.Quantified, indent: str, *, flat: bool) -> str:
        word = "for" if isinstance(node, syntax.For) else node.quantifier
        result = "return" if isinstance(node, syntax.For) else "satisfies"
        bindings = ", ".join(self.binding(binding, indent) for binding in node.iterators)
        body = self.layout(node.body, _LOOSE, indent)
        separator = " " if flat else f"\n{indent}"
        return f"{word} {bindings}{separator}{result} {body}"

    def binding(self, binding: syntax.Binding, indent: str) -> str:
        source = self.layout(binding.source, _LOOSE, indent)
        if binding.until is not None:
            source = f"{source}..{self.layout(binding.until, _LOOSE, indent)}"
        return f"{binding.name} in {source}"

    def function(self, node: syntax.FunctionDefinition, indent: str) -> str:
        kinds = node.kinds or (None,) * len(node.parameters)
        parameters = ", ".join(
            name if kind is None else f"{name}: {type_text(kind)}"
            for name, kind in zip(node.parameters, kinds, strict=True)
        )
        return f"function({parameters}) {self.layout(node.body, _LOOSE, indent)}"

    def context(self, node: syntax.ContextLiteral, indent: str, *, flat: bool) -> str:
        inner = indent if flat else indent + _INDENT
        parts = [
            f"{_key(name)}: {self.layout(value, _LOOSE, inner)}"
            for name, value in zip(node.names, node.values, strict=True)
        ]
        return _between("{", parts, "}", indent, flat=flat or not parts)

    def range(self, node: syntax.RangeLiteral, indent: str) -> str:
        if not node.unary:
            low, high = (self.end(end, indent) for end in (node.low, node.high))
            opening, closing = "[" if node.low_closed else "(", "]" if node.high_closed else ")"
            return f"{opening}{low}..{high}{closing}"
        if node.low is not None and node.high is not None:
            return f"= {self.end(node.low, indent)}"
        closed = "=" if node.low_closed or node.high_closed else ""
        symbol = "<" if node.low is None else ">"
        return f"{symbol}{closed} {self.end(node.high or node.low, indent)}"

    def end(self, node: syntax.Node | None, indent: str) -> str:
        return "" if node is None else self.layout(node, _COMPARING + 1, indent)


def _between(opening: str, parts: Sequence[str], closing: str, indent: str, *, flat: bool) -> str:
    if flat:
        return f"{opening}{', '.join(parts)}{closing}"
    separator = f",\n{indent}{_INDENT}"
    return f"{opening}\n{indent}{_INDENT}{separator.join(parts)}\n{indent}{closing}"


def _literal(value: object) -> str:
    text = feel_literal(value)
    if isinstance(value, Decimal) and len(text) > _MAX_DECIMAL_LENGTH:
        return f"{value:e}"
    return text


def _key(name: str) -> str:
    """Return the key of a context, in quotes unless it consists of words."""
    words = name.split(" ")
    plain = all(word.isidentifier() for word in words) and words[0] not in KEYWORDS
    return name if plain else quoted(name)
