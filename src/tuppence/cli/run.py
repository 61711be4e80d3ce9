"""The command `tuppence run`."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuppence.bootstrap.address import is_address, night_at_address, store_at
from tuppence.bootstrap.nights import night_dependencies
from tuppence.bootstrap.store import StoreFolder
from tuppence.cli.changing import hold
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Format,
    FormatOption,
    Purposes,
    StoreOrAddress,
    console,
    current_date,
    current_time,
    date_option,
    echo,
    print_json,
    progress,
    table,
    use_of,
)
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.rules.files import read_rules, show
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.check_rules import examiner, last_booking
from tuppence.usecases.ledger import RunRecord, Tally
from tuppence.usecases.part_night import run_by_parts
from tuppence.usecases.run import RunOutcome
from tuppence.usecases.run_night import rules_left_out, run_night
from tuppence.usecases.take_census import renew_census

if TYPE_CHECKING:
    from tuppence.bootstrap.address import StoreAddress

MAX_PROBLEMS = 10
MAX_REMOVED = 8
MAX_AGE_DAYS = 5
"""Days since the newest transaction from which a run says that the facts are old."""
SILENT = frozenset({"rule.word", "rule.validity"})
"""Findings about rules that find nobody, which a run would not show by itself."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence run --store demo --rules catalogue --as-of 2026-06-30`")
    def run(
        ctx: typer.Context,
        store: StoreOrAddress,
        rules: Annotated[Path, typer.Option(help="A rule file, or a folder of them.")],
        as_of: Annotated[
            str, typer.Option(help="The date that rules take for today; today if omitted.")
        ] = "",
        processes: Annotated[
            int,
            typer.Option(
                min=1,
                max=256,
                help="Number of threads, and of processes that evaluate rules which do not fit "
                "columns, if many customers have them.",
            ),
        ] = os.cpu_count() or 1,
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
        yes: Annotated[
            bool, typer.Option("--yes", help="Remove insights of other rules without asking.")
        ] = False,
        on: Annotated[
            str,
            typer.Option(
                help="The cluster that does the work: dask://host:port. "
                "The store must be at an address that its workers reach."
            ),
        ] = "",
        results: Annotated[
            str,
            typer.Option(
                help="With a store at an address: what gets the results that are new, too: "
                "dynamodb://table, or a database, postgresql://…."
            ),
        ] = "",
    ) -> None:
        """Evaluate every rule for every customer, and store the results.

        The results replace those of the last run. If that had rules which are not given now, the
        command says so first, and asks if it runs in a terminal.

        After an interruption the same command resumes the run. If facts were imported since then,
        it begins a new run over the new facts, and says so.
        """
        date = date_option(as_of, "--as-of") if as_of else current_date()
        use = use_of(date, purposes)
        opened = store_at(store) if is_address(store) else hold(ctx, Path(store))
        if on and isinstance(opened, StoreFolder):
            message = f"{store}: the workers of a cluster cannot share this folder"
            hint = f"tuppence load --store {store} --to s3://BUCKET/STORE puts it where they can"
            raise UserError("run.folder", message, hint)
        if results and isinstance(opened, StoreFolder):
            message = f"{store}: the results of this folder stay in it"
            raise UserError("run.folder", message, "--results is for stores at addresses")
        facts = opened.facts()
        if not facts.partitions():
            raise UserError("run.empty", f"{store}: there are no customers in this store")
        if not as_of:
            _tell_old(opened.read_permitted(use, lambda kept: last_booking(kept, date)), date)
        files = read_rules(rules, facts.schema, examiner(current_date(), opened, use))
        ruleset = make_ruleset(files.usable())
        for problem in files.problems:
            if problem.code in SILENT:
                echo(show(problem) + "\n", err=True)
        _tell_removed(opened, ruleset, yes=yes)
        before = opened.latest_run()
        began = time.monotonic()
        with progress() as bar:

            def begin_census(people: int) -> Callable[[int], None]:
                compared = bar.add_task("census of customers", total=people, unit="customers")
                return lambda count: bar.advance(compared, count)

            try:
                renew_census(opened, ruleset, use, processes, begin_census)
                task = bar.add_task(
                    "customers",
                    total=sum(count for _, count in facts.partitions()),
                    unit="evaluations",
                    per_step=len(ruleset.rules),
                )

                def advance(tally: Tally) -> None:
                    bar.advance(task, tally.customers)

                if isinstance(opened, StoreFolder):
                    night = night_dependencies(opened, use)
                    outcome = run_night(night, ruleset, date, processes, advance, current_time)
                else:
                    opened.rulesets.put(ruleset)
                    parts = night_at_address(opened, use, on, processes, results)
                    outcome = run_by_parts(parts, ruleset, date, advance, current_time)
            except KeyboardInterrupt:
                bar.stop()
                hint = "the same command continues where it stopped"
                raise UserError("run.interrupted", "interrupted", hint, exit_status=130) from None
        seconds = time.monotonic() - began
        _tell_given_up(before, outcome)
        if format_ is Format.JSON:
            print_json(_document(outcome, ruleset, str(date)))
            return
        _print_summary(outcome, ruleset, str(date), seconds)


