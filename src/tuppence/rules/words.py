"""Words that rules compare fields with, such as categories, and whether anybody can have them."""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping

from tuppence.facts.schema import COLLECTIONS
from tuppence.feel import feel_literal, syntax
from tuppence.feel.diagnostics import Diagnostic, Fix

Known = Callable[[str, str], Collection[str]]
"""Returns the words that a field of a table, or of `customer`, can have; none if it has any."""
_Scope = Mapping[str, str]
"""Tables of the rows that names stand for."""


def unknown_words(tree: syntax.Node, known: Known) -> Iterator[Diagnostic]:
    """Yield a warning for each text that is compared with a field which cannot have it.

    Args:
        tree: An expression, domain functions expanded.
        known: The words of fields.
    """
    for table, field, text in compared_words(tree, {}, ""):
        words = known(table, field)
        if not words or text.value in words:
            continue
        message = f'no {field} is "{text.value}", so the comparison is the same for everybody'
        close = _nearest(str(text.value), words)
        hint, fix = _few(words), None
        if close:
            hint, fix = f'did you mean "{close}"?', Fix(text.span, feel_literal(close))
        yield Diagnostic("rule.word", text.span, message, hint, warning=True, fix=fix)


def _nearest(word: str, words: Collection[str]) -> str:
    """Return the known word that is probably meant; empty if none is."""
    by_plain = {one.casefold(): one for one in sorted(words)}
    plain = word.casefold()
    close = difflib.get_close_matches(plain, by_plain, 1, 0.6)
    close = close or [one for one in by_plain if plain in one.split() or one in plain.split()]
    return by_plain[close[0]] if close else ""


def _few(words: Collection[str]) -> str:
    return f"there is {', '.join(sorted(words))}" if len(words) <= 40 else "look for its usual name"


def compared_words(
    node: syntax.Node, scope: _Scope, inside: str
) -> Iterator[tuple[str, str, syntax.Literal]]:
    """Yield the table, the field and the text of each comparison of a field with a text.

    Args:
        node: A part of an expression.
        scope: Tables of the rows that names stand for.
        inside: Table of the rows that are filtered around the part; empty outside of filters.
    """
    match node:
        case syntax.Comparison(operator="=" | "!=", left=left, right=right):
            for one, other in ((left, right), (right, left)):
                yield from _compared(one, (other,), scope, inside)
        case syntax.In(value=value, tests=tests):
            yield from _compared(value, tests, scope, inside)
        case syntax.Filter(base=base, predicate=predicate):
            yield from compared_words(base, scope, inside)
            yield from compared_words(predicate, scope, _table(base, scope) or inside)
            return
        case syntax.For(iterators=iterators) | syntax.Quantified(iterators=iterators):
            scope = {**scope, **{one.name: _table(one.source, scope) for one in iterators}}
        case syntax.Call(function=syntax.FunctionDefinition() as function, arguments=arguments):
            tables = [_table(argument, scope) for argument in arguments]
            inner = {**scope, **dict(zip(function.parameters, tables, strict=False))}
            yield from compared_words(function.body, inner, inside)
            for argument in arguments:
                yield from compared_words(argument, scope, inside)
            return
    for child in syntax.children(node):
        yield from compared_words(child, scope, inside)


def _compared(
    value: syntax.Node, tests: Collection[syntax.Node], scope: _Scope, inside: str
) -> Iterator[tuple[str, str, syntax.Literal]]:
    match value:
        case syntax.Name(name=name) if inside and name not in scope:
            table, field = inside, name
        case syntax.Path(base=syntax.Name(name="customer"), name=name):
            table, field = "customer", name
        case syntax.Path(base=base, name=name):
            table, field = _table(base, scope), name
        case _:
            return
    for test in tests:
        parts = test.items if isinstance(test, syntax.ListLiteral) else (test,)
        for part in parts:
            if table and isinstance(part, syntax.Literal) and isinstance(part.value, str):
                yield table, field, part


def _table(node: syntax.Node, scope: _Scope) -> str:
    """Return the table of the rows, or of the row, that an expression gives; empty if unknown."""
    match node:
        case syntax.Name(name=name) if name in scope:
            return scope[name]
        case syntax.Name(name=name) if name in COLLECTIONS:
            return COLLECTIONS[name].table
        case syntax.Filter(base=base):
            return _table(base, scope)
        case syntax.Call(function=syntax.FunctionDefinition() as function, arguments=arguments):
            tables = [_table(argument, scope) for argument in arguments]
            return _table(
                function.body, {**scope, **dict(zip(function.parameters, tables, strict=False))}
            )
    return ""
