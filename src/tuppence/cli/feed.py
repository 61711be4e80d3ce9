"""The command `tuppence feed`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuppence.bootstrap.local import (
    consents_of,
    kept_ruleset,
    name_in,
    open_results,
    read_facts,
)
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    Format,
    Purposes,
    Store,
    console,
    error_console,
    print_json,
    use_of,
)
from tuppence.derived.context import customer_context
from tuppence.errors import UserError
from tuppence.facts.consent import Consent, readable
from tuppence.feed import rank, variant_index
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults, Result
from tuppence.rules.message import MessageError, Rendered, render


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence feed C0000007 --store demo`")
    def feed(
        customer: Customer,
        store: Store,
        limit: Annotated[int, typer.Option(min=1, max=100)] = 5,
        locale: Annotated[str, typer.Option(help="How money and dates are written.")] = "en_GB",
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show a customer's insights as the customer sees them, the most relevant first."""
        customer = name_in(store, customer)
        facts = read_facts(store, lambda facts: facts.find(customer))
        row, as_of = customer_row(store, customer)
        consents = consents_of(store).of(customer)
        if consents and not readable(consents, use_of(as_of, purposes)):
            as_of, why = _frozen(consents, Date(row.as_of), as_of)
            error_console().print(why, markup=False, soft_wrap=True)
        ruleset = kept_ruleset(store, row.ruleset)
        rules = {checked.rule.id: checked.rule for checked in ruleset.rules}
        currency = customer_context(facts, 0, as_of)["customer"]["currency"]
        entries: list[tuple[Result, Rendered]] = []
        for result in rank(row.results, rules, as_of.day, limit):
            try:
                rule = rules[result.rule_id]
                index = variant_index(rule, result.since, as_of.day)
                message = render(rule, result.values, currency, locale, index)
                entries.append((result, message))
            except MessageError as error:  # one gap must not cost the customer the other insights
                error_console().print(f"left out: {error.message}", markup=False, soft_wrap=True)
        if format_ is Format.JSON:
            print_json(
                [
                    {
                        "rule_id": result.rule_id,
                        "kind": rules[result.rule_id].kind,
                        "score": result.score,
                        "title": message.title,
                        "body": message.body,
                        "since": str(Date(result.since)),
                    }
                    for result, message in entries
                ]
            )
            return
        out = console()
        out.print(f"[bold]{escape(customer)}[/] on {as_of}", highlight=False)
        if not entries:
            out.print("Nothing to show today.")
        for result, message in entries:
            score = "–" if result.score is None else f"{result.score:.0f}"
            out.print(Text.assemble((f"\n{score:>3}  ", "cyan"), (message.title, "bold")))
            out.print(Padding(Text(message.body), (0, 0, 0, 5)))
            out.print(Padding(Text(result.rule_id, "dim"), (0, 0, 0, 5)))


def _frozen(consents: Sequence[Consent], evaluated: Date, as_of: Date) -> tuple[Date, str]:
    """Return the day on which a feed stands still without a consent, and the reason.

    Args:
        consents: Of the customer; none of them lets facts be read.
        evaluated: The day as of which the results are.
        as_of: The day of the last run.
    """
    ends = [one.end for one in consents]
    ended = max((end for end in ends if end is not None), default=None)
    if ended is None or None in ends:
        return evaluated, f"frozen on {evaluated}: no consent of this customer allows insights"
    day = Date(max(evaluated.day, min(as_of.day, ended - 1)))
    return day, f"frozen on {day}: no consent of this customer has held since {Date(ended)}"


def customer_row(store: Path, customer: str) -> tuple[CustomerResults, Date]:
    """What is kept of a customer, and the day of the last run that looked at it.

    Raises:
        UserError: Nothing is kept.
    """
    with open_results(store) as database:
        found = database.get([customer]).get(customer)
        latest = database.latest()
    if found is None:
        message = f"{store}: there are no results of customer {customer}"
        raise UserError("results.none", message, "tuppence run makes them")
    seen = latest.as_of if latest is not None and latest.finished else found.as_of
    return found, Date(max(seen, found.as_of))
