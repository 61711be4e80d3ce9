"""A syntax tree becomes closures, once; they are called for every context.

An error inside FEEL is null (DMN 1.5, 10.3.2.1), never silently: each leaves a diagnostic in the
session of the evaluation. What does not depend on the context is computed when the closures are
made: `today() - @"P90D"` is one date by the time a million transactions are compared with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, assert_never

from tuppence.feel import syntax
from tuppence.feel.diagnostics import Diagnostic, FeelError, Span
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.builtin import Builtin, is_instance
from tuppence.feel.library.temporal import weekday
from tuppence.feel.operators import ORDERED, ORDERINGS, arithmetic, compare, negate, passes
from tuppence.feel.rows import RowField, Rows, write_out
from tuppence.feel.types import ListOf, Nullable, Type, strip
from tuppence.feel.values import (
    DAY_NANOSECONDS,
    SECOND_NANOSECONDS,
    Date,
    DaysDuration,
    Function,
    Range,
    YearsDuration,
    civil,
    type_name,
)

STEPS: Final = 1_000_000
"""How many elements one evaluation may visit before it is stopped."""

MAXIMUM_CALLS: Final = 100
"""How deep functions written in FEEL may call each other."""

Record = Callable[[syntax.Node, Any], None]
Run = Callable[["Frame"], Any]
RowsFilter = Callable[[Rows, "Frame"], Rows | None]


@dataclass(slots=True)
class Session:
    """What one evaluation has used up and met so far."""

    steps: int = STEPS
    calls: int = 0
    findings: dict[tuple[str, Span], Diagnostic] = field(default_factory=dict)

    def report(self, code: str, span: Span, message: str) -> None:
        """Note an error; the same one at the same place only once."""
        self.findings.setdefault((code, span), Diagnostic(code, span, message))

    def spend(self, steps: int) -> None:
        """Count visited elements.

        Raises:
            OutOfBudget: There were too many.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OutOfBudget


class OutOfBudget(Exception):  # noqa: N818 - a signal inside this module, never seen outside
    """The evaluation took more steps than it may."""


class Frame:
    """The names of one scope, and the scope around it."""

    __slots__ = ("names", "parent", "session")

    def __init__(self, names: Mapping[str, Any], parent: "Frame | None", session: Session) -> None:
        self.names = names
        self.parent = parent
        self.session = session


class Constant:
    """A run whose value is known already."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, _: Frame) -> Any:
        """The value, whatever the frame."""
        return self.value


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value, and why it or a part of it became null."""

    value: Any
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression ready to be evaluated, as often as wanted."""

    tree: syntax.Node
    run: Run

    def evaluate(self, context: Mapping[str, Any], steps: int = STEPS) -> Outcome:
        """The value for a context of FEEL values; never raises for what the expression does."""
        session = Session(steps)
        try:
            value = self.run(Frame(context, None, session))
        except (OutOfBudget, RecursionError):
            value = None
            message = f"the evaluation was stopped after {steps:,} steps"
            session.report("feel.budget", self.tree.span, message)
        return Outcome(value, tuple(session.findings.values()))


def compile_expression(
    tree: syntax.Node,
    *,
    today: Date | None = None,
    names: frozenset[str] = frozenset(),
    record: Record | None = None,
) -> Expression:
    """Make an expression ready to run.

    Args:
        tree: From the parser.
        today: The value of `today()`.
        names: The names in its surroundings; one that is spelled like a built-in hides it.
        record: Called with each part and its value while running, outside of loops.
    """
    return Expression(tree, _Compiler(today, names | _defined_in(tree), record).compile(tree))


def _defined_in(tree: syntax.Node) -> frozenset[str]:
    names: set[str] = set()
    for node in syntax.walk(tree):
        match node:
            case syntax.For() | syntax.Quantified():
                names.update(binding.name for binding in node.iterators)
            case syntax.FunctionDefinition():
                names.update(node.parameters)
            case syntax.ContextLiteral():
                names.update(node.names)
    return frozenset(names)


def _truth(value: Any) -> bool | None:
    """The value if it is a boolean: everything else counts as null in logic."""
    return value if value is True or value is False else None


def _elements(value: Any) -> list[Any]:
    """A list as it is, null as the empty list, anything else as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


