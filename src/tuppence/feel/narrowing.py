"""Facts about expressions that follow from a condition, for the parts that depend on it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tuppence.feel import syntax

Fact = Literal["not null", "not zero", "not empty"]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A fact about an expression that follows from a condition."""

    tree: syntax.Node
    fact: Fact


def narrow_true(condition: syntax.Node) -> list[Narrowing]:
    """Return the narrowings by a true condition such as `x != null` or `count(list) > 0`."""
    match condition:
        case syntax.Logic(operator="and"):
            return narrow_true(condition.left) + narrow_true(condition.right)
        case syntax.Comparison(operator="!="):
            return _differs(condition)
        case syntax.Comparison(operator="=", right=syntax.Literal(value=value)):
            return [] if value is None else [Narrowing(condition.left, "not null")]
        case syntax.Comparison(operator="<" | "<=" | ">" | ">="):
            sides = (condition.left, condition.right)
            known = [Narrowing(side, "not null") for side in sides]
            return known + _at_least_one(condition)
        case syntax.If(then=syntax.Literal(value=None | False)):  # so the condition did not hold
            return narrow_false(condition.condition) + narrow_true(condition.otherwise)
    return []


def narrow_false(condition: syntax.Node) -> list[Narrowing]:
    """Return the narrowings that follow from a condition that is false or null."""
    match condition:
        case syntax.Comparison(operator="="):
            return _differs(condition)
    return []


def _differs(comparison: syntax.Comparison) -> list[Narrowing]:
    match comparison.right:
        case syntax.Literal(value=None):
            return [Narrowing(comparison.left, "not null")]
        case syntax.Literal(value=Decimal() as number) if not number:
            return [Narrowing(comparison.left, "not zero")]
    return []


def _at_least_one(comparison: syntax.Comparison) -> list[Narrowing]:
    """Return the narrowings that follow from `x > 0`, `x >= 1` and stronger conditions."""
    match comparison:
        case syntax.Comparison(
            operator=(">" | ">=") as operator, right=syntax.Literal(value=Decimal() as least)
        ) if least > 0 or (least == 0 and operator == ">"):
            known = [Narrowing(comparison.left, "not zero")]
            match comparison.left:
                case syntax.Call(function=syntax.Name(name="count"), arguments=(counted,)):
                    known.append(Narrowing(counted, "not empty"))
            return known
    return []


def is_known(node: syntax.Node, fact: Fact, known: list[Narrowing]) -> bool:
    """Return whether a fact is known about an equal expression."""
    for k in known:
        if k.fact == fact and type(k.tree) is type(node) and syntax.same(k.tree, node):
            return True
    return False
