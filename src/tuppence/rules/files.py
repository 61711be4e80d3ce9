"""Reads and checks rule files; all errors of all files are reported together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.diagnostics import Span
from tuppence.rules.checking import CheckedRule, Finding
from tuppence.rules.definition import Definition
from tuppence.rules.definition_checking import Examine, check_definition
from tuppence.rules.domain import Definitions, load_definitions
from tuppence.rules.rule import Rule
from tuppence.structured import Document, Location, is_folder, read_yaml

CATALOGUE: Final = Path(__file__).parent.parent / "catalogue"
"""The folder of rules that are part of the package."""


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """An error or warning about a rule file, with its place.

    Attributes:
        path: The file.
        line: Line, from 1; 0 if the whole file is meant.
        column: Column, from 1; 0 if the whole file is meant.
        end: Line and column after the last character.
        code: Stable identifier of the kind of problem.
        message: One sentence.
        hint: Advice on how to correct it, or empty.
        excerpt: The line, with carets under the place, or empty.
        warning: Whether the rule can be used nevertheless.
    """

    path: Path
    line: int
    column: int
    end: tuple[int, int]
    code: str
    message: str
    hint: str
    excerpt: str
    warning: bool


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The rules of some files, and all problems found in them."""

    rules: tuple[CheckedRule, ...]
    problems: tuple[RuleProblem, ...]

    def usable(self) -> tuple[CheckedRule, ...]:
        """Return the rules, none of which has an error.

        Raises:
            UserError: One of the files has an error.
        """
        errors = [problem for problem in self.problems if not problem.warning]
        if errors:
            details = [show(problem) for problem in errors]
            message = f"{len(errors)} {'errors' if len(errors) > 1 else 'error'} in the rules"
            raise UserError("rules.invalid", message, "nothing was changed", details)
        return self.rules


def rule_paths(path: Path) -> list[Path]:
    """Return a rule file, or all `*.yaml` below a folder, sorted by path.

    `catalogue` and the files in it are those of the package, unless the working directory has a
    file or folder of that name.

    Raises:
        UserError: The file does not exist, or the folder has no rules.
    """
    shipped = CATALOGUE.parent / path
    if path.parts[:1] == (CATALOGUE.name,) and not path.exists() and shipped.exists():
        path = shipped
    paths = sorted(path.rglob("*.yaml")) if is_folder(path) else [path]
    if not paths:
        raise UserError("rules.none", f"{path}: there are no rules here", "rules are *.yaml files")
    return paths


def _nothing(_: Definition, __: CheckedRule) -> Iterable[Finding]:
    return ()


def read_rules(path: Path, schema: Schema, examine: Examine = _nothing) -> RuleFiles:
    """Read and check a rule file, or all `*.yaml` below a folder.

    Args:
        path: The file or the folder.
        schema: Schema of the facts.
        examine: Finds more about each rule without errors.

    Raises:
        UserError: The file does not exist, or the folder has no rules.
    """
    definitions = load_definitions()
    documents: list[Document[Definition]] = []
    problems: list[RuleProblem] = []
    rules: list[CheckedRule] = []
    for file in rule_paths(path):
        try:
            document = read_yaml(file, Definition)
            checked, found = check_document(document, schema, definitions, examine)
        except UserError as error:
            problems.append(unreadable(file, error))
            continue
        documents.append(document)
        problems.extend(found)
        rules.append(checked)
    problems.extend(duplicates(documents))
    ordered = sorted(problems, key=lambda p: (p.path, p.line, p.column))
    return RuleFiles(tuple(rules), tuple(ordered))


def check_document(
    document: Document[Definition], schema: Schema, definitions: Definitions, examine: Examine
) -> tuple[CheckedRule, list[RuleProblem]]:
    """Check a rule as its file has it.

    Args:
        document: The file.
        schema: Schema of the facts.
        definitions: The domain functions.
        examine: Finds more about a rule without errors.

    Returns:
        The checked rule, which must not be used if a problem is an error, and the problems.

    Raises:
        UserError: The definition cannot be translated.
    """
    checked, findings = check_definition(document.value, schema, definitions, examine)
    return checked, [_located(document, checked.rule, finding) for finding in findings]


def show(problem: RuleProblem) -> str:
    """Format a problem as compilers do: place, message, line with carets, hint."""
    place = f"{problem.path}:{problem.line}:{problem.column}: " if problem.line else ""
    kind = "warning" if problem.warning else "error"
    lines = [f"{place}{kind}[{problem.code}]: {problem.message}"]
    lines += [f"    {line}" for line in problem.excerpt.splitlines()]
    if problem.hint:
        lines.append(f"    hint: {problem.hint}")
    return "\n".join(lines)


def unreadable(path: Path, error: UserError) -> RuleProblem:
    """Return the problem of a file that cannot be read as a rule."""
    excerpt = "\n".join(error.details)
    return RuleProblem(
        path, 0, 0, (0, 0), error.code, error.message, error.hint, excerpt, warning=False
    )


def _located(document: Document[Definition], rule: Rule, finding: Finding) -> RuleProblem:
    """Add the place in the file to a finding; for a form, the excerpt may be its FEEL."""
    found, place, span = finding.diagnostic, finding.place, finding.diagnostic.span
    if not document.is_scalar(place):
        literal = _text(rule, place)[span.start : span.end]
        word = _plain_text(literal) if literal.startswith('"') else literal
        row = document.below(place, word)
        if row is not None:  # the author's own line, in place of the FEEL that it became
            place, span = row, Span(0, len(word))
    text = document.scalar(place) if document.is_scalar(place) else _text(rule, place)
    line, column = document.position(place, span.start)
    if document.is_scalar(place):
        shown, start = document.line(line), column
    else:
        shown, start = _line_at(text, span.start)
    width = min(span.end, len(text)) - span.start
    in_text = text.count("\n", span.start, span.end) == 0
    width = max(1, min(width if in_text else len(shown), len(shown) - start + 1))
    excerpt = f"{shown}\n{' ' * (start - 1)}{'^' * width}"
    return RuleProblem(
        document.path,
        line,
        column,
        _after(document.position(place, span.end - 1)),
        found.code,
        found.message,
        found.advice,
        excerpt,
        found.warning,
    )


def _line_at(text: str, offset: int) -> tuple[str, int]:
    """Return the line of a text that has a character, and the character's column, from 1."""
    begin = text.rfind("\n", 0, offset) + 1
    return text[begin:].split("\n", 1)[0], offset - begin + 1


def _after(last: tuple[int, int]) -> tuple[int, int]:
    return last[0], last[1] + 1


def _plain_text(literal: str) -> str:
    return literal[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def _text(rule: Rule, place: Location) -> str:
    """Return the FEEL that a form became."""
    return dict[Location, str](rule.expressions().items())[place]


def duplicates(documents: Sequence[Document[Definition]]) -> Iterable[RuleProblem]:
    """Yield an error for each rule whose identifier an earlier file has."""
    first: dict[str, Document[Definition]] = {}
    for document in documents:
        name = document.value.id
        before = first.setdefault(name, document)
        if before is not document:
            line, column = document.position(("id",))
            excerpt = f"{document.line(line)}\n{' ' * (column - 1)}{'^' * len(name)}"
            yield RuleProblem(
                document.path,
                line,
                column,
                (line, column + len(name)),
                "rules.duplicate-id",
                f"the rule {name} is defined in {before.path} already",
                "give it another id",
                excerpt,
                warning=False,
            )
