"""What a condition tells of the expressions in it, for the parts that depend on it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tuppence.feel import syntax

Fact = Literal["not null", "not zero", "not empty"]


@dataclass(frozen=True, slots=True)
class Known:
    """Something about an expression that a condition tells."""

    tree: syntax.Node
    fact: Fact


def assumed(condition: syntax.Node) -> list[Known]:
    """What is known where a condition holds: from `x != null`, `count(list) > 0` and their like."""
    match condition:
        case syntax.Logic(operator="and"):
            return assumed(condition.left) + assumed(condition.right)
        case syntax.Comparison(operator="!="):
            return _differs(condition)
        case syntax.Comparison(operator="=", right=syntax.Literal(value=value)):
            return [] if value is None else [Known(condition.left, "not null")]
        case syntax.Comparison(operator="<" | "<=" | ">" | ">="):
            sides = (condition.left, condition.right)
            known = [Known(side, "not null") for side in sides]
            return known + _at_least_one(condition)
    return []


def refuted(condition: syntax.Node) -> list[Known]:
    """What is known where a condition is false or null."""
    match condition:
        case syntax.Comparison(operator="="):
            return _differs(condition)
    return []


def _differs(comparison: syntax.Comparison) -> list[Known]:
    match comparison.right:
        case syntax.Literal(value=None):
            return [Known(comparison.left, "not null")]
        case syntax.Literal(value=Decimal() as number) if not number:
            return [Known(comparison.left, "not zero")]
    return []


def _at_least_one(comparison: syntax.Comparison) -> list[Known]:
    """From `x > 0`, `x >= 1` and beyond."""
    match comparison:
        case syntax.Comparison(
            operator=(">" | ">=") as operator, right=syntax.Literal(value=Decimal() as least)
        ) if least > 0 or (least == 0 and operator == ">"):
            known = [Known(comparison.left, "not zero")]
            match comparison.left:
                case syntax.Call(function=syntax.Name(name="count"), arguments=(counted,)):
                    known.append(Known(counted, "not empty"))
            return known
    return []


def is_known(node: syntax.Node, fact: Fact, known: list[Known]) -> bool:
    """Whether the fact is known of an expression like this one."""
    for k in known:
        if k.fact == fact and type(k.tree) is type(node) and syntax.same(k.tree, node):
            return True
    return False