class _Compiler:
    def __init__(self, today: Date | None, names: frozenset[str], record: Record | None) -> None:
        self.today = today
        self.hidden = names & BUILTINS.keys()
        self.record = record
        self.loops = 0

    def compile(self, node: syntax.Node) -> Run:
        run = self.folded(node, self.build(node))
        record = self.record
        if record is None or self.loops:
            return run

        def recorded(frame: Frame) -> Any:
            value = run(frame)
            record(node, value)
            return value

        return recorded

    def folded(self, node: syntax.Node, run: Run) -> Run:
        """Compute now what does not depend on the context and has no error in it."""
        if isinstance(run, Constant) or not self.is_constant(node):
            return run
        session = Session()
        value = run(Frame({}, None, session))
        return run if session.findings else Constant(value)

    def is_constant(self, node: syntax.Node) -> bool:
        match node:
            case syntax.Literal():
                return True
            case syntax.Arithmetic() | syntax.Negation() | syntax.RangeLiteral():
                return all(map(self.is_constant, syntax.children(node)))
            case syntax.Call(function=syntax.Name(name=name)):
                return self.is_builtin(name) and all(map(self.is_constant, node.arguments))
        return False

    def is_builtin(self, name: str) -> bool:
        return name in BUILTINS and name not in self.hidden

    def in_loop(self, node: syntax.Node) -> Run:
        """Compile what runs once for each element; its values are not recorded."""
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
                return lambda frame: is_instance(value(frame), kind)
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
            found, result = _property(value, name)
            if not found:
                message = f"{type_name(value)} has no {name}"
                frame.session.report("feel.unknown-field", span, message)
            return result

        def run(frame: Frame) -> Any:
            value = base(frame)
            if isinstance(value, list):
                frame.session.spend(len(value))
                if isinstance(value, Rows) and name in value.fields:
                    return [item[name] for item in value]
                return [of_one(item, frame) for item in value]
            return of_one(value, frame)

        return run

    def filter(self, node: syntax.Filter) -> Run:
        base, predicate = self.compile(node.base), self.in_loop(node.predicate)
        names_item = any(
            isinstance(part, syntax.Name) and part.name == "item"
            for part in syntax.walk(node.predicate)
        )

        def scoped(item: Any, frame: Frame) -> Frame:
            if names_item:
                frame = Frame({"item": item}, frame, frame.session)
            return Frame(item if type(item) is dict else {}, frame, frame.session)

        def run(frame: Frame) -> Any:
            items = _elements(base(frame))
            frame.session.spend(len(items) + 1)
            if isinstance(items, Rows) and items:
                fields, fast = written.get(id(items.fields), (None, None))
                if fast is None or fields is not items.fields:
                    fast = self.fast_filter(node, items.fields)
                    written[id(items.fields)] = (items.fields, fast)
                rows = fast(items, frame)
                if rows is not None:
                    return rows
            if not items:
                return _at(predicate(scoped(None, frame)), items) if number_only else []
            first = predicate(scoped(items[0], frame))
            if type(first) is Decimal:
                return _at(first, items)
            kept = [items[0]] if first is True else []
            if names_item:
                kept += [item for item in items[1:] if predicate(scoped(item, frame)) is True]
                return kept
            inner = scoped(None, frame)  # one scope, its names exchanged, for speed
            for item in items[1:]:
                inner.names = item if type(item) is dict else {}
                if predicate(inner) is True:
                    kept.append(item)
            return kept

        number_only = isinstance(node.predicate, syntax.Literal | syntax.Negation)
        written: dict[int, tuple[Mapping[str, RowField], RowsFilter]] = {}
        return run

    def fast_filter(self, node: syntax.Filter, fields: Mapping[str, RowField]) -> RowsFilter:
        """The filter over rows of these fields; None as its value leaves it to the interpreter."""
        fast = write_out(node.predicate, fields)
        if fast is None:
            return lambda _items, _frame: None
        keep, kinds = fast.keep, fast.kinds
        outer = [self.in_loop(expression) for expression in fast.outer]

        def run(items: Rows, frame: Frame) -> Rows | None:
            values = [expression(frame) for expression in outer]
            if any(type(v) is not kind for v, kind in zip(values, kinds, strict=True)):
                return None
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
        return self.guarded(node.span, negate, self.compile(node.operand))

    def arithmetic(self, node: syntax.Arithmetic) -> Run:
        symbol = node.operator
        left, right = self.compile(node.left), self.compile(node.right)
        return self.guarded(node.span, lambda a, b: arithmetic(symbol, a, b), left, right)

    def guarded(self, span: Span, function: Callable[..., Any], *operands: Run) -> Run:
        """Call the function on the operands' values; its error becomes null and a diagnostic."""

        def run(frame: Frame) -> Any:
            values = [operand(frame) for operand in operands]
            try:
                return function(*values)
            except FeelError as error:
                frame.session.report(error.code, span, error.message)
                return None

        return run

    def comparison(self, node: syntax.Comparison) -> Run:
        symbol = node.operator
        left, right = self.compile(node.left), self.compile(node.right)
        general = self.guarded(node.span, lambda a, b: compare(symbol, a, b), left, right)
        if not isinstance(right, Constant) or type(right.value) not in ORDERED:
            return general
        name = node.left.name if isinstance(node.left, syntax.Name) and not self.record else ""
        return _with_constant(name, left, symbol, right.value, general)

    def between(self, node: syntax.Between) -> Run:
        value, low, high = map(self.compile, (node.value, node.low, node.high))

        def inside(item: Any, start: Any, end: Any) -> bool:
            return compare(">=", item, start) and compare("<=", item, end)

        return self.guarded(node.span, inside, value, low, high)

    def contained(self, node: syntax.In) -> Run:
        value, tests = self.compile(node.value), [self.compile(test) for test in node.tests]

        def run(frame: Frame) -> Any:
            item = value(frame)
            results = [passes(item, test(frame)) for test in tests]
            return True if True in results else (None if None in results else False)

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
                if value is not (not decisive):  # neither true nor false counts as null
                    known = False
            return not decisive if known else None

        return run

    def choice(self, node: syntax.If) -> Run:
        condition, then = self.compile(node.condition), self.compile(node.then)
        otherwise = self.compile(node.otherwise)
        return lambda frame: (then if condition(frame) is True else otherwise)(frame)

    def range(self, node: syntax.RangeLiteral) -> Run:
        low = Constant(None) if node.low is None else self.compile(node.low)
        high = Constant(None) if node.high is None else self.compile(node.high)
        closed = (node.low_closed, node.high_closed)
        return lambda frame: Range(low(frame), high(frame), *closed)

    # -- loops ---------------------------------------------------------------------------------

    def sources(self, bindings: Sequence[syntax.Binding]) -> list[tuple[str, Run]]:
        first, *others = bindings
        return [
            (first.name, self.compile(first.source)),
            *((binding.name, self.in_loop(binding.source)) for binding in others),
        ]

    def loop(self, node: syntax.For) -> Run:
        sources, body = self.sources(node.iterators), self.in_loop(node.body)

        def run(frame: Frame) -> list[Any] | None:
            results: list[Any] = []
            outer = Frame({"partial": results}, frame, frame.session)
            for scope in _scopes(sources, outer):
                results.append(body(scope))  # noqa: PERF401 - `partial` shows the list as it grows
            return results

        return run

    def quantified(self, node: syntax.Quantified) -> Run:
        sources, body = self.sources(node.iterators), self.in_loop(node.body)
        decisive = node.quantifier == "some"

        def run(frame: Frame) -> Any:
            known = True
            for scope in _scopes(sources, frame):
                held = _truth(body(scope))
                if held is decisive:
                    return decisive
                known = known and held is not None
            return not decisive if known else None

        return run

    # -- functions -----------------------------------------------------------------------------

    def function(self, node: syntax.FunctionDefinition) -> Run:
        parameters, body = node.parameters, self.in_loop(node.body)

        def run(frame: Frame) -> Function:
            # A filter exchanges the names of its frame: hold on to the ones of now.
            around = Frame(frame.names, frame.parent, frame.session)

            def call(arguments: list[Any]) -> Any:
                names = dict(zip(parameters, arguments, strict=True))
                session = around.session
                session.spend(1)
                session.calls += 1
                if session.calls > MAXIMUM_CALLS:
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
            if function.name == "today" and self.today is not None:
                return Constant(self.today)
            return _call_builtin(BUILTINS[function.name], arguments, names, span)
        # A definition that is called where it stands is a domain function, expanded: its parts
        # are of no interest to a trace, as they have no place in the text.
        callee = self.compile(function)

        def run(frame: Frame) -> Any:
            called = callee(frame)
            if isinstance(called, Builtin):
                return _call_builtin(called, arguments, names, span)(frame)
            if not isinstance(called, Function):
                message = f"{type_name(called)} cannot be called"
                frame.session.report("feel.unknown-function", span, message)
                return None
            values = [argument(frame) for argument in arguments]
            ordered = _in_order(called.parameters, names, values)
            if ordered is None or len(ordered) != len(called.parameters):
                message = f"the function takes {', '.join(called.parameters) or 'no arguments'}"
                frame.session.report("feel.argument-count", span, message)
                return None
            return called.call(ordered)

        return run


