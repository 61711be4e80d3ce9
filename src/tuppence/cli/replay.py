"""The commands `tuppence replay` and `tuppence compare`."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tuppence.bootstrap.store import StoreFolder, open_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Format,
    FormatOption,
    Purposes,
    Store,
    console,
    current_date,
    date_option,
    echo,
    print_json,
    progress,
    table,
    use_of,
)
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.compare_rulesets import (
    MAX_LISTED,
    RuleChange,
    RulesetComparison,
    compare_rulesets,
)
from tuppence.usecases.everybody import Everybody
from tuppence.usecases.ledger import RuleCount
from tuppence.usecases.replay_night import Replay, ReplayedRule, replay_night

_DIGEST: Final = re.compile(r"[0-9a-f]{16}")
_THREADS: Final = os.cpu_count() or 1


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog="Example: `tuppence replay 2026-06-30 --store demo`")
    def replay(
        night: Annotated[
            str,
            typer.Argument(
                help="The day of the night, or the name of its run.", show_default=False
            ),
        ],
        store: Store,
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Evaluate a past night again, and compare it with what it counted; nothing is stored.

        The rules are those that ran then, and nothing booked after that day counts. What was
        imported, erased or withdrawn since then can make a difference, and the command says whether
        there was any. If there was none, a difference is an error.
        """
        held = open_store(store)
        with progress() as bar:
            task = bar.add_task("customers", total=None, unit="customers")
            found = replay_night(
                held,
                night,
                frozenset(purposes),
                current_date(),
                _THREADS,
                lambda count: bar.advance(task, count),
            )
        if format_ is Format.JSON:
            print_json(_document(found))
        else:
            _print_replay(found)
        if found.differs and found.same_facts:
            message = (
                f"the night {found.run.run_id} cannot be replayed: its facts give other results"
            )
            hint = "tuppence store check looks for damage; if it finds none, report this"
            raise UserError("replay.differs", message, hint)

    @app.command(epilog="Example: `tuppence compare catalogue my-rules --store demo`")
    def compare(
        before: Annotated[
            str,
            typer.Argument(
                help="Rules: a file, a folder, or the digest of a ruleset that has run.",
                show_default=False,
            ),
        ],
        after: Annotated[str, typer.Argument(help="Other rules.", show_default=False)],
        store: Store,
        as_of: Annotated[
            str,
            typer.Option(
                help="The date that rules take for today; that of the last run if omitted."
            ),
        ] = "",
        limit: Annotated[
            int, typer.Option(min=0, max=1_000_000, help="Maximum number of customers to list.")
        ] = MAX_LISTED,
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Compare two rulesets over one night, rule by rule and customer by customer.

        Nothing is stored, and neither need have run.
        """
        held = open_store(store)
        rules = [_rules(held, one) for one in (before, after)]
        date = date_option(as_of, "--as-of") if as_of else _last_day(held)
        with progress() as bar:
            task = bar.add_task("customers", total=None, unit="customers")
            advance: Callable[[int], None] = lambda count: bar.advance(task, count)
            found = held.read_permitted(
                use_of(date, purposes),
                lambda facts: compare_rulesets(
                    Everybody(facts, date, _THREADS), rules[0], rules[1], limit, advance
                ),
            )
        if format_ is Format.JSON:
            digests = {"before": rules[0].digest, "after": rules[1].digest}
            print_json({"as_of": str(date), **digests, **_plain(found)})
        else:
            _print_comparison(found, date)


def _rules(store: StoreFolder, where: str) -> Ruleset:
    """Return the rules in files, or a ruleset that has run."""
    is_kept = _DIGEST.fullmatch(where) is not None and where in store.rulesets.digests()
    if not is_kept:
        return make_ruleset(read_rules(Path(where), store.schema).usable())
    if Path(where).exists():
        message = f"{where} is a file and a ruleset that has run"
        raise UserError("compare.ambiguous", message, f"write ./{where} for the file, or move it")
    return store.ruleset(where)


def _last_day(store: StoreFolder) -> Date:
    latest = store.latest_run()
    if latest is None:
        message = f"{store}: there is no run here to take the date from"
        raise UserError("preview.date", message, "give it with --as-of")
    return Date(latest.as_of)


def _plain(found: Any) -> Any:
    """Return named tuples and counts as documents, so that JSON has their names."""
    if isinstance(found, RuleCount):
        return {"qualified": found.qualified, "unknown": found.unknown}
    if isinstance(found, tuple) and hasattr(found, "_asdict"):
        return {name: _plain(value) for name, value in found._asdict().items()}
    if isinstance(found, tuple):
        return [_plain(one) for one in found]
    return found


def _document(found: Replay) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "as_of": str(Date(found.run.as_of)),
        "ruleset": found.run.ruleset,
        "customers": {"then": found.customers_then, "now": found.customers},
        "same_facts": found.same_facts,
        "differs": found.differs,
        "rules": _plain(found.rules),
    }


def _print_replay(found: Replay) -> None:
    run = found.run
    echo(f"run {run.run_id} of {Date(run.as_of)}, ruleset {run.ruleset}")
    echo(f"customers: {found.customers_then:,} then, {found.customers:,} now")
    if not found.same_facts:
        echo("facts or consents have changed since then")
    different = [one for one in found.rules if one.differs]
    if any(one.then is None for one in found.rules):
        echo("the night did not count single rules: only what is stored is compared")
    if different:
        columns = (
            "rule",
            "qualified then",
            "now",
            "unknown then",
            "now ",
            "stored results that differ",
        )
        console().print(table(columns, map(_replayed, different), columns[1:]))
    same = len(found.rules) - len(different)
    echo(f"{same} of {len(found.rules)} rules found what they found then")


def _replayed(one: ReplayedRule) -> tuple[str, ...]:
    stored = "not known" if one.stored is None else f"{one.stored:,}"
    then = _counts(one.then)
    return one.rule_id, then[0], f"{one.now.qualified:,}", then[1], f"{one.now.unknown:,}", stored


def _counts(counts: RuleCount | None, missing: str = "not known") -> tuple[str, str]:
    if counts is None:
        return missing, missing
    return f"{counts.qualified:,}", f"{counts.unknown:,}"


def _print_comparison(found: RulesetComparison, date: Date) -> None:
    echo(f"{found.customers:,} customers on {date}")
    changed = [one for one in found.rules if one.change is not RuleChange.SAME]
    if changed:
        columns = ("rule", "", "before", "after", "stay", "come", "go", "unknown before", "after ")
        rows = []
        for one in changed:
            before, after = _counts(one.before, "–"), _counts(one.after, "–")
            moves = (f"{one.stay:,}", f"{one.come:,}", f"{one.go:,}")
            rows.append((one.rule_id, one.change, before[0], after[0], *moves, before[1], after[1]))
        console().print(table(columns, rows, columns[2:]))
    echo(f"{len(found.rules) - len(changed)} of {len(found.rules)} rules are the same in both")
    echo(f"{found.different:,} customers have other results")
    if found.results:
        states = [
            (one.customer, one.rule_id, one.before or "–", one.after or "–")
            for one in found.results
        ]
        console().print(table(("customer", "rule", "before", "after"), states))
    listed = len({one.customer for one in found.results})
    if found.different > listed:
        echo(f"and {found.different - listed:,} more customers: --limit lists them")
