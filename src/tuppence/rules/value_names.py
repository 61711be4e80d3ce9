"""The names in a ruleset, read without checking its rules, by processes that load no language."""

import msgspec


class _Rule(msgspec.Struct):
    id: str
    values: dict[str, str] = {}


class _Rules(msgspec.Struct):
    rules: tuple[_Rule, ...]


def value_names(ruleset: bytes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the rules of a ruleset's canonical bytes, each with the names of its values."""
    rules = msgspec.json.decode(ruleset, type=_Rules).rules
    return tuple((rule.id, tuple(rule.values)) for rule in rules)
