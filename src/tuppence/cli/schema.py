"""The command `tuppence schema`."""

from pathlib import Path
from typing import Annotated

import typer

from tuppence.cli.output import Format, FormatOption, console, print_json, table
from tuppence.facts.attributes import read_attributes
from tuppence.facts.schema import COLLECTIONS, Schema, collection_doc
from tuppence.feel.types import strip


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence schema --format json`")
    def schema(
        attributes: Annotated[
            Path | None, typer.Option(help="A file that declares more customer attributes.")
        ] = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show the fields that a rule may read, each with its type, unit and meaning."""
        known = read_attributes(attributes) if attributes else Schema()
        if format_ is Format.JSON:
            print_json(_document(known))
            return
        out = console()
        for name in ("customer", *COLLECTIONS):
            out.print(f"\n[bold]{name}[/]  {collection_doc(name)}")
            if name in {"payments", "receipts"}:
                out.print("  The same fields as transactions.")
                continue
            rows = [
                (
                    field.name,
                    str(strip(field.feel_type)) + (" or null" if field.nullable else ""),
                    field.doc + (f" In: {field.unit}." if field.unit else ""),
                )
                for field in known.fields(name)
            ]
            out.print(table(("field", "type", "meaning"), rows))


def _document(schema: Schema) -> dict[str, object]:
    return {
        name: {
            "meaning": collection_doc(name),
            "fields": [
                {
                    "name": field.name,
                    "type": str(strip(field.feel_type)),
                    "nullable": field.nullable,
                    "unit": field.unit,
                    "meaning": field.doc,
                    "personal": field.personal,
                }
                for field in schema.fields(name)
            ],
        }
        for name in ("customer", *COLLECTIONS)
    }