def _sides(node: syntax.Node, operator: str) -> list[syntax.Node]:
    """What a chain of the same operator joins: for `a and b and c` these three."""
    if isinstance(node, syntax.Logic) and node.operator == operator:
        return _sides(node.left, operator) + _sides(node.right, operator)
    return [node]


def _with_constant(name: str, left: Run, symbol: str, constant: Any, general: Run) -> Run:
    """A comparison with a constant, the commonest thing in a filter, by the shortest way.

    Where the left side is a name it is mostly one of the innermost scope: a field of the element.
    """
    kind = type(constant)
    if symbol in ORDERINGS:
        ordering = ORDERINGS[symbol]

        def ordered(frame: Frame) -> Any:
            names = frame.names
            value = names[name] if name in names else left(frame)
            return ordering(value, constant) if type(value) is kind else general(frame)

        return ordered
    wanted = symbol == "="

    def same(frame: Frame) -> Any:
        names = frame.names
        value = names[name] if name in names else left(frame)
        if type(value) is kind:
            return (value == constant) is wanted
        return not wanted if value is None else general(frame)

    return same


def _at(position: Any, items: list[Any]) -> Any:
    """The element at a position that counts from 1, or from -1 at the end; else null."""
    if type(position) is not Decimal or position != position.to_integral_value():
        return None
    index = int(position)
    if 1 <= abs(index) <= len(items):
        return items[index - 1 if index > 0 else index]
    return None


