"""Parses tokens to a syntax tree (DMN 1.5, 10.3.1.2), by recursive descent.

FEEL names may contain spaces and operators (`booking date`), so the parser needs to know such names
and takes the longest that matches. Names that the text itself defines are added as they appear.

One module because each method reads one rule of the grammar, and they call each other.
"""

from collections.abc import Iterable
from decimal import DecimalException
from typing import Any, Final, cast

from tuppence.feel import syntax
from tuppence.feel.cursor import MAX_DEPTH, Cursor
from tuppence.feel.diagnostics import Diagnostic, FeelSyntaxError, Span
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.tokens import KEYWORDS, Token, TokenKind
from tuppence.feel.types import (
    ANY,
    FUNCTION,
    NAMED_TYPES,
    ContextOf,
    FunctionOf,
    ListOf,
    RangeOf,
    Type,
)
from tuppence.feel.values import parse_temporal

MAX_LENGTH: Final = 20_000
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_COMPARISONS: Final = ("=", "!=", "<=", ">=", "<", ">")
_COMPARING: Final = 3
_LEVELS: Final = {
    "or": 1,
    "and": 2,
    **dict.fromkeys([*_COMPARISONS, "between", "in"], _COMPARING),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/", 5),
    "**": 6,
}
"""Precedence of operators; the sign binds tightest of all, so -3 ** 2 is 9."""
_AFTER: Final = frozenset(".[(")
_TOO_DEEP: Final = "the expression is nested too deeply"


def parse(text: str, names: Iterable[str] = ()) -> syntax.Node:
    """Parse an expression.

    Args:
        text: A FEEL expression.
        names: Names of several words that it may use: variables, fields, functions.

    Raises:
        FeelSyntaxError: The text is not FEEL; the error has the place and what was expected.
    """
    if len(text) > MAX_LENGTH:
        message = f"the expression has more than {MAX_LENGTH:,} characters"
        span = Span(MAX_LENGTH, MAX_LENGTH + 1)
        raise FeelSyntaxError(
            text, Diagnostic("feel.syntax", span, message, "split it into values")
        )
    parser = _Parser(text, names)
    node = parser.expression()
    if not parser.at_end():
        raise parser.unexpected("an operator or the end")
    if _depth(node) > MAX_DEPTH:  # a long chain of operators is nested on the left
        raise parser.error(node.span, _TOO_DEEP, "name a part of it and use the name")
    return node


def _depth(node: syntax.Node) -> int:
    depth, level = 0, [node]
    while level:
        depth += 1
        level = [child for parent in level for child in syntax.children(parent)]
    return depth


def parse_unary_tests(text: str, names: Iterable[str] = ()) -> syntax.Node:
    """Parse unary tests as a condition about the value `?` (DMN 1.5, 10.3.1.2, rules 7 and later).

    Args:
        text: Tests separated by commas, `not(…)` around them, or `-`, which any value passes.
        names: Names of several words that the tests may use, as in `parse`.

    Raises:
        FeelSyntaxError: The text is not a list of unary tests.
    """
    parser = _Parser(text, names)
    whole = Span(0, len(text))
    if [token.text for token in parser.tokens] == ["-", ""]:
        return syntax.Literal(whole, value=True)
    if [token.text for token in parser.tokens[:2]] == ["not", "("]:
        parser.position = 2
        tests = parser.unary_tests()
        parser.expect(")")
        if parser.at_end():
            passed = syntax.In(whole, syntax.Name(whole, "?"), tests)
            return syntax.Call(whole, syntax.Name(whole, "not"), (passed,))
        parser.position = 0  # it is a call of the function not, in a longer test
    tests = parser.unary_tests()
    if not parser.at_end():
        raise parser.unexpected(", or the end")
    return syntax.In(whole, syntax.Name(whole, "?"), tests)


