"""Folders of rule files become checked rules; every error of every file is told at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule, Finding, check_rule
from tuppence.rules.definition import Definition, rule_of
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Rule
from tuppence.structured import Document, Location, is_folder, read_yaml

CATALOGUE: Final = Path(__file__).parent.parent / "catalogue"
"""The rules that come with the package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding with its place in a file, ready to be shown.

    Attributes:
        path: The file.
        line: From 1; 0 where the file as a whole is meant.
        column: From 1; 0 likewise.
        end: Line and column after the place.
        code: Stable identifier.
        message: One sentence.
        hint: How to mend it, or empty.
        excerpt: The line and carets under the place, or empty.
        warning: The rule can be used all the same.
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
    """What a path of rule files holds: the rules that are right, and all problems."""

    rules: tuple[CheckedRule, ...]
    problems: tuple[Problem, ...]

    def usable(self) -> tuple[CheckedRule, ...]:
        """The rules, all of them right.

        Raises:
            UserError: There is an error in one of the files.
        """
        errors = [problem for problem in self.problems if not problem.warning]
        if errors:
            details = [show(problem) for problem in errors]
            message = f"{len(errors)} {'errors' if len(errors) > 1 else 'error'} in the rules"
            raise UserError("rules.invalid", message, "nothing was changed", details)
        return self.rules


def rule_paths(path: Path) -> list[Path]:
    """Return a rule file, or all `*.yaml` below a folder in the order of their names.

    `catalogue` and the files in it are those of the package, unless the working directory has a
    file or folder of that name.

    Raises:
        UserError: There is no such file, or no rule in the folder.
    """
    shipped = CATALOGUE.parent / path
    if path.parts[:1] == (CATALOGUE.name,) and not path.exists() and shipped.exists():
        path = shipped
    paths = sorted(path.rglob("*.yaml")) if is_folder(path) else [path]
    if not paths:
        raise UserError("rules.none", f"{path}: there are no rules here", "rules are *.yaml files")
    return paths


def read_rules(path: Path, schema: Schema) -> RuleFiles:
    """Read and check a rule file, or all `*.yaml` below a folder.

    Raises:
        UserError: There is no such file, or no rule in the folder.
    """
    definitions = load_definitions()
    documents: list[Document[Definition]] = []
    problems: list[Problem] = []
    rules: list[CheckedRule] = []
    for file in rule_paths(path):
        try:
            document = read_yaml(file, Definition)
            rule = rule_of(document.value, schema)
        except UserError as error:
            problems.append(_unreadable(file, error))
            continue
        documents.append(document)
        checked, findings = check_rule(rule, schema, definitions)
        problems.extend(_located(document, rule, finding) for finding in findings)
        rules.append(checked)
    problems.extend(_duplicates(documents))
    ordered = sorted(problems, key=lambda p: (p.path, p.line, p.column))
    return RuleFiles(tuple(rules), tuple(ordered))


def show(problem: Problem) -> str:
    """A problem in the manner of compilers: place, message, line with carets, hint."""
    place = f"{problem.path}:{problem.line}:{problem.column}: " if problem.line else ""
    kind = "warning" if problem.warning else "error"
    lines = [f"{place}{kind}[{problem.code}]: {problem.message}"]
    lines += [f"    {line}" for line in problem.excerpt.splitlines()]
    if problem.hint:
        lines.append(f"    hint: {problem.hint}")
    return "\n".join(lines)


def _unreadable(path: Path, error: UserError) -> Problem:
    excerpt = "\n".join(error.details)
    return Problem(
        path, 0, 0, (0, 0), error.code, error.message, error.hint, excerpt, warning=False
    )


def _located(document: Document[Definition], rule: Rule, finding: Finding) -> Problem:
    """A finding with its place in the file; of a form the excerpt is the FEEL that it became."""
    text = _text(rule, finding.place)
    found = finding.diagnostic
    line, column = document.position(finding.place, found.span.start)
    if document.is_scalar(finding.place):
        shown, start = document.line(line), column
    else:
        shown, start = _line_at(text, found.span.start)
    width = min(found.span.end, len(text)) - found.span.start
    in_text = text.count("\n", found.span.start, found.span.end) == 0
    width = max(1, min(width if in_text else len(shown), len(shown) - start + 1))
    excerpt = f"{shown}\n{' ' * (start - 1)}{'^' * width}"
    return Problem(
        document.path,
        line,
        column,
        _after(document.position(finding.place, found.span.end - 1)),
        found.code,
        found.message,
        found.advice,
        excerpt,
        found.warning,
    )


def _line_at(text: str, offset: int) -> tuple[str, int]:
    """The line of a text that a character is in, and the character's column, from 1."""
    begin = text.rfind("\n", 0, offset) + 1
    return text[begin:].split("\n", 1)[0], offset - begin + 1


def _after(last: tuple[int, int]) -> tuple[int, int]:
    return last[0], last[1] + 1


def _text(rule: Rule, place: Location) -> str:
    class_ = (("communication",), rule.communication)
    texts = (*rule.message.texts().items(), *rule.expressions().items(), class_)
    return dict[Location, str](texts)[place]


def _duplicates(documents: Sequence[Document[Definition]]) -> Iterable[Problem]:
    first: dict[str, Document[Definition]] = {}
    for document in documents:
        name = document.value.id
        before = first.setdefault(name, document)
        if before is not document:
            line, column = document.position(("id",))
            excerpt = f"{document.line(line)}\n{' ' * (column - 1)}{'^' * len(name)}"
            yield Problem(
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
