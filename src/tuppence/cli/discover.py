"""The command `tuppence discover`."""

from pathlib import Path
from typing import Annotated

import typer

from tuppence.bootstrap.store import open_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Purposes,
    Store,
    console,
    current_date,
    date_option,
    table,
)
from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.check_rules import last_booking
from tuppence.usecases.discover import discover
from tuppence.usecases.drafts import draft_text


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        "discover",
        epilog="Example: `tuppence discover --store demo --rules catalogue --out drafts`",
    )
    def discover_(
        store: Store,
        out: Annotated[Path, typer.Option(help="A new folder, for a file each draft.")],
        rules: Annotated[
            Path | None, typer.Option(help="Rules that need no drafts any more.")
        ] = None,
        as_of: Annotated[
            str, typer.Option(help="The date of the evidence; the last booking if omitted.")
        ] = "",
        most: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of drafts.")] = 20,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Propose drafts of rules: measures that few people exceed, and segments that differ.

        Each draft is a file that `tuppence rules check` accepts, with its evidence in comments:
        thresholds with the number of customers above them. Edit what it says before you publish it.
        """
        if out.exists():
            message = f"{out}: this exists already"
            raise UserError("discover.out", message, "name a new folder, so that no draft is lost")
        held, today = open_store(store), current_date()
        given = frozenset(purposes)
        if as_of:
            date = date_option(as_of, "--as-of")
        else:
            use = Use(given, today.day, today.day)
            date = held.read_permitted(use, lambda facts: last_booking(facts, today))
        live = None if rules is None else make_ruleset(read_rules(rules, held.schema).usable())
        found = discover(held, Use(given, today.day, date.day), live, most)
        out.mkdir(parents=True)
        for draft in found.drafts:
            text = draft_text(draft, found.currency, date, store.name)
            (out / f"{draft.rule_id}.yaml").write_text(text, "utf-8")
        rows = [
            (draft.rule_id, f"{draft.threshold:,}", f"{100 * draft.above / draft.customers:.1f} %")
            for draft in found.drafts
        ]
        columns = ("draft", "more than", "of all")
        console().print(table(columns, rows, columns[1:]))
        console().print(
            f"{len(found.drafts)} drafts in {out}, from {found.customers:,} customers with "
            f"{found.currency} as of {date}; {found.left_out} more are covered by rules.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