class _Parser(Cursor):
    def unary_tests(self) -> tuple[syntax.Node, ...]:
        """Parse tests separated by commas."""
        tests = [self.expression()]
        while self.accept(","):
            tests.append(self.expression())
        return tuple(tests)

    # -- expressions, loosest binding first ------------------------------------------------------

    def expression(self) -> syntax.Node:
        self.deeper()
        outer, self.closing_range = self.closing_range, False
        try:
            if self.sees("for"):
                return self.for_expression()
            if self.sees("some", "every"):
                return self.quantified()
            if self.sees("if"):
                return self.if_expression()
            return self.binary(1)
        finally:
            self.depth -= 1
            self.closing_range = outer

    def binary(self, level: int) -> syntax.Node:
        """Parse operators of at least a given precedence; all are left-associative."""
        left = self.unary()
        while self.token.kind in {TokenKind.SYMBOL, TokenKind.WORD}:
            operator = self.token.text
            binds = _LEVELS.get(operator, 0)
            if binds == 0 or binds < level:
                break
            self.position += 1
            if binds == _COMPARING:
                left = self.comparison(left, operator)
                continue
            right = self.binary(binds + 1)
            span = Span(left.span.start, right.span.end)
            kind = syntax.Logic if operator in {"and", "or"} else syntax.Arithmetic
            left = kind(span, cast(Any, operator), left, right)
        return left

    def comparison(self, left: syntax.Node, operator: str) -> syntax.Node:
        start = left.span.start
        if operator == "in":
            tests = self.tests()
            return syntax.In(Span(start, self.previous_end), left, tests)
        if operator == "between":
            low = self.binary(_COMPARING + 1)
            self.expect("and", "and, between the two ends,")
            high = self.binary(_COMPARING + 1)
            return syntax.Between(Span(start, high.span.end), left, low, high)
        if self.sees(*_COMPARISONS):
            raise self.unexpected("a value")
        right = self.binary(_COMPARING + 1)
        span = Span(start, right.span.end)
        return syntax.Comparison(span, cast(Any, operator), left, right)

    def tests(self) -> tuple[syntax.Node, ...]:
        """Parse the tests after `in`: one, or several in parentheses."""
        if not self.sees("("):
            return (self.test(),)
        mark = self.position
        self.advance()
        tests = [self.test()]
        while self.accept(","):
            tests.append(self.test())
        if self.sees(".."):  # the parenthesis opened a range
            self.position = mark
            return (self.test(),)
        self.expect(")")
        return tuple(tests)

    def test(self) -> syntax.Node:
        loops = self.sees("for", "some", "every", "if")
        return self.expression() if loops else self.binary(_COMPARING + 1)

    def unary(self) -> syntax.Node:
        start = self.token.span.start
        if self.accept("-"):
            self.deeper()
            operand = self.unary()
            self.depth -= 1
            return syntax.Negation(Span(start, operand.span.end), operand)
        value = self.postfix()
        if self.accept("instance"):
            self.expect("of")
            kind = self.type_expression()
            return syntax.InstanceOf(Span(start, self.previous_end), value, kind)
        return value

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(self.token.span, _TOO_DEEP, "name a part of it and use the name")

    def postfix(self) -> syntax.Node:
        node = self.primary()
        start = node.span.start
        while self.tokens[self.position].text in _AFTER:
            if self.accept("."):
                name, _ = self.name("the name of a field")
                node = syntax.Path(Span(start, self.previous_end), node, name)
            elif self.sees("[") and not (self.closing_range and self.bracket_closes_range()):
                self.advance()
                predicate = self.expression()
                self.expect("]", "] to close the filter")
                node = syntax.Filter(Span(start, self.previous_end), node, predicate)
            elif self.sees("("):
                node = self.call(node)
            else:
                break
        return node

    def bracket_closes_range(self) -> bool:
        """Return whether the current `[` ends a range, as in `[1..2[`, not starts a filter."""
        after = self.tokens[self.position + 1]
        closers = {")", "]", ",", "}", "and", "or", "then", "else", "return", "satisfies", "."}
        return after.kind is TokenKind.END or after.text in closers.union(_COMPARISONS)

    # -- primaries -----------------------------------------------------------------------------

    def primary(self) -> syntax.Node:
        token = self.token
        if token.kind is TokenKind.NUMBER:
            return self.number()
        if token.kind is TokenKind.STRING:
            return syntax.Literal(token.span, self.advance().text)
        if token.kind is TokenKind.QUOTED_NAME or (
            token.kind is TokenKind.WORD and (token.text not in KEYWORDS or self.known_name())
        ):
            name, span = self.name("a name")
            return syntax.Name(span, name)
        if token.text in _CONSTANTS and token.kind is TokenKind.WORD:
            return syntax.Literal(self.advance().span, _CONSTANTS[token.text])
        if self.sees("function"):
            return self.function_definition()
        if self.sees("for", "some", "every", "if"):
            return self.expression()
        if self.sees("@"):
            return self.at_literal()
        if self.sees("{"):
            return self.context()
        if self.sees("(", "[", "]"):
            return self.bracketed()
        if self.sees(*_COMPARISONS):
            return self.unary_comparison()
        raise self.unexpected("a value")

    def number(self) -> syntax.Node:
        token = self.advance()
        try:
            return syntax.Literal(token.span, CONTEXT.create_decimal(token.text))
        except DecimalException:
            raise self.error(token.span, f"the number {token.text} is too large") from None

    def unary_comparison(self) -> syntax.Node:
        """Parse a comparison without a left side: `> 5` is the range of all values above 5."""
        start = self.token.span.start
        operator = self.advance().text
        end = self.binary(_COMPARING + 1)
        span = Span(start, end.span.end)
        closed = operator.endswith("=")
        if operator == "!=":
            value = syntax.Name(Span(start, start + 2), "?")
            return syntax.Comparison(span, "!=", value, end)
        low = None if operator.startswith("<") else end
        high = None if operator.startswith(">") else end
        below, above = closed and low is not None, closed and high is not None
        return syntax.RangeLiteral(span, low, high, below, above, unary=True)

    def bracketed(self) -> syntax.Node:
        """Parse a parenthesis, a list, or a range, all of which start with a bracket."""
        opening = self.advance()
        if opening.text == "[" and self.accept("]"):
            return syntax.ListLiteral(Span(opening.span.start, self.previous_end), ())
        first = self.expression()
        if self.accept(".."):
            return self.range_from(opening, first)
        if opening.text == "]":
            raise self.unexpected(".. of a range")
        if opening.text == "(":
            self.expect(")", ") to close the parenthesis")
            return first
        items = [first]
        while self.accept(","):
            items.append(self.expression())
        self.expect("]", ", or ] to close the list")
        return syntax.ListLiteral(Span(opening.span.start, self.previous_end), tuple(items))

    def range_from(self, opening: Token, low: syntax.Node) -> syntax.Node:
        outer, self.closing_range = self.closing_range, True
        high = self.binary(_COMPARING + 1)
        self.closing_range = outer
        if not self.sees(")", "]", "["):
            raise self.unexpected("], ) or [ to close the range")
        closing = self.advance()
        span = Span(opening.span.start, closing.span.end)
        return syntax.RangeLiteral(
            span, low, high, low_closed=opening.text == "[", high_closed=closing.text == "]"
        )

    def at_literal(self) -> syntax.Node:
        start = self.advance().span.start
        if self.token.kind is not TokenKind.STRING:
            raise self.unexpected('a date or duration in quotes, as in @"2026-03-31"')
        text = self.advance().text
        span = Span(start, self.previous_end)
        value = parse_temporal(text)
        if value is None:
            hint = 'a date is written @"2026-03-31", a duration @"P90D" or @"P1Y"'
            message = f'@"{text}" is neither a date, a time nor a duration'
            raise self.error(span, message, hint)
        return syntax.Literal(span, value)

    def context(self) -> syntax.Node:
        start = self.advance().span.start
        names: list[str] = []
        values: list[syntax.Node] = []
        while not self.sees("}"):
            if names:
                self.expect(",", ", or } to close the context")
            if self.token.kind is TokenKind.STRING:
                name = self.advance().text
                if name.strip():
                    self.declare(name)
            else:
                name = self.name_until(":")
            self.expect(":")
            if name in names:
                raise self.error(self.token.span, f"{name} is defined twice in this context")
            names.append(name)
            values.append(self.expression())
        self.advance()
        span = Span(start, self.previous_end)
        return syntax.ContextLiteral(span, tuple(names), tuple(values))

    def if_expression(self) -> syntax.Node:
        start = self.advance().span.start
        condition = self.expression()
        self.expect("then")
        then = self.expression()
        self.expect("else", "else (an if always needs one)")
        otherwise = self.expression()
        return syntax.If(Span(start, otherwise.span.end), condition, then, otherwise)

    def bindings(self) -> tuple[syntax.Binding, ...]:
        bindings: list[syntax.Binding] = []
        while not bindings or self.accept(","):
            start = self.token.span.start
            name = self.name_until("in")
            self.expect("in")
            source = self.expression()
            until = self.expression() if self.accept("..") else None
            span = Span(start, self.previous_end)
            bindings.append(syntax.Binding(span, name, source, until))
        return tuple(bindings)

    def for_expression(self) -> syntax.Node:
        start = self.advance().span.start
        bindings = self.bindings()
        self.expect("return")
        body = self.expression()
        return syntax.For(Span(start, body.span.end), bindings, body)

    def quantified(self) -> syntax.Node:
        token = self.advance()
        bindings = self.bindings()
        self.expect("satisfies")
        body = self.expression()
        span = Span(token.span.start, body.span.end)
        return syntax.Quantified(span, cast(Any, token.text), bindings, body)

    def function_definition(self) -> syntax.Node:
        start = self.advance().span.start
        self.expect("(")
        parameters: list[str] = []
        kinds: list[Type | None] = []
        while not self.sees(")"):
            if parameters:
                self.expect(",", ", or ) after the parameters")
            parameters.append(self.name_until(",", ":", ")"))
            kinds.append(self.type_expression() if self.accept(":") else None)
        self.advance()
        if self.sees("external"):
            raise self.unsupported(self.token.span, "calling functions outside of FEEL")
        body = self.expression()
        span = Span(start, body.span.end)
        return syntax.FunctionDefinition(span, tuple(parameters), body, tuple(kinds))

    def call(self, function: syntax.Node) -> syntax.Node:
        self.advance()
        arguments: list[syntax.Node] = []
        names: list[str] = []
        while not self.sees(")"):
            if arguments:
                self.expect(",", ", or ) after the arguments")
            if self.parameter_ahead():
                names.append(self.name_until(":"))
                self.advance()
            arguments.append(self.expression())
        self.advance()
        span = Span(function.span.start, self.previous_end)
        if names and len(names) != len(arguments):
            raise self.error(span, "either all arguments must be named or none")
        return syntax.Call(span, function, tuple(arguments), tuple(names) or None)

    def parameter_ahead(self) -> bool:
        """Return whether words and a colon follow, which are the name of a parameter."""
        position = self.position
        while self.tokens[position].kind in {TokenKind.WORD, TokenKind.QUOTED_NAME}:
            position += 1
        return position > self.position and self.tokens[position].text == ":"

    # -- types ---------------------------------------------------------------------------------

    def type_expression(self) -> Type:
        start = self.token.span.start
        if self.accept("list"):
            return ListOf(self.type_argument())
        if self.accept("range"):
            return RangeOf(self.type_argument())
        if self.accept("context"):
            return self.context_type()
        if self.accept("function"):
            return self.function_type()
        for count in (5, 4, 3, 1):  # the longest name of a type has five words
            words = self.tokens[self.position : self.position + count]
            kind = NAMED_TYPES.get(" ".join(word.text for word in words))
            if kind is not None:
                self.position += count
                return kind
        known = ", ".join(sorted(NAMED_TYPES))
        raise self.error(Span(start, self.token.span.end), "no such type", f"the types are {known}")

    def type_argument(self) -> Type:
        if not self.accept("<"):
            return ANY
        kind = self.type_expression()
        self.expect(">")
        return kind

    def context_type(self) -> Type:
        fields: dict[str, Type] = {}
        if self.accept("<"):
            while not self.sees(">"):
                if fields:
                    self.expect(",")
                name = self.name_until(":")
                self.advance()
                fields[name] = self.type_expression()
            self.advance()
        return ContextOf(fields)

    def function_type(self) -> Type:
        if not self.accept("<"):
            return FUNCTION
        parameters: list[Type] = []
        while not self.accept(">"):
            if parameters:
                self.expect(",", ", or > after the types of the parameters")
            parameters.append(self.type_expression())
        self.expect("->", "-> and the type of the function's value")
        return FunctionOf(tuple(parameters), self.type_expression())