def _tell_old(last: Date, today: Date) -> None:
    """Say that the facts end long before the day that rules take for today."""
    if today.day - last.day > MAX_AGE_DAYS:
        echo(
            f"The newest transaction is of {last}, and rules take {today} for today: "
            f"--as-of {last} takes that day",
            err=True,
        )


def _tell_given_up(before: RunRecord | None, outcome: RunOutcome) -> None:
    """Say that another run, which was not finished, was given up for this one."""
    if before is not None and not before.finished and before.run_id != outcome.run_id:
        echo(
            f"The run before, {before.run_id} as of {Date(before.as_of)}, was not finished. It was "
            "given up, since facts, rules or the date have changed since it began.",
            err=True,
        )


def _tell_removed(held: "StoreFolder | StoreAddress", ruleset: Ruleset, *, yes: bool) -> None:
    """Say which rules' results the run removes, and ask in a terminal whether that is meant.

    Raises:
        UserError: The answer is no.
    """
    latest = held.latest_run()
    if latest is None:
        return
    try:
        removed = rules_left_out(held.rulesets.get(latest.ruleset), ruleset)
    except UserError as error:  # no reason not to run
        echo(
            "This run removes the results of rules that are not in --rules, if the last run had "
            f"any; which ones is not known: {error.message}",
            err=True,
        )
        return
    if not removed:
        return
    shown = ", ".join(removed[:MAX_REMOVED])
    more = len(removed) - MAX_REMOVED
    shown += f" and {more} more" if more > 0 else ""
    one = len(removed) == 1
    echo(
        f"This run removes the results of {'a rule' if one else f'{len(removed)} rules'} of the "
        f"last run that {'is' if one else 'are'} not in --rules: {shown}",
        err=True,
    )
    if not yes and sys.stdin.isatty() and not typer.confirm("Go on?", err=True):
        hint = "give the folder of all rules as --rules"
        raise UserError("run.declined", "nothing was changed", hint)


def _document(outcome: RunOutcome, ruleset: Ruleset, as_of: str) -> dict[str, object]:
    return {
        "run_id": outcome.run_id,
        "ruleset": ruleset.digest,
        "as_of": as_of,
        "rules": len(ruleset.rules),
        "already_finished": outcome.already_finished,
        "resumed_items": outcome.resumed,
        **{name: getattr(outcome.tally, name) for name in Tally.__struct_fields__},
    }


def _print_summary(outcome: RunOutcome, ruleset: Ruleset, as_of: str, seconds: float) -> None:
    out, tally = console(), outcome.tally
    count = len(ruleset.rules)
    title = f"Run {outcome.run_id}: {count} rule{'' if count == 1 else 's'} as of {as_of}"
    out.print(f"[bold]{title}[/]", highlight=False)
    if outcome.already_finished:
        out.print("This run was already finished, so nothing was changed.", highlight=False)
    elif outcome.resumed:
        message = f"Continued where it stopped: {outcome.resumed} parts were already done."
        out.print(message, highlight=False)
    rows = [
        ("customers", f"{tally.customers:,}"),
        ("evaluations", f"{tally.evaluations:,}"),
        ("qualified", f"{tally.qualified:,}"),
        ("unknown", f"{tally.unknown:,}"),
        ("changed", f"{0 if outcome.already_finished else tally.changed:,}"),
    ]
    if not outcome.already_finished and not outcome.resumed:
        rows.append(("evaluations/s", f"{tally.evaluations / seconds:,.0f}"))
        rows.append(("seconds", f"{seconds:.1f}"))
    out.print(table(("", "count"), rows, ("count",)))
    if tally.problems:
        out.print("Why results, scores or values are unknown:", highlight=False)
        shown = [
            (p.rule_id, p.place, f"{p.count:,}", f"{p.message} ({p.code})")
            for p in tally.problems[:MAX_PROBLEMS]
        ]
        out.print(table(("rule", "in", "customers", "reason"), shown, ("customers",)))
        if len(tally.problems) > MAX_PROBLEMS:
            out.print(f"and {len(tally.problems) - MAX_PROBLEMS} more reasons: --format json")
