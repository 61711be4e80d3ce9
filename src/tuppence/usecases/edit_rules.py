"""Edits rules in a folder or a database: reads, checks and saves them, one at a time."""

import difflib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.rules.definition import Definition, document_of
from tuppence.rules.definition_checking import Examine
from tuppence.rules.domain import Definitions, load_definitions
from tuppence.rules.files import RuleProblem, check_document, duplicates, unreadable
from tuppence.rules.rule import Rule
from tuppence.rules.rule_text import changed_text
from tuppence.structured import Document, parse_yaml, to_yaml
from tuppence.usecases.team import Person

MAX_TEXT: Final = 200_000
"""Maximum number of characters of a rule file that is edited."""


class StoredRule(NamedTuple):
    """A rule file.

    Attributes:
        name: Its name in the folder or the database.
        path: The file, for messages.
        text: Its text.
        version: Names this text among those that the file had.
    """

    name: str
    path: Path
    text: str
    version: str


class RuleFiles(Protocol):
    """Rule files that people edit; as text it says where they are."""

    def everything(self) -> Iterator[tuple[str, StoredRule | UserError]]:
        """Yield the name of each rule file, in order, with the file or why it cannot be read."""
        ...

    def has(self, name: str) -> bool:
        """Return whether there is a rule file of a name."""
        ...

    def path_of(self, name: str) -> Path:
        """Return the file of a name, for messages."""
        ...

    def read(self, name: str) -> StoredRule:
        """Return a rule file.

        Raises:
            UserError: There is no such file, or it cannot be read.
        """
        ...

    def write(self, name: str, text: str, base: str, person: Person, reason: str) -> StoredRule:
        """Replace a rule file whose version is `base`, or make a new one if that is empty.

        Args:
            name: Its name.
            text: Its text.
            base: The version that the text was made from.
            person: Whoever has written it; recorded where there are several people.
            reason: Their reason, likewise.

        Raises:
            UserError: `rule.conflict`: the file has another version by now.
        """
        ...


class EditedRule(NamedTuple):
    """A rule file with all that is known about it.

    Attributes:
        stored: The file.
        document: Its content; None if it cannot be read as a rule.
        checked: The checked rule; None as before, or if it has an error.
        problems: Errors and warnings.
    """

    stored: StoredRule
    document: Document[Definition] | None
    checked: CheckedRule | None
    problems: tuple[RuleProblem, ...]

    @property
    def errors(self) -> tuple[RuleProblem, ...]:
        """The problems with which a rule cannot run."""
        return tuple(problem for problem in self.problems if not problem.warning)


