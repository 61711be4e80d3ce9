"""Compiles a syntax tree to closures, which are called for every context.

An error inside FEEL becomes null (DMN 1.5, 10.3.2.1), with a diagnostic in the session of the
evaluation. Parts that do not depend on the context are computed at compile time: `today() -
@"P90D"` is a single date before a million transactions are compared with it.

One module because each method compiles one kind of node, and they call each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, assert_never

from tuppence.feel import syntax
from tuppence.feel.budget import (
    CALL_STEPS,
    ELEMENT_STEPS,
    ERROR_STEPS,
    PROPERTY_STEPS,
    ROWS_A_STEP,
    STEPS,
    Budget,
    OutOfBudget,
    parts_steps,
    visit,
)
from tuppence.feel.comparing import with_constant
from tuppence.feel.diagnostics import Diagnostic, FeelError, Span
from tuppence.feel.filters import RowsFilter, make_filter
from tuppence.feel.frames import MAX_CALLS, Constant, Frame, Run, Session, truth
from tuppence.feel.invocation import call_builtin, in_order
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.builtin import Builtin, is_instance
from tuppence.feel.loops import Source, ends_of, scopes
from tuppence.feel.operators import ORDERED, arithmetic, compare, negate, passes
from tuppence.feel.properties import property_of
from tuppence.feel.rows import RowField, Rows, write_out
from tuppence.feel.values import DateTime, Function, Range, type_name

_FOLDING_STEPS = STEPS // 4
Record = Callable[[syntax.Node, Any], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value, with the reasons why it or a part of it became null."""

    value: Any
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression, which can be evaluated many times."""

    tree: syntax.Node
    run: Run
    steps: int

    def evaluate(self, context: Mapping[str, Any], steps: int = STEPS) -> Outcome:
        """Evaluate the expression in a context of FEEL values; no expression makes this raise."""
        session = Session(names=context, steps=steps)
        try:
            session.spend(self.steps)
            value = self.run(Frame(context, None, session))
            visit(value, session)
        except (OutOfBudget, RecursionError):
            value = None
            message = f"the evaluation was stopped after {steps:,} steps"
            session.steps = ERROR_STEPS
            session.report("feel.budget", self.tree.span, message)
        return Outcome(value, tuple(session.findings.values()))


def compile_expression(
    tree: syntax.Node,
    *,
    now: DateTime | None = None,
    names: frozenset[str] = frozenset(),
    record: Record | None = None,
) -> Expression:
    """Compile an expression.

    Args:
        tree: The parsed expression.
        now: The value of `now()`; its day is the value of `today()`.
        names: Names that the expression may use; they hide built-in functions of the same name.
        record: Called during evaluation with each part outside of loops, and its value.
    """
    compiler = _Compiler(now, names | syntax.defined_names(tree), record)
    return Expression(tree, compiler.compile(tree), parts_steps(tree))


class _Compiler:
    def __init__(self, now: DateTime | None, names: frozenset[str], record: Record | None) -> None:
        self.now = now
        self.hidden = names & BUILTINS.keys()
        self.record = record
        self.loops = 0
        self.session = Session(names={}, steps=_FOLDING_STEPS)
        self.known: set[int] = set()

    def compile(self, node: syntax.Node) -> Run:
        run = self.folded(node, self.build(node))
        if isinstance(run, Constant):
            self.known.add(id(node))
        record = self.record
        if record is None or self.loops:
            return run

        def recorded(frame: Frame) -> Any:
            value = run(frame)
            if frame.session.can_show(value):
                record(node, value)
            return value

        return recorded

    def folded(self, node: syntax.Node, run: Run) -> Run:
        """Compute a part at compile time if it is constant and has no error."""
        if isinstance(run, Constant) or not self.is_constant(node):
            return run
        findings = self.session.findings
        findings.clear()
        try:
            value = run(Frame({}, None, self.session))
        except OutOfBudget:  # compute it, and pay for it, at each evaluation
            self.session.steps = 0
            return run
        return run if findings else Constant(value)

    def is_constant(self, node: syntax.Node) -> bool:
        match node:
            case syntax.Arithmetic() | syntax.Negation() | syntax.RangeLiteral():
                return all(map(self.is_known, syntax.children(node)))
            case syntax.Call(function=syntax.Name(name=name)):
                return self.is_builtin(name) and all(map(self.is_known, node.arguments))
        return False

    def is_known(self, node: syntax.Node) -> bool:
        return isinstance(node, syntax.Literal) or id(node) in self.known

    def is_builtin(self, name: str) -> bool:
        return name in BUILTINS and name not in self.hidden

    def in_loop(self, node: syntax.Node) -> Run:
        """Compile a part that runs once for each element; its values are not recorded."""
        self.loops += 1
        try:
            return self.compile(node)
        finally:
            self.loops -= 1

    def build(self, node: syntax.Node) -> Run:
        match node:
            case syntax.Literal():
                return Constant(node.value)
            case syntax.Name():
                return self.name(node)
            case syntax.Path():
                return self.path(node)
            case syntax.Filter():
                return self.filter(node)
            case syntax.Negation():
                return self.negation(node)
            case syntax.Arithmetic():
                return self.arithmetic(node)
            case syntax.Comparison():
                return self.comparison(node)
            case syntax.Between():
                return self.between(node)
            case syntax.In():
                return self.contained(node)
            case syntax.Logic():
                return self.logic(node)
            case syntax.If():
                return self.choice(node)
            case syntax.For():
                return self.loop(node)
            case syntax.Quantified():
                return self.quantified(node)
            case syntax.FunctionDefinition():
                return self.function(node)
            case syntax.Call():
                return self.call(node)
            case syntax.ListLiteral():
                items = [self.compile(item) for item in node.items]
                return lambda frame: [item(frame) for item in items]
            case syntax.ContextLiteral():
                return self.context(node)
            case syntax.RangeLiteral():
                return self.range(node)
            case syntax.InstanceOf():
                value, kind = self.compile(node.value), node.kind
                return lambda frame: is_instance(value(frame), kind, frame.session)
        assert_never(node)

    # -- names and fields ------------------------------------------------------------------------

    def name(self, node: syntax.Name) -> Run:
        name, span = node.name, node.span
        builtin = BUILTINS.get(name)

        def run(frame: Frame) -> Any:
            scope: Frame | None = frame
            while scope is not None:
                if name in scope.names:
                    return scope.names[name]
                scope = scope.parent
            if name in frame.session.names:  # a function that calls itself by its name
                return frame.session.names[name]
            if builtin is not None:
                return builtin
            frame.session.report("feel.unknown-name", span, f"there is no {name}")
            return None

        return run

    def path(self, node: syntax.Path) -> Run:
        base, name, span = self.compile(node.base), node.name, node.span

        def of_one(value: Any, frame: Frame) -> Any:
            if type(value) is dict and name in value:
                return value[name]
            if value is None:
                return None
            frame.session.spend(PROPERTY_STEPS)
            found, result = property_of(value, name)
            if not found:
                message = f"{type_name(value)} has no {name}"
                frame.session.report("feel.unknown-field", span, message)
            return result

        def run(frame: Frame) -> Any:
            value = base(frame)
            if isinstance(value, list):
                if isinstance(value, Rows) and name in value.fields:
                    frame.session.spend(len(value) // ROWS_A_STEP + 1)
                    return [item[name] for item in value]
                frame.session.spend(ELEMENT_STEPS * len(value))
                return [of_one(item, frame) for item in value]
            return of_one(value, frame)

        return run

    def filter(self, node: syntax.Filter) -> Run:
        predicate = node.predicate
        is_number = isinstance(predicate, syntax.Literal) and isinstance(predicate.value, Decimal)
        return make_filter(
            self.compile(node.base),
            self.in_loop(predicate),
            predicate.span,
            steps=ELEMENT_STEPS + parts_steps(predicate),
            names_item=any(
                isinstance(part, syntax.Name) and part.name == "item"
                for part in syntax.walk(predicate)
            ),
            is_position=is_number or isinstance(predicate, syntax.Negation),
            write_out=lambda fields: self.fast_filter(node, fields),
        )

    def fast_filter(self, node: syntax.Filter, fields: Mapping[str, RowField]) -> RowsFilter:
        """Make the fast filter for rows with given fields; it returns None if it cannot decide."""
        fast = write_out(node.predicate, fields)
        if fast is None:
            return lambda _items, _frame: None
        keep, kinds = fast.keep, fast.kinds
        outer = [self.in_loop(expression) for expression in fast.outer]
        steps = ELEMENT_STEPS + parts_steps(node.predicate)

        def run(items: Rows, frame: Frame) -> Rows | None:
            values = [expression(frame) for expression in outer]
            if any(type(v) not in allowed for v, allowed in zip(values, kinds, strict=True)):
                return None
            frame.session.spend(steps * len(items) // ROWS_A_STEP)
            return Rows(keep(items, values), fields)

        return run

    def context(self, node: syntax.ContextLiteral) -> Run:
        entries = [(n, self.compile(v)) for n, v in zip(node.names, node.values, strict=True)]

        def run(frame: Frame) -> Any:
            made: dict[str, Any] = {}
            inner = Frame(made, frame, frame.session)
            for name, value in entries:
                made[name] = value(inner)
            return made

        return run

    # -- operators -----------------------------------------------------------------------------

    def negation(self, node: syntax.Negation) -> Run:
        return self.guarded(node.span, lambda a, _: negate(a), self.compile(node.operand))

    def arithmetic(self, node: syntax.Arithmetic) -> Run:
        symbol = node.operator
        left, right = self.compile(node.left), self.compile(node.right)
        return self.guarded(node.span, partial(arithmetic, symbol), left, right)

    def guarded(self, span: Span, function: Callable[..., Any], *operands: Run) -> Run:
        """Compile a function of operands and budget; its error becomes null and a diagnostic."""

        def run(frame: Frame) -> Any:
            values = [operand(frame) for operand in operands]
            try:
                return function(*values, frame.session)
            except FeelError as error:
                frame.session.report(error.code, span, error.message)
                return None

        return run

    def comparison(self, node: syntax.Comparison) -> Run:
        symbol = node.operator
        left, right = self.compile(node.left), self.compile(node.right)
        general = self.guarded(node.span, partial(compare, symbol), left, right)
        if not isinstance(right, Constant) or type(right.value) not in ORDERED:
            return general
        name = node.left.name if isinstance(node.left, syntax.Name) and not self.record else ""
        return with_constant(name, left, symbol, right.value, general)

    def between(self, node: syntax.Between) -> Run:
        value, low, high = map(self.compile, (node.value, node.low, node.high))

        def inside(item: Any, start: Any, end: Any, budget: Budget) -> bool:
            return compare(">=", item, start, budget) and compare("<=", item, end, budget)

        return self.guarded(node.span, inside, value, low, high)

    def contained(self, node: syntax.In) -> Run:
        value = self.compile(node.value)
        tests = [(self.compile(test), _asks(test), _computed(test)) for test in node.tests]

        def run(frame: Frame) -> Any:
            item = value(frame)
            inner = Frame({"?": item}, frame, frame.session)
            results: list[bool | None] = []
            for test, asks, computed in tests:
                wanted = test(inner)
                condition = asks or (computed and truth(item) is None and truth(wanted) is not None)
                results.append(truth(wanted) if condition else passes(item, wanted, frame.session))
            if True in results:
                return True
            if None in results:
                frame.session.report("feel.operand-type", node.span, "it cannot be compared")
                return None
            return False

        return run

    def logic(self, node: syntax.Logic) -> Run:
        decisive = node.operator == "or"
        sides = [self.compile(side) for side in _sides(node, node.operator)]

        def run(frame: Frame) -> Any:
            known = True
            for side in sides:
                value = side(frame)
                if value is decisive:
                    return decisive
                if value is not (not decisive):  # other values count as null
                    known = False
            return not decisive if known else None

        return run

    def choice(self, node: syntax.If) -> Run:
        condition, then = self.compile(node.condition), self.compile(node.then)
        otherwise = self.compile(node.otherwise)
        span = node.condition.span

        def run(frame: Frame) -> Any:
            held = condition(frame)
            if held is True:
                return then(frame)
            if held is False or held is None:
                return otherwise(frame)
            message = f"the condition is neither true nor false, but a {type_name(held)}"
            frame.session.report("feel.operand-type", span, message)
            return None

        return run

    def range(self, node: syntax.RangeLiteral) -> Run:
        low = Constant(None) if node.low is None else self.compile(node.low)
        high = Constant(None) if node.high is None else self.compile(node.high)
        closed = (node.low_closed, node.high_closed)

        def made(start: Any, end: Any, budget: Budget) -> Range:
            bounded = start is not None and end is not None and not node.unary
            if bounded and compare(">", start, end, budget):
                raise FeelError("feel.operand-type", "the range ends before it begins")
            return Range(start, end, *closed, node.unary)

        return self.guarded(node.span, made, low, high)

    # -- loops ---------------------------------------------------------------------------------

    def sources(self, node: syntax.For | syntax.Quantified) -> list[Source]:
        made: list[Source] = []
        inner = [*(ends_of(binding) for binding in node.iterators[1:]), [node.body]]
        for binding, parts in zip(node.iterators, inner, strict=True):
            compile_ = self.in_loop if made else self.compile
            source, *until = map(compile_, ends_of(binding))
            steps = ELEMENT_STEPS + sum(map(parts_steps, parts))
            made.append(Source(binding.name, source, until[0] if until else None, steps))
        return made

    def loop(self, node: syntax.For) -> Run:
        sources, body = self.sources(node), self.in_loop(node.body)

        def run(frame: Frame) -> list[Any] | None:
            results: list[Any] = []
            outer = Frame({"partial": results}, frame, frame.session)
            try:
                for scope in scopes(sources, outer, whole=True):
                    results.append(body(scope))  # noqa: PERF401 - `partial` shows it as it grows
            except FeelError as error:
                frame.session.report(error.code, node.span, error.message)
                return None
            return results

        return run

    def quantified(self, node: syntax.Quantified) -> Run:
        sources, body = self.sources(node), self.in_loop(node.body)
        decisive = node.quantifier == "some"

        def run(frame: Frame) -> Any:
            known = True
            try:
                for scope in scopes(sources, frame):
                    held = truth(body(scope))
                    if held is decisive:
                        return decisive
                    known = known and held is not None
            except FeelError as error:
                frame.session.report(error.code, node.span, error.message)
                return None
            return not decisive if known else None

        return run

    # -- functions -----------------------------------------------------------------------------

    def function(self, node: syntax.FunctionDefinition) -> Run:
        parameters, body = node.parameters, self.in_loop(node.body)
        steps = CALL_STEPS + parts_steps(node.body)

        def run(frame: Frame) -> Function:
            # A filter replaces the names of its frame for each element: keep the current ones.
            around = Frame(frame.names, frame.parent, frame.session)

            def call(arguments: list[Any], session: Session) -> Any:
                names = dict(zip(parameters, arguments, strict=True))
                session.spend(steps)
                session.calls += 1
                if session.calls > MAX_CALLS:
                    raise OutOfBudget
                try:
                    return body(Frame(names, around, session))
                finally:
                    session.calls -= 1

            return Function(parameters, call)

        return run

    def call(self, node: syntax.Call) -> Run:
        arguments = [self.compile(argument) for argument in node.arguments]
        function, span, names = node.function, node.span, node.names
        if isinstance(function, syntax.Name) and self.is_builtin(function.name):
            if function.name in {"today", "now"} and self.now is not None and not arguments:
                return Constant(self.now.date if function.name == "today" else self.now)
            return call_builtin(BUILTINS[function.name], arguments, names, span)
        # A definition that is called in place is an expanded domain function. A trace leaves its
        # parts out, because they have no place in the text.
        callee = self.compile(function)

        def run(frame: Frame) -> Any:
            called = callee(frame)
            if isinstance(called, Builtin):
                return call_builtin(called, arguments, names, span)(frame)
            if not isinstance(called, Function):
                message = f"{type_name(called)} cannot be called"
                frame.session.report("feel.unknown-function", span, message)
                return None
            values = [argument(frame) for argument in arguments]
            ordered = in_order(called.parameters, names, values, len(called.parameters))
            if ordered is None or len(ordered) != len(called.parameters):
                message = f"the function takes {', '.join(called.parameters) or 'no arguments'}"
                frame.session.report("feel.argument-count", span, message)
                return None
            return called.call(ordered, frame.session)

        return run


def _sides(node: syntax.Node, operator: str) -> list[syntax.Node]:
    """Return the operands of a chain of the same operator: three for `a and b and c`."""
    if isinstance(node, syntax.Logic) and node.operator == operator:
        return _sides(node.left, operator) + _sides(node.right, operator)
    return [node]


def _computed(test: syntax.Node) -> bool:
    """Return whether a test is computed, so that a boolean is a condition and not a value.

    For a value that is a boolean itself it could be both, and is compared.
    """
    return not isinstance(test, syntax.Literal | syntax.Name)


def _asks(test: syntax.Node) -> bool:
    """Return whether a test refers to the value itself as `?`, and so is a condition."""
    return any(isinstance(part, syntax.Name) and part.name == "?" for part in syntax.walk(test))
