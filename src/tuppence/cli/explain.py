"""The command `tuppence explain`."""

from typing import Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuppence.bootstrap.address import open_any_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    Format,
    FormatOption,
    Purposes,
    RuleName,
    StoreOrAddress,
    console,
    current_date,
    print_json,
    table,
)
from tuppence.engine.clauses import Part
from tuppence.engine.explanation import Explanation, Selection, document
from tuppence.feel import feel_text
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.usecases.explain_result import explain_result

MAX_ROWS = 12
COLUMNS = ("booking date", "amount", "category", "merchant", "type", "text")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence explain C0000007 bank_fees --store demo`")
    def explain(
        customer: Customer,
        rule: RuleName,
        store: StoreOrAddress,
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Explain the result of a rule: its clauses, their values, and the transactions used."""
        name, as_of, checked, found = explain_result(
            open_any_store(store), customer, rule, frozenset(purposes), current_date()
        )
        if format_ is Format.JSON:
            print_json(document(name, as_of, found))
        else:
            _print(name, as_of, checked, found)


def _print(customer: str, as_of: Date, checked: CheckedRule, found: Explanation) -> None:
    out, rule, result = console(), checked.rule, found.result
    out.print(f"[bold]{rule.id}[/] for [bold]{escape(customer)}[/] on {as_of}", highlight=False)
    score = "" if result.score is None else f", score {result.score:f}"
    out.print(f"{escape(rule.title)}: [bold]{result.state}[/]{score}\n", highlight=False)
    out.print("[bold]when[/]")
    out.print(Padding(Text(rule.when.rstrip(), "cyan"), (0, 0, 0, 2)))
    out.print("\n[bold]clauses[/]")
    grid = Table.grid(padding=(0, 1, 0, 2))
    grid.add_column(min_width=10, justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for clause in found.clauses:
        value = feel_text(clause.value) if clause.reached else "not needed"
        grid.add_row(Text(_short(value), _style(clause)), Text(clause.text))
        for part in clause.parts:
            grid.add_row(Text(_short(feel_text(part.value)), "dim"), Text(part.text, "dim"))
    out.print(grid)
    if result.values:
        out.print("\n[bold]values[/]")
        for name, value in result.values.items():
            out.print(f"  {name} = {feel_text(value)}", highlight=False, markup=False)
    for problem in found.problems:
        out.print(f"\nunknown: {problem.message} ({problem.code})", highlight=False, markup=False)
    if found.features:
        out.print("\n[bold]gathered[/]")
        gathered = Table.grid(padding=(0, 1, 0, 2))
        gathered.add_column(min_width=10, justify="right", no_wrap=True)
        gathered.add_column(overflow="fold")
        for text, value in found.features:
            gathered.add_row(Text(_short(feel_text(value))), Text(text, "dim"))
        out.print(gathered)
    for selection in found.selections:
        out.print(f"\n[bold]{len(selection.rows)}[/] in ", end="", highlight=False)
        out.print(Text(selection.text, "cyan"))
        if selection.rows:
            out.print(_rows(selection))


def _style(clause: Part) -> str:
    if not clause.reached:
        return "dim"
    return {"true": "bold green", "false": "bold red"}.get(feel_text(clause.value), "bold yellow")


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"


def _rows(selection: Selection) -> Any:
    last = selection.rows[-MAX_ROWS:]
    cells = [["" if row[c] is None else str(row[c]) for c in COLUMNS] for row in last]
    if len(selection.rows) > len(last):
        cells.insert(0, [f"… {len(selection.rows) - len(last)} before", *[""] * 5])
    return table(COLUMNS, cells, ("amount",))
