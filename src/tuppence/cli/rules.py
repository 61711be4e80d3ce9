"""The commands `tuppence rules …`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.address import open_any_store
from tuppence.bootstrap.store import open_store
from tuppence.cli import publish
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Format,
    FormatOption,
    Purposes,
    StoreOrAddress,
    console,
    current_date,
    date_option,
    echo,
    print_json,
    table,
    use_of,
)
from tuppence.cli.preview import draw
from tuppence.engine.rule_tests import Verdict, try_examples
from tuppence.errors import UserError
from tuppence.facts.attributes import read_attributes
from tuppence.facts.schema import Schema
from tuppence.feed.policy import policy_schema, read_policy
from tuppence.feel.values import Date
from tuppence.rules.definition import json_schema
from tuppence.rules.definition_checking import Examine
from tuppence.rules.files import RuleProblem, read_rules, show
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.check_rules import examiner, last_booking, reach
from tuppence.usecases.preview_rule import preview_rule
from tuppence.usecases.team_policy import team_schema

RulesPath = Annotated[Path, typer.Argument(help="A rule file, or a folder of them.")]
Attributes = Annotated[
    Path | None, typer.Option(help="A file that declares more customer attributes.")
]
StoreOption = Annotated[Path | None, typer.Option(help="Use the attributes of this store.")]


def register(program: typer.Typer) -> None:  # noqa: PLR0915 - a command after another
    """Add the group of commands."""
    app = typer.Typer(name="rules", help="Check, try out and publish rules.", no_args_is_help=True)

    @app.command(epilog="Example: `tuppence rules check catalogue`")
    def check(
        path: RulesPath,
        attributes: Attributes = None,
        store: StoreOption = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """List all errors in rule files, each with its place and what to do.

        Warnings name words that nobody can have, such as a misspelt category, and approvals and
        validity that have passed. With a store, its own words are known, and a warning names the
        condition that nobody in it fulfils.

        The JSON is made for editors: its ranges are those of the Language Server Protocol, counted
        from 0.
        """
        files = read_rules(path, _schema(attributes, store), _examine(store))
        if format_ is Format.JSON:
            print_json([_for_editors(problem) for problem in files.problems])
            raise typer.Exit(any(not problem.warning for problem in files.problems))
        for problem in files.problems:
            echo(show(problem) + "\n")
        warnings = sum(problem.warning for problem in files.problems)
        errors = len(files.problems) - warnings
        summary = f"{_count(len(files.rules), 'rule')}, {_count(errors, 'error')}, "
        echo(summary + _count(warnings, "warning"))
        if errors:
            raise typer.Exit(1)

    @app.command(epilog="Example: `tuppence rules test catalogue/energy_costs.yaml`")
    def test(
        path: RulesPath,
        attributes: Attributes = None,
        store: StoreOption = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Evaluate the test customers inside rule files."""
        schema = _schema(attributes, store)
        rules = read_rules(path, schema).usable()
        verdicts = [verdict for rule in rules for verdict in try_examples(rule, schema)]
        if not verdicts:
            raise UserError("rules.no-tests", f"{path}: none of the rules has a test")
        failed = [verdict for verdict in verdicts if verdict.failures]
        if format_ is Format.JSON:
            print_json([_document(verdict) for verdict in verdicts])
        else:
            for verdict in failed:
                echo(f"{verdict.rule_id}: {verdict.name}")
                echo("".join(f"    {line}\n" for line in verdict.failures))
            counts: dict[str, list[int]] = {}
            for verdict in verdicts:
                row = counts.setdefault(verdict.rule_id, [0, 0])
                row[bool(verdict.failures)] += 1
            rows = [(rule, *count) for rule, count in counts.items()]
            columns = ("rule", "passed", "failed")
            console().print(table(columns, rows, columns[1:]))
            passed = len(verdicts) - len(failed)
            echo(f"{_count(passed, 'test customer')} as expected, {len(failed)} not")
        if failed:
            raise typer.Exit(1)

    @app.command(
        epilog="Example: `tuppence rules preview catalogue/energy_costs.yaml --store demo`"
    )
    def preview(
        path: Annotated[Path, typer.Argument(help="The file of one rule.")],
        store: StoreOrAddress,
        live: Annotated[
            Path | None, typer.Option(help="The live rules; those of the last run if omitted.")
        ] = None,
        as_of: Annotated[
            str,
            typer.Option(
                help="The date that rules take for today; that of the last run if omitted."
            ),
        ] = "",
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show how many customers a rule would find, their scores, and overlaps with others."""
        opened = open_any_store(store)
        schema = opened.schema
        rules = read_rules(path, schema).usable()
        if len(rules) != 1:
            raise UserError("rules.one", f"{path}: one rule is previewed at a time")
        found, date = preview_rule(
            opened,
            rules[0],
            None if live is None else make_ruleset(read_rules(live, schema).usable()),
            date_option(as_of, "--as-of") if as_of else None,
            frozenset(purposes),
            current_date(),
            os.cpu_count() or 1,
        )
        if format_ is Format.JSON:
            print_json(found)
        else:
            draw(found, rules[0].rule, date)

    publish.register(app)

    @app.command(epilog="Example: `tuppence rules schema > rule.schema.json`")
    def schema(
        policy: Annotated[
            bool, typer.Option("--policy", help="That of the policy of a feed instead.")
        ] = False,
        team: Annotated[
            bool, typer.Option("--team", help="That of the file of a console's team instead.")
        ] = False,
    ) -> None:
        """Print the JSON Schema of a rule file, for editors."""
        if policy and team:
            raise typer.BadParameter("choose one of --policy and --team")
        print_json(policy_schema() if policy else team_schema() if team else json_schema())

    @app.command(epilog="Example: `tuppence rules policy feed.yaml`")
    def policy(
        path: Annotated[Path, typer.Argument(help="The file.", show_default=False)],
        attributes: Attributes = None,
        store: StoreOption = None,
    ) -> None:
        """Check the policy of a feed, and print it with all that the file leaves out."""
        found = read_policy(path, _schema(attributes, store))
        print_json({name: getattr(found, name) for name in found.__struct_fields__})

    program.add_typer(app)


def _schema(attributes: Path | None, store: Path | None) -> Schema:
    if store is not None:
        return open_store(store).schema
    return read_attributes(attributes) if attributes else Schema()


def _examine(store: Path | None) -> Examine:
    """Return a check of rules as of the day of the last run, or of the last booking."""
    today = current_date()
    if store is None:
        return examiner(today)
    held = open_store(store)
    latest, use = held.latest_run(), use_of(today, DEFAULT_PURPOSES)
    if latest is None:
        day = held.read_permitted(use, lambda facts: last_booking(facts, today))
    else:
        day = Date(latest.as_of)
    use = use_of(day, DEFAULT_PURPOSES)
    return reach(held, use, examiner(today, held, use))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _for_editors(problem: RuleProblem) -> dict[str, object]:
    ends = ((problem.line, problem.column), problem.end)
    start, end = ({"line": max(n - 1, 0), "character": max(c - 1, 0)} for n, c in ends)
    return {
        "file": str(problem.path),
        "range": {"start": start, "end": end},
        "severity": 2 if problem.warning else 1,
        "code": problem.code,
        "source": "tuppence",
        "message": problem.message,
        "hint": problem.hint,
    }


def _document(verdict: Verdict) -> dict[str, object]:
    return {
        "rule": verdict.rule_id,
        "test": verdict.name,
        "passed": not verdict.failures,
        "failures": list(verdict.failures),
    }
