"""The command `tuppence results`."""

import contextlib
import csv
import io
import itertools
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tuppence.bootstrap.address import is_address, store_at
from tuppence.bootstrap.store import open_store
from tuppence.cli.output import StoreOrAddress, console, make_private, only_identifiers, table
from tuppence.errors import UserError
from tuppence.feel import evaluate, feel_literal
from tuppence.feel.values import Date
from tuppence.plain_text import printable, printable_json, spreadsheet_safe
from tuppence.results.result import CustomerResults, Result, json_value
from tuppence.usecases.list_results import list_results

COLUMNS = ("customer_id", "rule_id", "state", "score", "values", "since", "ruleset", "as_of")


class ResultFormat(StrEnum):
    """A format of results."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog="Example: `tuppence results --store demo --rule bank_fees --format csv > fees.csv`"
    )
    def results(
        store: StoreOrAddress,
        format_: Annotated[
            ResultFormat, typer.Option("--format", help="Print a table, or the rows for programs.")
        ] = ResultFormat.TABLE,
        customer: Annotated[
            str | None,
            typer.Option(
                help="Only results of this customer.", callback=only_identifiers("customer")
            ),
        ] = None,
        rule: Annotated[
            str | None,
            typer.Option(help="Only results of this rule.", callback=only_identifiers("rule")),
        ] = None,
        limit: Annotated[
            int | None,
            typer.Option(min=1, help="Maximum number of results; 50 in tables if omitted."),
        ] = None,
        output: Annotated[
            Path | None, typer.Option(help="Write to a file; required for parquet.")
        ] = None,
    ) -> None:
        """List results: one for each customer and rule."""
        if format_ is ResultFormat.PARQUET and output is None:
            message = "parquet is not for the screen"
            raise UserError("results.output", message, "add --output results.parquet")
        opened = store_at(store) if is_address(store) else open_store(Path(store))
        rows = list_results(opened, customer, rule)
        with contextlib.closing(rows):
            first = next(rows)  # raises before a file is created if there are no results
            most = limit or (50 if format_ is ResultFormat.TABLE else None)
            chosen = itertools.islice(itertools.chain([first], rows), most)
            _write((_row(*pair) for pair in chosen), format_, output)


def _row(row: CustomerResults, result: Result) -> tuple[Any, ...]:
    return (
        row.customer_id,
        result.rule_id,
        str(result.state),
        result.score,
        feel_literal(result.values) if result.values else "",
        str(Date(result.since)),
        row.ruleset,
        str(Date(row.as_of)),
    )


def _write(rows: Iterator[tuple[Any, ...]], format_: ResultFormat, output: Path | None) -> None:
    if output is not None:
        make_private(output)
    match format_:
        case ResultFormat.PARQUET:
            import polars as pl  # noqa: PLC0415 - only this format needs it

            kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pl.String) | {"score": pl.Decimal(7, 4)}
            pl.DataFrame(list(rows), schema=kinds, orient="row").write_parquet(output or Path())
        case ResultFormat.TABLE:
            _print(console(), list(rows), output)
        case _:
            lines = _csv(rows) if format_ is ResultFormat.CSV else _json(rows)
            if output:
                with output.open("w", encoding="utf-8") as file:
                    file.writelines(lines)
            else:
                sys.stdout.writelines(lines)


def _print(out: Any, rows: list[tuple[Any, ...]], output: Path | None) -> None:
    cells = [["" if cell is None else cell for cell in row[:5]] for row in rows]
    made = table(COLUMNS[:5], cells, ("score",))
    origins = sorted({(row[6], row[7]) for row in rows})
    with contextlib.ExitStack() as stack:
        if output is not None:
            out.file = stack.enter_context(output.open("w", encoding="utf-8"))
        out.print(made)
        for ruleset, as_of in origins:
            out.print(f"ruleset {ruleset}, as of {as_of}", highlight=False)


def _csv(rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(_cell(value) for value in row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    """Return a cell that is harmless in a terminal and in a spreadsheet."""
    return spreadsheet_safe(printable(value, keep="")) if isinstance(value, str) else value


def _json(rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """Yield one JSON object a line; dates and durations in its values are texts."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    for row in rows:
        named = dict(zip(COLUMNS, row, strict=True))
        values = evaluate(row[4]) if row[4] else {}
        encoded = encoder.encode(named | {"values": json_value(values)})
        yield printable_json(encoded.decode()) + "\n"
