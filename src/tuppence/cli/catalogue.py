"""The command `tuppence catalogue`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tuppence.cli.output import Format, FormatOption, console, echo, print_json, table
from tuppence.engine.rule_tests import sample
from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule
from tuppence.rules.files import read_rules

COLUMNS = ("rule", "kind", "communication", "title", "shown", "hidden", "history")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence catalogue catalogue --format json`")
    def catalogue(
        path: Annotated[Path, typer.Argument(help="A rule file, or a folder of them.")],
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """List insights with their kind, title, days shown, days hidden, and days of history.

        An insight is shown for some days, then hidden for some, and needs some days of
        transactions. As JSON, each has the message for its first test customer who qualifies.
        """
        schema = Schema()
        rules = read_rules(path, schema).usable()
        if format_ is Format.JSON:
            print_json([_document(checked, schema) for checked in rules])
            return
        rows = [
            (
                rule.id,
                rule.kind,
                rule.communication,
                rule.title,
                rule.expires_after_days,
                rule.cooldown_days,
                rule.minimum_history_days,
            )
            for rule in (checked.rule for checked in rules)
        ]
        console().print(table(COLUMNS, rows, COLUMNS[4:]))
        echo(f"{len(rows)} insights")


def _document(checked: CheckedRule, schema: Schema) -> dict[str, Any]:
    rule, message = checked.rule, sample(checked, schema)
    return {
        "id": rule.id,
        "kind": rule.kind,
        "communication": rule.communication,
        "topic": rule.topic,
        "title": rule.title,
        "description": rule.description,
        "expires_after_days": rule.expires_after_days,
        "cooldown_days": rule.cooldown_days,
        "minimum_history_days": rule.minimum_history_days,
        "example": None if message is None else asdict(message),
    }