class RuleBook:
    """The rules of a folder; one without problems is checked again when its text or the day is new.

    Threads may share it.

    Args:
        files: The files.
        schema: Schema of the facts.
    """

    def __init__(self, files: RuleFiles, schema: Schema) -> None:
        self.files = files
        self.schema = schema
        self.functions: Definitions = load_definitions()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Date], EditedRule] = {}

    def all(self, examine: Examine, day: Date) -> list[EditedRule]:
        """Return all rules in the order of their names.

        Args:
            examine: Finds more about each rule without errors.
            day: The day that `examine` is about: on another one rules are checked again.
        """
        with self._lock:
            found = {}
            for name, stored in self.files.everything():
                if isinstance(stored, UserError):
                    path = self.files.path_of(name)
                    problem = unreadable(path, stored)
                    missing = StoredRule(name, path, "", "")
                    found[name, day] = EditedRule(missing, None, None, (problem,))
                    continue
                known = self._known.get((name, day))
                # A warning may be about words that the store has by now.
                if known is None or known.problems or known.stored.version != stored.version:
                    known = self.check(stored, examine)
                found[name, day] = known
            self._known = found
            return _with_duplicates(list(found.values()))

    def check(self, stored: StoredRule, examine: Examine) -> EditedRule:
        """Check the text of a rule file, which need not be saved.

        Args:
            stored: The file.
            examine: Finds more about a rule without errors.
        """
        try:
            _limit(stored.text)
            document = parse_yaml(stored.text, stored.path, Definition)
            checked, problems = check_document(document, self.schema, self.functions, examine)
        except UserError as error:
            return EditedRule(stored, None, None, (unreadable(stored.path, error),))
        usable = None if any(not problem.warning for problem in problems) else checked
        return EditedRule(stored, document, usable, tuple(problems))

    def save(self, edited: EditedRule, base: str, person: Person, reason: str = "") -> StoredRule:
        """Save a rule that was checked.

        Args:
            edited: The rule.
            base: The version that it was made from; empty for a new one.
            person: Whoever saves it.
            reason: Their reason.

        Raises:
            UserError: `rule.invalid`: it has an error, and the next run would not start.
                `rule.duplicate`: another file has a rule of this identifier. `rule.conflict`:
                somebody else has changed the file.
        """
        stored = edited.stored
        if edited.errors or edited.document is None:
            count = len(edited.errors)
            message = f"it has {count} {'error' if count == 1 else 'errors'}"
            hint = "correct what is marked: with an error in any rule no run starts"
            raise UserError("rule.invalid", f"nothing was saved: {message}", hint)
        identifier = edited.document.value.id
        for name, other in self.files.everything():
            if name != stored.name and self._identifier(other) == identifier:
                message = f"nothing was saved: the rule {identifier} is in {name}.yaml already"
                raise UserError("rule.duplicate", message, "give it another id")
        return self.files.write(stored.name, stored.text, base, person, reason)

    def _identifier(self, stored: StoredRule | UserError) -> str | None:
        """Return the identifier of the rule in a file; None if the file is no rule."""
        if isinstance(stored, UserError):
            return None
        try:
            with self._lock:
                known = [one for one in self._known.values() if one.stored == stored]
            if known:
                return known[0].document.value.id if known[0].document else None
            return parse_yaml(stored.text, stored.path, Definition).value.id
        except UserError:
            return None


def text_of(definition: Definition, before: EditedRule | None) -> str:
    """Return the text of a rule file for a definition.

    Args:
        definition: The definition.
        before: The file as it was, whose text stays where nothing has changed; None for a new one.
    """
    after = document_of(definition)
    if before is None or before.document is None:
        return to_yaml(after)
    return changed_text(before.stored.text, document_of(before.document.value), after)


def differences(before: str, after: str, context: int = 3) -> list[tuple[str, str]]:
    """Return the lines in which two texts differ, each with ` `, `+`, `-` or `@`.

    Args:
        before: The one text.
        after: The other text.
        context: Number of equal lines around a difference.
    """
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=context, lineterm="")
    return [(line[:1] or " ", line[1:]) for line in list(lines)[2:]]


class Standing(NamedTuple):
    """The relation of the rules of a folder to those of the last run.

    Attributes:
        of: `same`, `changed` or `new` by the identifier of each rule.
        removed: Rules of the last run that the folder lacks: the next run removes their results.
    """

    of: Mapping[str, str]
    removed: tuple[str, ...]


def standing_of(rules: Sequence[EditedRule], live: Mapping[str, Rule]) -> Standing:
    """Compare the rules of a folder with those of the last run.

    Args:
        rules: The rules of the folder.
        live: Those of the last run, by identifier.
    """
    found: dict[str, str] = {}
    known = {one.document.value.id for one in rules if one.document is not None}
    for one in rules:
        if one.checked is not None:
            rule = msgspec.structs.replace(one.checked.rule, tests=[])
            before = live.get(rule.id)
            found[rule.id] = "new" if before is None else "same" if before == rule else "changed"
    return Standing(found, tuple(sorted(live.keys() - known)))


def _with_duplicates(rules: list[EditedRule]) -> list[EditedRule]:
    """Add an error to each rule whose identifier an earlier one has."""
    documents = [one.document for one in rules if one.document is not None]
    found = {problem.path: (problem,) for problem in duplicates(documents)}
    return [
        one._replace(problems=(*one.problems, *found.get(one.stored.path, ()))) for one in rules
    ]


def _limit(text: str) -> None:
    if len(text) > MAX_TEXT:
        message = f"the rule has more than {MAX_TEXT:,} characters"
        raise UserError("rule.large", message, "make it shorter")