def _scopes(sources: list[tuple[str, Run]], frame: Frame) -> Any:
    """A frame for each combination of the sources' elements, the last source fastest."""
    (name, source), *others = sources
    value = source(frame)
    for item in _range_elements(value) if isinstance(value, Range) else _elements(value):
        frame.session.spend(1)
        scope = Frame({name: item}, frame, frame.session)
        if others:
            yield from _scopes(others, scope)
        else:
            yield scope


def _range_elements(interval: Range) -> Any:
    """The whole numbers or the days of a range, downwards where it is written so."""
    low, high = interval.low, interval.high
    if type(low) is not type(high) or type(low) not in {Decimal, Date}:
        return
    start, end = (
        int(low[0] if type(low) is Date else low),
        int(high[0] if type(high) is Date else high),
    )
    step = 1 if start <= end else -1
    for number in range(start, end + step, step):
        yield Date(number) if type(low) is Date else Decimal(number)


def _property(value: Any, name: str) -> tuple[bool, Any]:
    """Whether the value has such a property, and it (DMN 1.5, table 65)."""
    match value:
        case Date():
            year, month, day = civil(value.day)
            known = {"year": year, "month": month, "day": day, "weekday": weekday(value)}
        case DaysDuration():
            sign = -1 if value.nanoseconds < 0 else 1
            days, rest = divmod(abs(value.nanoseconds), DAY_NANOSECONDS)
            seconds = rest // SECOND_NANOSECONDS
            parts = (days, seconds // 3600, seconds // 60 % 60, seconds % 60)
            names = ("days", "hours", "minutes", "seconds")
            known = {n: sign * part for n, part in zip(names, parts, strict=True)}
        case YearsDuration():
            sign = -1 if value.months < 0 else 1
            years, months = divmod(abs(value.months), 12)
            known = {"years": sign * years, "months": sign * months}
        case Range():
            ends = {"start": value.low, "end": value.high}
            ends |= {"start included": value.low_closed, "end included": value.high_closed}
            return name in ends, ends.get(name)
        case _:
            return False, None
    return name in known, Decimal(known[name]) if name in known else None


def _in_order(
    parameters: Sequence[str], names: Sequence[str] | None, values: list[Any]
) -> list[Any] | None:
    """Named arguments put into the parameters' order; None where a name does not exist."""
    if names is None:
        return values
    given = dict(zip(names, values, strict=True))
    if not given.keys() <= set(parameters) or len(given) != len(values):
        return None
    last = max(parameters.index(name) for name in given)
    return [given.get(name) for name in parameters[: last + 1]]


def _call_builtin(
    builtin: Builtin, arguments: list[Run], names: Sequence[str] | None, span: Span
) -> Run:
    parameters = [name for name, _ in builtin.parameters]
    call, listing = builtin.call, builtin.variadic and names is None

    def run(frame: Frame) -> Any:
        values = [argument(frame) for argument in arguments]
        if listing and not (
            len(values) == 1 and (values[0] is None or isinstance(values[0], list))
        ):
            values = [values]
        ordered = _in_order(parameters, names, values)
        kinds = None if ordered is None else builtin.kinds(len(ordered))
        if ordered is None or kinds is None:
            message = f"it is called as {builtin.signature}"
            frame.session.report("feel.argument-count", span, message)
            return None
        try:
            fitted = [_fit(v, k, builtin) for v, k in zip(ordered, kinds, strict=True)]
            return call(*fitted)
        except FeelError as error:
            frame.session.report(error.code, span, error.message)
            return None

    return run


def _fit(value: Any, kind: Type, builtin: Builtin) -> Any:
    """The argument as the parameter wants it: null, lists of one and single values considered."""
    if value is None:
        if builtin.takes_null or isinstance(kind, Nullable):
            return None
        raise FeelError("feel.null-operand", f"{builtin.name} was given null")
    wanted = strip(kind)
    if isinstance(wanted, ListOf):
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) == 1 and not is_instance(value, wanted):
        value = value[0]
    if is_instance(value, wanted):
        return value
    message = f"{builtin.name} takes {wanted}, and {type_name(value)} was given"
    raise FeelError("feel.argument-type", message)
