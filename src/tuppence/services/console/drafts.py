"""Reads what an editor sends: a rule as a form or as a file, checked, with what was found."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tuppence.errors import UserError
from tuppence.rules.checking import CheckedRule
from tuppence.rules.definition_checking import Examine, check_definition
from tuppence.rules.rule import Rule
from tuppence.services.console.form_actions import changed_form
from tuppence.services.console.forms import Plain, definition_in, form_in
from tuppence.services.console.marking import Mark, marks_of, marks_of_file, text_at
from tuppence.usecases.edit_rules import EditedRule, RuleBook, StoredRule, text_of

CONTROLS: Final = ("base", "view", "do", "editor", "customer", "example", "reason")
"""Fields of the page that are no part of a rule."""
MAX_REASON: Final = 1_000
"""Maximum number of characters of a reason."""


class Draft(NamedTuple):
    """A rule as somebody is writing it.

    Attributes:
        name: Name of its file.
        base: The version that it was made from; empty for a new rule.
        view: `form` or `file`.
        form: Content of the form; empty in the view `file`.
        text: The text of the file; empty in the view `form`.
        marks: The findings.
        checked: The checked rule; None if it has an error.
        title: Its title.
        feel: The FEEL that rows of the form become, by their field.
        reason: The reason for the change, where it is recorded.
    """

    name: str
    base: str
    view: str
    form: Plain
    text: str
    marks: Sequence[Mark]
    checked: CheckedRule | None
    title: str
    feel: Mapping[str, str] = {}
    reason: str = ""

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(not mark.is_warning for mark in self.marks)


class Drafts:
    """Reads drafts.

    Args:
        book: The rules of the folder.
    """

    def __init__(self, book: RuleBook) -> None:
        self._book = book

    def read(
        self, name: str, fields: Mapping[str, Sequence[str]], examine: Examine, action: str = ""
    ) -> Draft:
        """Return the draft that was sent.

        Args:
            name: Name of its file.
            fields: The fields that were sent.
            examine: Finds more about a rule without errors.
            action: A button that adds, removes or converts a part of the form.

        Raises:
            UserError: The fields are not those of an editor.
        """
        base, view, reason = (fields.get(one, [""])[0] for one in ("base", "view", "reason"))
        if len(reason) > MAX_REASON:
            message = f"the reason has more than {MAX_REASON:,} characters"
            raise UserError("request.body", message, "make it shorter")
        if view == "file":
            text = fields.get("text", [""])[0].replace("\r\n", "\n")
            return self.of_file(name, base, text, examine)._replace(reason=reason)
        form = form_in({key: value for key, value in fields.items() if key not in CONTROLS})
        if action:
            form = changed_form(form, action, self._book.schema)
        return self.of_form(name, base, form, examine)._replace(reason=reason)

    def of_file(self, name: str, base: str, text: str, examine: Examine) -> Draft:
        """Return the draft of a text of a file."""
        edited = self._edited(name, text, examine)
        marks = marks_of_file(edited.problems, text)
        title = edited.document.value.title if edited.document else name
        return Draft(name, base, "file", {}, text, marks, edited.checked, title)

    def of_form(self, name: str, base: str, form: Plain, examine: Examine) -> Draft:
        """Return the draft of a form."""
        title = str(form.get("title") or name)
        try:
            definition = definition_in(form)
            schema, functions = self._book.schema, self._book.functions
            checked, findings = check_definition(definition, schema, functions, examine)
        except UserError as error:
            return Draft(name, base, "form", form, "", [_misshapen(error, form)], None, title)
        marks = marks_of(findings, form)
        usable = checked if all(mark.is_warning for mark in marks) else None
        feel = _translated(form, checked.rule)
        return Draft(name, base, "form", form, "", marks, usable, title, feel)

    def to_save(self, draft: Draft, examine: Examine) -> EditedRule:
        """Return the file that a draft makes.

        Raises:
            UserError: Something in it has another shape.
        """
        if draft.view == "file":
            text = draft.text
            stored = self.stored(draft.name) if draft.base else None
            if stored is not None and "\r\n" in stored.text:
                text = text.replace("\n", "\r\n")
            return self._edited(draft.name, text, examine)
        definition = definition_in(draft.form)
        stored = self.stored(draft.name) if draft.base else None
        before = None if stored is None else self._book.check(stored, _nothing)
        return self._edited(draft.name, text_of(definition, before), examine)

    def stored(self, name: str) -> StoredRule | None:
        """Return a rule file as it is now; None if there is none."""
        return self._book.files.read(name) if self._book.files.has(name) else None

    def _edited(self, name: str, text: str, examine: Examine) -> EditedRule:
        path = self._book.files.path_of(name)
        return self._book.check(StoredRule(name, path, text, ""), examine)


def _translated(form: Plain, rule: Rule) -> dict[str, str]:
    """Return the FEEL of the parts that a form has in rows."""
    parts = (("when", rule.when), ("score", rule.score))
    found = {name: text for name, text in parts if isinstance(form.get(name), dict)}
    rows = enumerate(form.get("values", []))
    names = {f"values.{number}": row["name"].strip() for number, row in rows if "what" in row}
    return found | {field: rule.values[name] for field, name in names.items()}


def _nothing(*_: Any) -> tuple[()]:
    return ()


def _misshapen(error: UserError, form: Plain) -> Mark:
    """Return the mark for a form that is no definition; its message begins with the place."""
    place, _, message = error.message.partition(": ")
    text = text_at(form, place)
    if text is None:
        return Mark("", "", 0, 0, is_warning=False, message=error.message, hint=error.hint)
    return Mark(place, place, 0, len(text), is_warning=False, message=message, hint=error.hint)


def encoded(draft: Draft) -> bytes:
    """Return the marks of a draft, and the FEEL that its rows become, as JSON."""
    found = {"marks": draft.marks, "errors": draft.errors, "feel": draft.feel}
    return msgspec.json.encode(found)
