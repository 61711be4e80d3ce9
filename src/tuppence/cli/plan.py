"""The command `tuppence plan`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tuppence.bootstrap.store import open_store
from tuppence.cli.output import Format, FormatOption, console, date_option, print_json, table
from tuppence.facts.schema import Schema
from tuppence.plan.columns import ColumnPlan
from tuppence.plan.description import cost, feature_text, pass_summaries
from tuppence.plan.model import model_of
from tuppence.plan.passes import column_plan
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence plan catalogue --explain`")
    def plan(
        path: Annotated[Path, typer.Argument(help="A rule file, or a folder of them.")],
        as_of: Annotated[str, typer.Option(help="The date that rules take for today.")] = (
            "2026-06-30"
        ),
        store: Annotated[
            Path | None, typer.Option(help="Use the attributes of this store.")
        ] = None,
        explain: Annotated[
            bool, typer.Option("--explain", help="Also show the passes and every feature.")
        ] = False,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show whether rules are evaluated in columns or one by one, and the cost of each.

        Rules that fit columns cost about a microsecond a customer, others about a thousand. Rules
        that do not fit are listed with the reason.
        """
        schema = Schema() if store is None else open_store(store).schema
        ruleset = make_ruleset(read_rules(path, schema).usable())
        date = date_option(as_of, "--as-of")
        found = column_plan(ruleset.rules, model_of(schema, date), date)
        if format_ is Format.JSON:
            print_json(_document(ruleset, found))
            return
        _print(found, explain=explain)


def _print(plan: ColumnPlan, *, explain: bool) -> None:
    out = console()
    if explain:
        out.print(table(("pass", "outcome"), pass_summaries(plan)))
        users = [sum(f in rule.features for rule in plan.rules) for f in range(len(plan.features))]
        described = [
            feature_text(part, feature) for part in plan.tables for feature in part.features
        ]
        features = [(i, described[i], users[i]) for i in range(len(described)) if users[i]]
        out.print(table(("#", "feature", "rules"), features, ("#", "rules")))
    rules = [
        (
            rule.rule_id,
            "columns"
            if rule.whole
            else "columns, then one by one"
            if rule.planned
            else "one by one",
            len(rule.features) or "",
            rule.instructions or "",
            f"{cost(plan, rule):,.2f}",
        )
        for rule in plan.rules
    ]
    columns = ("rule", "evaluated in", "features", "instructions", "µs a customer")
    out.print(table(columns, rows=rules, numbers=columns[2:]))
    whole = sum(rule.whole for rule in plan.rules)
    out.print(f"{whole} of {len(plan.rules)} rules are all columns.", highlight=False)
    for rule in plan.rules:
        for refusal in rule.refusals:
            text = f"{rule.rule_id}, {refusal.place}: {refusal.reason}"
            out.print(text, markup=False, highlight=False, soft_wrap=True)


def _document(ruleset: Ruleset, plan: ColumnPlan) -> dict[str, Any]:
    return {
        "ruleset": ruleset.digest,
        "as_of": str(plan.as_of),
        "features": [
            feature_text(part, feature) for part in plan.tables for feature in part.features
        ],
        "rules": [
            {
                "id": rule.rule_id,
                "columns": rule.whole,
                "features": list(rule.features),
                "instructions": rule.instructions,
                "microseconds": round(cost(plan, rule), 3),
                "refusals": [
                    {"place": r.place, "reason": r.reason, "span": list(r.span)}
                    for r in rule.refusals
                ],
            }
            for rule in plan.rules
        ],
    }
