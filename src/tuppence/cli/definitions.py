"""The command `tuppence definitions`."""

import getpass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tuppence.cli.output import (
    Database,
    Format,
    console,
    echo,
    only_identifiers,
    print_json,
    table,
    today,
)
from tuppence.errors import UserError
from tuppence.rules.definition import Definition, document_of
from tuppence.rules.files import read_rules, rule_paths
from tuppence.structured import read_yaml, to_yaml
from tuppence.wiring import open_definitions

By = Annotated[str, typer.Option(help="Who does it; your login name if left out.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.", show_default=False)]
Rules = Annotated[
    list[str],
    typer.Argument(
        help="Identifiers of rules.", show_default=False, callback=only_identifiers("rule")
    ),
]


class State(StrEnum):
    """Of a definition's version."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    RETIRED = "retired"


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(
        name="definitions", help="Look after the rules in a database.", no_args_is_help=True
    )

    @app.command(epilog="Example: `tuppence definitions put catalogue --reason 'first version'`")
    def put(
        path: Annotated[Path, typer.Argument(help="A rule file, or a folder of them.")],
        database: Database,
        reason: Reason,
        by: By = "",
    ) -> None:
        """Make a draft of each rule that differs from its newest version.

        All files must be right; see tuppence rules check.
        """
        definitions = open_definitions(database)
        read_rules(path, definitions.schema()).usable()
        given = [read_yaml(file, Definition).value for file in rule_paths(path)]
        changed = definitions.draft(given, by or getpass.getuser(), reason)
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
    def list_(
        database: Database, format_: Annotated[Format, typer.Option("--format")] = Format.TABLE
    ) -> None:
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
                "author": one.author,
                "at": f"{one.at:%Y-%m-%d %H:%M}",
                "reason": one.reason,
            }
            for one in stored
        ]
        if format_ is Format.JSON:
            print_json(rows)
            return
        columns = ("rule", "version", "state", "in force", "status", "author", "at", "reason")
        cells = [["" if v is None else v for v in row.values()] for row in rows]
        console().print(table(columns, cells, ("version", "in force")))

    @app.command(epilog="Example: `tuppence definitions history bank_fees`")
    def history(
        rule: Annotated[
            str,
            typer.Argument(
                help="Identifier of the rule.",
                show_default=False,
                callback=only_identifiers("rule"),
            ),
        ],
        database: Database,
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    ) -> None:
        """Show who did what to a definition, and why."""
        rows = [
            (v.version, v.state, v.author, f"{v.at:%Y-%m-%d %H:%M}", v.reason)
            for v in open_definitions(database).history(rule)
        ]
        columns = ("version", "state", "author", "at", "reason")
        if format_ is Format.JSON:
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            console().print(table(columns, rows, columns[:1]))

    @app.command(
        epilog="Example: `tuppence definitions move bank_fees --to approved --reason checked`"
    )
    def move(
        rules: Rules,
        database: Database,
        to: Annotated[State, typer.Option(help="The new state.")],
        reason: Reason,
        by: By = "",
    ) -> None:
        """Take definitions a step on in their life; all of them, or none.

        From draft to in_review, to approved by somebody else than who changed it last, to retired.
        An approved one is in force until it is retired or a newer version is approved.
        """
        open_definitions(database).move(rules, to.value, by or getpass.getuser(), reason)
        echo(f"{len(rules)} now {to.value}: {', '.join(rules)}")

    program.add_typer(app)
