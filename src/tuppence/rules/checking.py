"""Checks rules: their expressions against the schema, their messages against their values."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import jinja2

from tuppence.facts.schema import Schema
from tuppence.feel import FeelSyntaxError, check, parse, syntax
from tuppence.feel.diagnostics import Diagnostic, Span
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import ANY, BOOLEAN, DATE, NUMBER, STRING, Nullable, Type, strip
from tuppence.feel.values import Date
from tuppence.rules.domain import Definitions, expand
from tuppence.rules.message import FILTERS, message_environment
from tuppence.rules.rule import Rule
from tuppence.rules.templates import TemplateError, fill, read_template
from tuppence.structured import Location

Place = tuple[str, ...]
"""A place in a rule: `("when",)`, `("values", "yearly")`, `("message", "title")`."""

_SAMPLES: Final[Mapping[Type, object]] = {
    BOOLEAN: True,
    DATE: Date(20_000),
    NUMBER: Decimal("12.34"),
    STRING: "text",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic about a part of a rule."""

    place: Location
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule and the trees of its expressions, domain functions expanded.

    Attributes:
        rule: The rule.
        trees: Trees of its expressions, by the places of `Rule.expressions`.
        types: Types of their values, by the same places.
    """

    rule: Rule
    trees: Mapping[Place, syntax.Node]
    types: Mapping[Place, Type]


def check_rule(
    rule: Rule, schema: Schema, definitions: Definitions
) -> tuple[CheckedRule, list[Finding]]:
    """Parse and check everything in a rule.

    Returns:
        The checked rule, which must not be used if a finding is an error, and the findings.
    """
    of_schema, typed = _known(schema)
    words = of_schema | BUILTINS.keys() | definitions.keys() | rule.values.keys()
    names: dict[str, Type] = dict(typed)
    trees: dict[Place, syntax.Node] = {}
    types: dict[Place, Type] = {}
    findings: list[Finding] = []
    for place, text in rule.expressions().items():
        try:
            tree = expand(parse(text, words), definitions)
        except FeelSyntaxError as error:
            findings.append(Finding(place, error.diagnostic))
            types[place] = ANY
        else:
            wanted = {"when": BOOLEAN, "score": NUMBER}.get(place[0], ANY)
            trees[place] = tree
            # Score and values are evaluated only if the condition holds.
            condition = None if place == ("when",) else trees.get(("when",))
            types[place], found = check(tree, names, wanted, condition)
            findings.extend(Finding(place, diagnostic) for diagnostic in found)
        if place[0] == "values":
            findings.extend(_value_findings(place, types[place], names, len(text)))
            names[place[1]] = types[place]
    if rule.communication == "financial promotion" and rule.approval is None:
        span = Span(0, len(rule.communication))
        message = "a financial promotion needs the approval of an authorised firm"
        hint = (
            "add approval: {by: …, date: …, reference: …}, or word it so that it promotes nothing"
        )
        findings.append(
            Finding(("communication",), Diagnostic("rule.approval", span, message, hint))
        )
    findings.extend(_feed_findings(rule, types))
    findings.extend(_message_findings(rule, types, message_environment("GBP", "en_GB")))
    return CheckedRule(rule, trees, types), findings


@functools.lru_cache(maxsize=4)
def _known(schema: Schema) -> tuple[frozenset[str], Mapping[str, Type]]:
    """Return the names in a schema, and the types of those that a rule may use by themselves."""
    return schema.words(), schema.names()


def _feed_findings(rule: Rule, types: Mapping[Place, Type]) -> Iterator[Finding]:
    """Check the place of the insight in feeds against the rest of the rule."""
    settings = rule.feed_settings
    if settings.tier is not None and rule.promotes:
        message = "a financial promotion is always in the last tier"
        hint = "leave out tier"
        yield Finding(
            ("feed", "tier"),
            Diagnostic("rule.feed", Span(0, len(str(settings.tier))), message, hint),
        )
    for name, change in (settings.brings_back or {}).items():
        place, span = ("feed", "brings_back", name), Span(0, len(change))
        kind = types.get(("values", name))
        if kind is None:
            message = f"{name} is not a value of the rule"
            hint = f"the values are: {', '.join(rule.values) or 'none'}"
            yield Finding(place, Diagnostic("rule.feed", span, message, hint))
        elif change != "any" and strip(kind) not in {NUMBER, ANY}:
            message = f"{name} is not a number, so it cannot change by {change} percent"
            yield Finding(place, Diagnostic("rule.feed", span, message, "write any"))


def _value_findings(
    place: Place, kind: Type, names: Mapping[str, Type], length: int
) -> Iterator[Finding]:
    span = Span(0, length)
    if place[1] in names or place[1] in BUILTINS:
        message = f"the value {place[1]} hides the fact or function of that name"
        hint = "choose another name"
        yield Finding(place, Diagnostic("feel.shadowing", span, message, hint, warning=True))
    if isinstance(kind, Nullable):
        message = f"the value {place[1]} can be null, which would leave a gap in the message"
        hint = "exclude null in when, or use another value with if … then … else …"
        yield Finding(place, Diagnostic("rule.value-null", span, message, hint, warning=True))


def _message_findings(
    rule: Rule, types: Mapping[Place, Type], environment: jinja2.Environment
) -> Iterator[Finding]:
    """Check the message, and fill it with a sample of each value's type."""
    samples = {
        place[1]: _SAMPLES[strip(kind)]
        for place, kind in types.items()
        if place[0] == "values" and strip(kind) in _SAMPLES
    }
    for place, text in rule.message.texts().items():
        whole = Span(0, len(text))
        try:
            _, names = read_template(text, environment)
            unknown = sorted(names - rule.values.keys())
            for name in unknown:
                message = f"the message uses {name}, which is not a value of the rule"
                hint = f"the values are: {', '.join(rule.values) or 'none'}"
                start = max(text.find(name), 0)
                span = Span(start, start + len(name))
                yield Finding(place, Diagnostic("rule.message", span, message, hint))
            if not unknown and names <= samples.keys():
                fill(text, environment, samples)
        except TemplateError as error:
            message = f"the message cannot be written: {error.message}"
            yield Finding(place, Diagnostic("rule.message", error.span, message, error.hint))
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            message = f"the message cannot be written: {error}"
            hint = f"the filters are: {', '.join(sorted(FILTERS))}"
            yield Finding(place, Diagnostic("rule.message", whole, message, hint))
