"""The parts of a rule in which two versions differ, as people read them."""

from typing import Any, Final, NamedTuple

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.rules.definition import Definition, document_of, rule_of
from tuppence.structured import to_yaml
from tuppence.usecases.edit_rules import differences

LABELS: Final = {
    "title": "Title, for those who maintain the rules",
    "when": "Condition",
    "score": "Score",
    "values": "Values for the message",
    "communication": "Legal class",
    "approval": "Approval of the promotion",
    "expires_after_days": "Shown for days",
    "cooldown_days": "Then hidden for days",
    "minimum_history_days": "Needs days of history",
    "valid_from": "Valid from",
    "valid_until": "Valid until",
    "tests": "Test customers",
    "feed": "Place in feeds",
}
"""Names of parts that a reader would not recognise."""


class Change(NamedTuple):
    """A part that differs.

    Attributes:
        label: Its name.
        before: Its text before; empty if there was none.
        after: Its text now; empty if there is none.
    """

    label: str
    before: str
    after: str


class Changes(NamedTuple):
    """The differences of two versions.

    Attributes:
        parts: Parts other than the message.
        message: Texts that customers read.
        lines: Lines of the file, each with its mark.
    """

    parts: tuple[Change, ...]
    message: tuple[Change, ...]
    lines: list[tuple[str, str]]


def changes(before: Definition | None, after: Definition, schema: Schema) -> Changes:
    """Return the differences of two versions.

    Args:
        before: The earlier version; None if there is none.
        after: The later version.
        schema: Schema of the facts, for the FEEL of rows.
    """
    old = {} if before is None else document_of(before)
    new = document_of(after)
    texts = {} if before is None else _translated(before, schema)
    translated = _translated(after, schema)
    parts = []
    for name in [*new, *(name for name in old if name not in new)]:
        if name == "message" or old.get(name) == new.get(name):
            continue
        one, other = (_text(name, at, feel) for at, feel in ((old, texts), (new, translated)))
        label = LABELS.get(name, name.replace("_", " ").capitalize())
        parts.append(Change(label, one, other))
    said, says = _messages(before), _messages(after)
    message = tuple(
        Change(name, said.get(name, ""), says.get(name, ""))
        for name in dict.fromkeys([*says, *said])
        if said.get(name) != says.get(name)
    )
    lines = differences(to_yaml(old) if old else "", to_yaml(new))
    return Changes(tuple(parts), message, lines)


def _messages(definition: Definition | None) -> dict[str, str]:
    if definition is None:
        return {}
    found = {}
    for number, wording in enumerate(definition.message.wordings):
        of = f" of variant {number}" if number else ""
        found[f"Title{of}"] = wording.title
        found[f"Text{of}"] = wording.body
    return found


def _translated(definition: Definition, schema: Schema) -> dict[str, str]:
    """Return the FEEL that rows of a form become."""
    try:
        rule = rule_of(definition, schema)
    except UserError:
        return {}
    found = {"when": rule.when, "score": rule.score}
    return {name: text for name, text in found.items() if getattr(definition, name) != text}


def _text(name: str, document: dict[str, Any], feel: dict[str, str]) -> str:
    if name not in document:
        return ""
    plain = document[name]
    text = plain if isinstance(plain, str) else to_yaml(plain) if _is_deep(plain) else str(plain)
    return f"{text.strip()}\n\nin FEEL: {feel[name].strip()}" if name in feel else text.strip()


def _is_deep(plain: Any) -> bool:
    return isinstance(plain, dict | list)
