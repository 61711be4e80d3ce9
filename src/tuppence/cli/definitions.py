"""The commands `tuppence definitions …`."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.database import open_definitions
from tuppence.cli.output import (
    Database,
    Format,
    FormatOption,
    RuleName,
    console,
    current_date,
    echo,
    only_identifiers,
    print_json,
    table,
    today,
)
from tuppence.errors import UserError
from tuppence.rules.definition import Definition, document_of
from tuppence.rules.files import read_rules, rule_paths, show
from tuppence.structured import read_yaml, to_yaml
from tuppence.usecases.check_rules import examiner

By = Annotated[str, typer.Option(help="A name to show beside the login; it is not verified.")]
Reason = Annotated[str, typer.Option(help="Reason, which is recorded.", show_default=False)]
Rules = Annotated[
    list[str],
    typer.Argument(
        help="Identifiers of rules.", show_default=False, callback=only_identifiers("rule")
    ),
]


class DefinitionState(StrEnum):
    """A state of a definition."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    RETIRED = "retired"


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(
        name="definitions", help="Manage the rules in a database.", no_args_is_help=True
    )

    @app.command(epilog="Example: `tuppence definitions put catalogue --reason 'first version'`")
    def put(
        path: Annotated[Path, typer.Argument(help="A rule file, or a folder of them.")],
        database: Database,
        reason: Reason,
        by: By = "",
    ) -> None:
        """Add a draft for each rule that differs from its newest version.

        All files must be free of errors, and warnings are shown; see tuppence rules check.
        """
        definitions = open_definitions(database)
        files = read_rules(path, definitions.schema(), examiner(current_date()))
        files.usable()
        for problem in files.problems:
            echo(show(problem) + "\n", err=True)
        given = [read_yaml(file, Definition).value for file in rule_paths(path)]
        changed = definitions.draft(given, by, reason)
        same = len(given) - len(changed)
        echo(f"{len(changed)} new drafts, {same} unchanged: {', '.join(changed) or 'none'}")

    @app.command(epilog="Example: `tuppence definitions get copy`")
    def get(
        folder: Annotated[Path, typer.Argument(help="An empty folder, or a new one.")],
        database: Database,
    ) -> None:
        """Write the newest version of every definition as a rule file."""
        if folder.exists() and any(folder.iterdir()):
            message = f"{folder}: the folder is not empty"
            raise UserError("definitions.folder", message, "name a new one")
        stored = open_definitions(database).latest()
        folder.mkdir(parents=True, exist_ok=True)
        for one in stored:
            text = to_yaml(document_of(one.definition))
            (folder / f"{one.rule_id}.yaml").write_text(text, "utf-8")
        echo(f"{len(stored)} rule files in {folder}")

    @app.command("list", epilog="Example: `tuppence definitions list`")
    def list_(database: Database, format_: FormatOption = Format.TABLE) -> None:
        """Show every definition: its state, and which version is in force."""
        stored = open_definitions(database).latest()
        day = today()
        rows = [
            {
                "rule_id": one.rule_id,
                "version": one.version,
                "state": one.state,
                "in_force": one.version_in_force,
                "status": one.status(day),
                "login": _identity(one.issuer, one.subject),
                "at": f"{one.at:%Y-%m-%d %H:%M}",
                "reason": one.reason,
            }
            for one in stored
        ]
        if format_ is Format.JSON:
            print_json(rows)
            return
        columns = ("rule", "version", "state", "in force", "status", "login", "at", "reason")
        cells = [["" if v is None else v for v in row.values()] for row in rows]
        console().print(table(columns, cells, ("version", "in force")))

    @app.command(epilog="Example: `tuppence definitions history bank_fees`")
    def history(
        rule: RuleName,
        database: Database,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show who did what to a definition, and why."""
        rows = [
            (
                *(v.version, v.state, v.digest, _identity(v.issuer, v.subject), v.author),
                *(f"{v.at:%Y-%m-%d %H:%M}", v.reason),
            )
            for v in open_definitions(database).history(rule)
        ]
        columns = ("version", "state", "digest", "login", "name", "at", "reason")
        if format_ is Format.JSON:
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            short = [(*row[:2], row[2][:12], *row[3:]) for row in rows]
            console().print(table(columns, short, columns[:1]))

    _register_steps(app)
    program.add_typer(app)


def _register_steps(app: typer.Typer) -> None:
    """Add the commands that move a definition to its next state."""

    @app.command(epilog="Example: `tuppence definitions review bank_fees`")
    def review(
        database: Database,
        rules: Annotated[
            list[str] | None,
            typer.Argument(help="Identifiers of rules; all in review if omitted."),
        ] = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show definitions that are in review, each with its version and digest.

        The last line is the command that approves exactly what was shown.
        """
        stored = {one.rule_id: one for one in open_definitions(database).latest()}
        shown = [
            one
            for one in stored.values()
            if one.state == DefinitionState.IN_REVIEW and (not rules or one.rule_id in rules)
        ]
        for rule in rules or ():
            if rule not in {one.rule_id for one in shown}:
                state = stored[rule].state if rule in stored else "not known"
                message = f"{rule[:64]} is {state}, not in review"
                raise UserError("definition.state", message, "tuppence definitions list")
        if format_ is Format.JSON:
            print_json(
                [
                    {**one.reviewed._asdict(), "editors": one.editors, "document": one.definition}
                    for one in shown
                ]
            )
            return
        for one in shown:
            echo(f"# {one.rule_id}: version {one.version}, changed by {', '.join(one.editors)}")
            echo(f"# digest {one.reviewed.digest}")
            echo(to_yaml(document_of(one.definition)))
        names = " ".join(str(one.reviewed) for one in shown)
        echo(f"tuppence definitions approve {names} --reason '…'" if shown else "none in review")

    @app.command(
        epilog="Example: `tuppence definitions approve bank_fees:2:9f86… --reason checked`"
    )
    def approve(
        reviewed: Annotated[
            list[str],
            typer.Argument(
                help="RULE:VERSION:DIGEST, as tuppence definitions review shows it.",
                show_default=False,
            ),
        ],
        database: Database,
        reason: Reason,
        by: By = "",
    ) -> None:
        """Approve versions that you have reviewed; all of them, or none.

        An approval is refused if the definition has changed since you read it, or if you have
        changed it since its last approval. An approved version is in force until it is retired or a
        newer version is approved.
        """
        wanted = [_reviewed(text) for text in reviewed]
        open_definitions(database).approve(wanted, by, reason)
        echo(f"{len(wanted)} now approved: {', '.join(one[0] for one in wanted)}")

    @app.command(
        epilog="Example: `tuppence definitions move bank_fees --to in_review --reason done`"
    )
    def move(
        rules: Rules,
        database: Database,
        to: Annotated[DefinitionState, typer.Option(help="The new state.")],
        reason: Reason,
        by: By = "",
    ) -> None:
        """Move definitions to another state; all of them, or none.

        They move from draft to in_review, back to draft, or to retired. Only tuppence definitions
        approve moves them from in_review to approved.
        """
        if to is DefinitionState.APPROVED:
            message = "an approval names the version and the digest that were read"
            raise UserError("definition.approve", message, "tuppence definitions review shows both")
        open_definitions(database).move(rules, to.value, by, reason)
        echo(f"{len(rules)} now {to.value}: {', '.join(rules)}")


def _identity(issuer: str, subject: str) -> str:
    """Return the login, or the person for whom a service acted."""
    return subject if issuer == "postgresql" else f"{subject} of {issuer}"


def _reviewed(text: str) -> tuple[str, int, str]:
    """Return the rule, the version and the digest that an argument names."""
    match = re.fullmatch("([a-z][a-z0-9_]{0,63}):([1-9][0-9]{0,8}):([0-9a-f]{64})", text)
    if match is None:
        message = f"{text[:140]!r} is not a version in the form RULE:VERSION:DIGEST"
        raise UserError("definition.approve", message, "tuppence definitions review shows both")
    return match[1], int(match[2]), match[3]
