"""Definitions in PostgreSQL as rule files, which people edit."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.postgres.definitions import Definitions
from tuppence.errors import UserError
from tuppence.rules.definition import Definition, document_of
from tuppence.structured import parse_yaml, to_yaml
from tuppence.usecases.edit_rules import StoredRule
from tuppence.usecases.reviews import Stored
from tuppence.usecases.team import Person

_NAME: Final = re.compile("[a-z][a-z0-9_]{0,63}")


class RuleTable:
    """The definitions of a database. Implements the port RuleFiles.

    The name of a file is the identifier of its rule, and each saved text is a draft.

    Args:
        definitions: The definitions.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def __str__(self) -> str:
        return "the database"

    def everything(self) -> Iterator[tuple[str, StoredRule | UserError]]:
        """Yield the name of each rule with the rule."""
        for one in self._definitions.latest():
            yield one.rule_id, self._rule(one.rule_id, one.version, one.document)

    def has(self, name: str) -> bool:
        """Return whether there is a rule of a name."""
        return self._newest(name) is not None

    def path_of(self, name: str) -> Path:
        """Return a path that names a rule in messages."""
        return Path(f"{name[:64]}.yaml")

    def read(self, name: str) -> StoredRule:
        """Return a rule.

        Raises:
            UserError: There is no such rule.
        """
        found = self._newest(name)
        if found is None:
            raise UserError(
                "rule.missing", f"there is no rule {name[:64]}", "the list of rules shows them"
            )
        return self._rule(name, found.version, found.document)

    def write(self, name: str, text: str, base: str, person: Person, reason: str) -> StoredRule:
        """Add a draft.

        Args:
            name: Name of the rule.
            text: Its text.
            base: The version that the text was made from; empty for a new rule.
            person: Whoever has written it.
            reason: Their reason.

        Raises:
            UserError: `rule.conflict`: the rule has another version by now. `rule.name`: the name
                is not the identifier of the rule.
        """
        if not _NAME.fullmatch(name):
            message = f"{name[:80]!r} is no name for a rule"
            hint = "write small letters, digits and _, with a letter first"
            raise UserError("rule.name", message, hint)
        definition = parse_yaml(text, self.path_of(name), Definition).value
        if definition.id != name:
            message = f"the id {definition.id} is not that of this rule, {name}"
            raise UserError("rule.name", message, "make a new rule for another id")
        found = self._newest(name)
        version = "" if found is None else str(found.version)
        if version != base:
            raise _conflict(name, "it has been changed since you opened it")
        if found is not None and found.definition == definition:
            return self.read(name)
        by = self._definitions.acting(person)
        try:
            made = by.draft_from(definition, int(base or 0), reason or "edited in the console")
        except UserError as error:
            if error.code == "definition.conflict":
                raise _conflict(name, "somebody else saved it at the same moment") from None
            raise
        document = msgspec.json.encode(document_of(definition)).decode()
        return self._rule(name, made, document)

    def _newest(self, name: str) -> Stored | None:
        return next((one for one in self._definitions.latest() if one.rule_id == name), None)

    def _rule(self, name: str, version: int, document: str) -> StoredRule:
        return StoredRule(name, self.path_of(name), _text(document), str(version))


@functools.lru_cache(maxsize=2_000)
def _text(document: str) -> str:
    """Return a document as YAML; of most rules the list shows the same one again."""
    return to_yaml(document_of(msgspec.json.decode(document, type=Definition)))


def _conflict(name: str, what: str) -> UserError:
    return UserError("rule.conflict", f"{name}: {what}", "compare both versions")
