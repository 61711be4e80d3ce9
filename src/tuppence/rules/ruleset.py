"""Rulesets: immutable collections of checked rules in a canonical form, named by a digest."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Rule

FORMAT: Final = 3


class _Canonical(msgspec.Struct, frozen=True):
    format: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in the order of their identifiers.

    Attributes:
        digest: 16 hexadecimal digits of the SHA-256 of `content`.
        content: The canonical bytes: JSON, without the rules' tests.
        rules: The checked rules.
    """

    digest: str
    content: bytes
    rules: tuple[CheckedRule, ...]


def make_ruleset(rules: Iterable[CheckedRule]) -> Ruleset:
    """Build a ruleset of rules that have no errors."""
    ordered = sorted(rules, key=lambda checked: checked.rule.id)
    bare = tuple(msgspec.structs.replace(checked.rule, tests=[]) for checked in ordered)
    content = msgspec.json.format(msgspec.json.encode(_Canonical(FORMAT, bare)))
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Ruleset(digest, content, tuple(ordered))


def read_rules(content: bytes) -> tuple[Rule, ...]:
    """Return the rules of a ruleset from its canonical bytes, without checking them.

    Raises:
        UserError: The bytes are damaged, or of another format.
    """
    try:
        canonical = msgspec.json.decode(content, type=_Canonical)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError("ruleset.corrupt", f"the ruleset is damaged: {error}") from None
    if canonical.format != FORMAT:
        message = f"the ruleset is of format {canonical.format}, and this version reads {FORMAT}"
        raise UserError("ruleset.format", message, "run or publish the rules again")
    return canonical.rules


def read_ruleset(content: bytes, schema: Schema, known: Ruleset | None = None) -> Ruleset:
    """Read a ruleset from its canonical bytes and check it against a schema.

    Args:
        content: The canonical bytes.
        schema: Schema of the facts.
        known: Another ruleset that was checked against this schema; rules in both are not checked
            again.

    Raises:
        UserError: The bytes are damaged, or a rule does not fit the schema.
    """
    return make_ruleset(check_stored(read_rules(content), schema, known))


def check_stored(
    rules: Iterable[Rule], schema: Schema, known: Ruleset | None = None
) -> list[CheckedRule]:
    """Check rules of a ruleset, which had no error when it was made.

    Args:
        rules: The rules.
        schema: Schema of the facts.
        known: A ruleset that was checked against this schema; rules in it are not checked again.

    Raises:
        UserError: A rule does not fit the schema.
    """
    definitions = load_definitions()
    before = {one.rule.id: one for one in known.rules} if known else {}
    checked: list[CheckedRule] = []
    for rule in rules:
        same = before.get(rule.id)
        if same is not None and msgspec.structs.replace(same.rule, tests=[]) == rule:
            checked.append(same)
            continue
        result, findings = check_rule(rule, schema, definitions)
        for finding in findings:
            if not finding.diagnostic.warning:
                message = f"the rule {rule.id} does not fit these facts"
                raise UserError(finding.diagnostic.code, f"{message}: {finding.diagnostic.message}")
        checked.append(result)
    return checked


class RulesetStore(Protocol):
    """Keeps rulesets by their digests; a stored ruleset never changes."""

    def put(self, ruleset: Ruleset) -> None:
        """Store a ruleset, unless it is stored already."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a ruleset.

        Raises:
            UserError: No ruleset has that digest, or its bytes are damaged.
        """
        ...

    def digests(self) -> Sequence[str]:
        """Return the digests of all stored rulesets, in alphabetical order."""
        ...

    def current(self) -> str | None:
        """Return the digest of the ruleset that was published last, or None if none was."""
        ...

    def publish(self, digest: str) -> None:
        """Make a stored ruleset the current one.

        Raises:
            UserError: No ruleset has that digest, or its bytes are damaged.
        """
        ...


def has_rule(rulesets: RulesetStore, rule_id: str) -> bool:
    """Return whether any ruleset has a rule of this name.

    Args:
        rulesets: The rulesets.
        rule_id: Identifier of the rule.
    """
    return any(
        rule.id == rule_id
        for digest in rulesets.digests()
        for rule in read_rules(rulesets.get(digest))
    )
