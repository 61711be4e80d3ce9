"""Finds mistakes before evaluation, by inferring the type of every part of a tree.

Errors are mistakes that nobody can intend: unknown names, wrong types, wrong arguments. Warnings
are about valid text that is probably wrong, above all comparisons that are null where a list is
empty.

One module because each method infers the type of one kind of node, and they call each other.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, assert_never

from tuppence.feel import syntax
from tuppence.feel.diagnostics import Diagnostic, Fix, Span
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.builtin import Parameters
from tuppence.feel.narrowing import Narrowing, is_known, narrow_false, narrow_true
from tuppence.feel.operand_types import DURATIONS, PROPERTIES, arithmetic_hint, arithmetic_type
from tuppence.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_DURATION,
    FUNCTION,
    NULL,
    NUMBER,
    STRING,
    TIME,
    YEARS_DURATION,
    ContextOf,
    ListOf,
    Nullable,
    RangeOf,
    Type,
    context_of,
    fits,
    join,
    nullable,
    strip,
)
from tuppence.feel.values import Date, DateTime, DaysDuration, Time, YearsDuration

_ORDERED: Final = frozenset(
    {NUMBER, STRING, DATE, TIME, DATE_TIME, DAYS_DURATION, YEARS_DURATION, ANY, NULL}
)
_LITERALS: Final[Mapping[type, Type]] = {
    type(None): NULL,
    bool: BOOLEAN,
    str: STRING,
    Date: DATE,
    Time: TIME,
    DateTime: DATE_TIME,
    DaysDuration: DAYS_DURATION,
    YearsDuration: YEARS_DURATION,
}
Scope = Sequence[Mapping[str, Type]]
"""Names and types, the innermost scope first."""


def check(
    tree: syntax.Node,
    names: Mapping[str, Type],
    wanted: Type = ANY,
    condition: syntax.Node | None = None,
) -> tuple[Type, tuple[Diagnostic, ...]]:
    """Infer the type of an expression, and find what is wrong with it.

    Args:
        tree: The parsed expression.
        names: Types of the names that the expression may use.
        wanted: The type that its value must have, unless it is null.
        condition: A condition that holds whenever the expression is evaluated.

    Returns:
        The type, and the diagnostics in the order of their places.
    """
    checker = _Checker()
    if condition is not None:
        checker.known = narrow_true(condition)
    kind = checker.infer(tree, (names,))
    if not fits(kind, wanted):
        checker.error("feel.result-type", tree.span, f"this is a {kind}, and a {wanted} is needed")
    ordered = sorted(dict.fromkeys(checker.found), key=lambda found: found.span)
    return kind, tuple(ordered)


class _Checker:
    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.known: list[Narrowing] = []
        self.untyped = 0  # number of enclosing filters over elements of unknown type

    def error(self, code: str, span: Span, message: str, hint: str = "") -> Type:
        self.found.append(Diagnostic(code, span, message, hint))
        return ANY

    def unknown(self, code: str, span: Span, message: str, name: str, known: Iterable[str]) -> Type:
        """Add the error for an unknown name, which proposes the closest known one."""
        known = list(known)
        close = difflib.get_close_matches(name, known, 1, 0.6)
        few = f"there is {', '.join(sorted(known)[:12])}" if 0 < len(known) <= 24 else ""
        hint = f"did you mean {close[0]}?" if close else few
        fix = Fix(span, close[0]) if close else None
        self.found.append(Diagnostic(code, span, message, hint, fix=fix))
        return ANY

    def warn(self, code: str, span: Span, message: str, hint: str = "") -> None:
        self.found.append(Diagnostic(code, span, message, hint, warning=True))

    def infer(self, node: syntax.Node, scope: Scope) -> Type:
        """Return the type of a part, narrowed by enclosing conditions."""
        kind = self.plain(node, scope)
        if self.known and not isinstance(node, syntax.Literal):
            if is_known(node, "not null", self.known):
                kind = strip(kind)
            if isinstance(kind, ListOf) and is_known(node, "not empty", self.known):
                kind = ListOf(kind.element, nonempty=True)
        return kind

    def narrowed(self, known: list[Narrowing], node: syntax.Node, scope: Scope) -> Type:
        """Return the type of a part that is evaluated only if some facts hold."""
        outer = self.known
        self.known = [*outer, *known]
        try:
            return self.infer(node, scope)
        finally:
            self.known = outer

    def plain(self, node: syntax.Node, scope: Scope) -> Type:
        match node:
            case syntax.Literal():
                return _LITERALS.get(type(node.value), NUMBER)
            case syntax.Name():
                return self.name(node, scope)
            case syntax.Path():
                return self.path(node, scope)
            case syntax.Filter():
                return self.filter(node, scope)
            case syntax.Negation():
                return self.negation(node, scope)
            case syntax.Arithmetic():
                return self.arithmetic(node, scope)
            case syntax.Comparison():
                return self.comparison(node, scope)
            case syntax.Between():
                return self.between(node, scope)
            case syntax.In():
                return self.contained(node, scope)
            case syntax.Logic():
                return self.logic(node, scope)
            case syntax.If():
                self.expect(BOOLEAN, node.condition, scope, "the condition of an if")
                then = self.narrowed(narrow_true(node.condition), node.then, scope)
                other = self.narrowed(narrow_false(node.condition), node.otherwise, scope)
                return join(then, other)
            case syntax.For():
                inner = self.bind(node.iterators, scope)
                body = self.infer(node.body, ({"partial": ListOf(ANY)}, *inner))
                return ListOf(body)
            case syntax.Quantified():
                inner = self.bind(node.iterators, scope)
                body = self.expect(BOOLEAN, node.body, inner, f"what {node.quantifier} satisfies")
                return nullable(BOOLEAN) if isinstance(body, Nullable) else BOOLEAN
            case syntax.FunctionDefinition():
                self.shadowing(node.parameters, node.span)
                self.infer(node.body, (dict.fromkeys(node.parameters, ANY), *scope))
                return FUNCTION
            case syntax.Call():
                return self.call(node, scope)
            case syntax.ListLiteral():
                return self.items(node, scope)
            case syntax.ContextLiteral():
                return self.context(node, scope)
            case syntax.RangeLiteral():
                return self.range(node, scope)
            case syntax.InstanceOf():
                self.infer(node.value, scope)
                return BOOLEAN
        assert_never(node)

    def expect(self, wanted: Type, node: syntax.Node, scope: Scope, what: str) -> Type:
        kind = self.infer(node, scope)
        if not fits(kind, wanted):
            message = f"{what} must be a {wanted}, but this is a {strip(kind)}"
            self.error("feel.operand-type", node.span, message)
        return kind

    def shadowing(self, names: Iterable[str], span: Span) -> None:
        for name in names:
            if name in BUILTINS:
                message = f"{name} hides the built-in function of that name"
                self.warn("feel.shadowing", span, message, "choose another name")

    # -- names and fields ------------------------------------------------------------------------

    def name(self, node: syntax.Name, scope: Scope) -> Type:
        for names in scope:
            if node.name in names:
                return names[node.name]
        if node.name in BUILTINS:
            return FUNCTION
        if self.untyped:  # the name may be a field
            return ANY
        known = [name for names in scope for name in names]
        message = f"there is no {node.name} here"
        return self.unknown("feel.unknown-name", node.span, message, node.name, known)

    def path(self, node: syntax.Path, scope: Scope) -> Type:
        base = self.infer(node.base, scope)
        bare = strip(base)
        if isinstance(bare, ListOf):
            return ListOf(self.field(bare.element, node), bare.nonempty)
        kind = self.field(bare, node)
        return nullable(kind) if isinstance(base, Nullable) else kind

    def field(self, base: Type, node: syntax.Path) -> Type:
        base = strip(base)
        if base == ANY:
            return ANY
        fields: Mapping[str, Type]
        if isinstance(base, ContextOf):
            fields = base.fields
        elif isinstance(base, RangeOf):
            ends = {"start": base.element, "end": base.element}
            fields = ends | {"start included": BOOLEAN, "end included": BOOLEAN}
        else:
            fields = PROPERTIES.get(base, {})
        if node.name in fields:
            return fields[node.name]
        span = Span(node.span.end - len(node.name), node.span.end)
        what = "this context" if isinstance(base, ContextOf) else f"a {base}"
        message = f"{what} has no field {node.name}"
        return self.unknown("feel.unknown-field", span, message, node.name, fields)

    def filter(self, node: syntax.Filter, scope: Scope) -> Type:
        base = strip(self.infer(node.base, scope))
        element = base.element if isinstance(base, ListOf) else base
        fields = strip(element)
        inner: Scope = ({"item": element}, *scope)
        if isinstance(fields, ContextOf):
            inner = (fields.fields, *inner)
        self.untyped += fields == ANY
        predicate = self.infer(node.predicate, inner)
        self.untyped -= fields == ANY
        if strip(predicate) == NUMBER:
            return nullable(element)
        if not fits(predicate, BOOLEAN):
            message = f"a filter must be a condition or a position, but this is a {predicate}"
            self.error("feel.operand-type", node.predicate.span, message)
        return ListOf(_refined(element, node.predicate))

    def context(self, node: syntax.ContextLiteral, scope: Scope) -> Type:
        fields: dict[str, Type] = {}
        self.shadowing(node.names, node.span)
        for name, value in zip(node.names, node.values, strict=True):
            fields[name] = self.infer(value, (fields, *scope))
        return context_of(fields)

    # -- operators -----------------------------------------------------------------------------

    def negation(self, node: syntax.Negation, scope: Scope) -> Type:
        kind = self.infer(node.operand, scope)
        if strip(kind) not in {NUMBER, ANY, NULL, *DURATIONS}:
            message = f"- is not defined for a {strip(kind)}"
            return self.error("feel.operand-type", node.span, message)
        return kind

    def arithmetic(self, node: syntax.Arithmetic, scope: Scope) -> Type:
        left, right = self.infer(node.left, scope), self.infer(node.right, scope)
        result = arithmetic_type(node.operator, strip(left), strip(right))
        if result is None:
            message = f"{node.operator} is not defined between a {strip(left)} and a {strip(right)}"
            return self.error("feel.operand-type", node.span, message, arithmetic_hint(left, right))
        by_zero = node.operator == "/" and not (
            (isinstance(node.right, syntax.Literal) and node.right.value)
            or is_known(node.right, "not zero", self.known)
        )
        if by_zero or isinstance(left, Nullable) or isinstance(right, Nullable):
            return nullable(result)
        return result

    def comparison(self, node: syntax.Comparison, scope: Scope) -> Type:
        left, right = self.infer(node.left, scope), self.infer(node.right, scope)
        a, b = strip(left), strip(right)
        if node.operator in {"=", "!="}:
            if not fits(a, b) and not fits(b, a) and NULL not in {a, b}:
                message = f"a {a} is never equal to a {b}"
                self.error("feel.never-holds", node.span, message)
            return BOOLEAN
        for operand, kind in ((node.left, a), (node.right, b)):
            if kind not in _ORDERED:
                message = f"a {kind} has no order, so {node.operator} cannot compare it"
                self.error("feel.operand-type", operand.span, message)
                return nullable(BOOLEAN)
        if ANY not in {a, b} and a != b:
            message = f"a {a} cannot be compared with a {b}"
            self.error("feel.operand-type", node.span, message, arithmetic_hint(a, b))
        for operand, kind in ((node.left, left), (node.right, right)):
            if isinstance(kind, Nullable):
                self.null_prone(node, operand)
        either = isinstance(left, Nullable) or isinstance(right, Nullable)
        return nullable(BOOLEAN) if either else BOOLEAN

    def null_prone(self, node: syntax.Comparison, operand: syntax.Node) -> None:
        match operand:
            case syntax.Call(function=syntax.Name(name="sum" as name)):
                hint = "total(…) is 0 if the list is empty"
            case syntax.Call(function=syntax.Name(name="mean" | "min" | "max" | "median" as name)):
                hint = "test first: count(…) > 0"
            case _:
                return
        message = f"{name}(…) is null if its list is empty, and then this {node.operator} is too"
        self.warn("feel.null-prone", node.span, message, hint)

    def between(self, node: syntax.Between, scope: Scope) -> Type:
        value = self.infer(node.value, scope)
        kinds = [value, self.infer(node.low, scope), self.infer(node.high, scope)]
        for end, kind in ((node.low, kinds[1]), (node.high, kinds[2])):
            if not fits(kind, strip(value)) or strip(kind) not in _ORDERED:
                message = f"a {strip(value)} cannot be compared with a {strip(kind)}"
                self.error("feel.operand-type", end.span, message)
        return nullable(BOOLEAN) if any(isinstance(k, Nullable) for k in kinds) else BOOLEAN

    def contained(self, node: syntax.In, scope: Scope) -> Type:
        value = self.infer(node.value, scope)
        scope = ({"?": value}, *scope)
        for test in node.tests:
            kind = strip(self.infer(test, scope))
            element = kind.element if isinstance(kind, ListOf | RangeOf) else kind
            if kind == BOOLEAN:  # a condition about ?
                continue
            if not fits(element, strip(value)) and not fits(value, element):
                message = f"a {strip(value)} is never in this, because it holds a {element}"
                self.error("feel.never-holds", test.span, message)
        return nullable(BOOLEAN) if isinstance(value, Nullable) else BOOLEAN

    def logic(self, node: syntax.Logic, scope: Scope) -> Type:
        what = f"each side of {node.operator}"
        left = self.expect(BOOLEAN, node.left, scope, what)
        outer = self.known
        if node.operator == "and":  # the right side is evaluated only if the left one holds
            self.known = [*outer, *narrow_true(node.left)]
        right = self.expect(BOOLEAN, node.right, scope, what)
        self.known = outer
        either = isinstance(left, Nullable) or isinstance(right, Nullable)
        return nullable(BOOLEAN) if either else BOOLEAN

    def range(self, node: syntax.RangeLiteral, scope: Scope) -> Type:
        kinds = [strip(self.infer(end, scope)) for end in (node.low, node.high) if end is not None]
        for kind in kinds:
            if kind not in _ORDERED:
                self.error("feel.operand-type", node.span, f"a {kind} cannot be the end of a range")
        if len(kinds) == 2 and not fits(kinds[0], kinds[1]):
            message = f"a range goes from a {kinds[0]} to a {kinds[1]}"
            self.error("feel.operand-type", node.span, message, "both ends must be of one type")
        return RangeOf(kinds[0])

    def items(self, node: syntax.ListLiteral, scope: Scope) -> Type:
        if not node.items:
            return ListOf(NULL)
        first, *others = (self.infer(item, scope) for item in node.items)
        element = first
        for kind in others:
            element = join(element, kind)
        return ListOf(element, nonempty=True)

    # -- loops and functions ---------------------------------------------------------------------

    def bind(self, bindings: Sequence[syntax.Binding], scope: Scope) -> Scope:
        for binding in bindings:
            self.shadowing([binding.name], binding.span)
            kind = strip(self.infer(binding.source, scope))
            if binding.until is not None:
                end = self.infer(binding.until, scope)
                if not fits(end, kind) or kind not in {NUMBER, DATE, ANY}:
                    message = f"a loop cannot count from a {kind} to a {strip(end)}"
                    self.error("feel.operand-type", binding.span, message)
            element = kind.element if isinstance(kind, ListOf | RangeOf) else kind
            scope = ({binding.name: element}, *scope)
        return scope

    def call(self, node: syntax.Call, scope: Scope) -> Type:
        kinds = [self.infer(argument, scope) for argument in node.arguments]
        function = node.function
        if isinstance(function, syntax.FunctionDefinition):
            return self.expanded(node, function, kinds, scope)
        if isinstance(function, syntax.Name):
            if not any(function.name in names for names in scope):
                return self.builtin(node, function, kinds)
            kind = self.infer(function, scope)
        else:
            kind = self.infer(function, scope)
        if strip(kind) not in {ANY, FUNCTION}:
            message = f"a {strip(kind)} cannot be called like a function"
            self.error("feel.unknown-function", function.span, message)
        return ANY

    def expanded(
        self,
        node: syntax.Call,
        function: syntax.FunctionDefinition,
        kinds: list[Type],
        scope: Scope,
    ) -> Type:
        """Return the type of a definition that is called in place, given its arguments' types."""
        if len(kinds) != len(function.parameters):
            message = f"the function takes {', '.join(function.parameters) or 'no arguments'}"
            return self.error("feel.argument-count", node.span, message)
        names = dict(zip(function.parameters, kinds, strict=True))
        declared = zip(node.arguments, function.parameters, function.kinds, strict=False)
        for argument, name, wanted in declared:
            if wanted is not None and not fits(names[name], wanted):
                self.argument(argument, names[name], wanted, f"a {wanted} is expected")
                names[name] = wanted  # told once, and not by each use of the parameter
        return self.infer(function.body, (names, *scope))

    def argument(self, argument: syntax.Node, kind: Type, wanted: Type, what: str) -> None:
        """Report an argument that does not have the type of its parameter."""
        found = strip(kind)
        rows = isinstance(found, ListOf) and isinstance(strip(found.element), ContextOf)
        if rows and isinstance(strip(wanted), ListOf):
            hint = "name a field of the rows, such as .amount"
            self.error("feel.argument-type", argument.span, f"{what}, but these are rows", hint)
        else:
            self.error("feel.argument-type", argument.span, f"{what}, but this is a {found}")

    def builtin(self, node: syntax.Call, function: syntax.Name, kinds: list[Type]) -> Type:
        builtin = BUILTINS.get(function.name)
        if builtin is None:
            message = f"there is no function {function.name}"
            name, span = function.name, function.span
            return self.unknown("feel.unknown-function", span, message, name, BUILTINS)
        arguments = list(node.arguments)
        if builtin.variadic and node.names is None and len(kinds) > 1:
            element = kinds[0]
            for kind in kinds[1:]:
                element = join(element, kind)
            kinds, arguments = [ListOf(element, nonempty=True)], arguments[:1]
        elif builtin.variadic and kinds and not isinstance(strip(kinds[0]), ListOf):
            kinds = [ListOf(kinds[0], nonempty=strip(kinds[0]) != ANY)]
        pairs = list(zip(arguments, kinds, strict=True))
        fitting: list[tuple[syntax.Node, Type, Type]] | None = None
        for form in builtin.forms:
            ordered = _in_order(node, form, pairs)
            wanted = None if ordered is None else builtin.kinds(form, len(ordered))
            if ordered is None or wanted is None:
                continue
            candidate = [(*pair, kind) for pair, kind in zip(ordered, wanted, strict=True)]
            if fitting is None or all(fits(kind, parameter) for _, kind, parameter in candidate):
                fitting = candidate
        if fitting is None:
            message = f"the call must have the form {builtin.signature}"
            return self.error("feel.argument-count", node.span, message)
        for argument, kind, parameter in fitting:
            if not fits(kind, parameter):
                what = f"{builtin.name} takes a {strip(parameter)}"
                self.argument(argument, kind, parameter, what)
        result = builtin.result_type([kind for _, kind, _ in fitting])
        spoiled = any(
            isinstance(kind, Nullable) and not isinstance(parameter, Nullable)
            for _, kind, parameter in fitting
        )
        return nullable(result) if spoiled and not builtin.takes_null else result


def _in_order(
    node: syntax.Call, form: Parameters, pairs: list[tuple[syntax.Node, Type]]
) -> list[tuple[syntax.Node, Type]] | None:
    """Return the arguments in the order of the parameters, or None if a name is not a parameter."""
    if node.names is None:
        return pairs
    named = dict(zip(node.names, pairs, strict=True))
    parameters = [name for name, _ in form]
    if not named.keys() <= set(parameters):
        return None
    return [named[name] for name in parameters if name in named]


def _refined(element: Type, predicate: syntax.Node) -> Type:
    """Return the type of filtered elements, in which the fields that are compared are not null."""
    if not isinstance(element, ContextOf):
        return element
    known = {k.tree.name for k in narrow_true(predicate) if isinstance(k.tree, syntax.Name)}
    return ContextOf({n: strip(t) if n in known else t for n, t in element.fields.items()})
