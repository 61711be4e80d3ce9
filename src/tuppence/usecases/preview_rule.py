"""Previews a rule over the facts of a store, beside the rules that are live there."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.everybody import Advance, no_advance
from tuppence.usecases.last_night import RunStore
from tuppence.usecases.ledger import RunRecord
from tuppence.usecases.previewer import Preview, Previewer

T = TypeVar("T")


class PreviewStore(RunStore, Protocol):
    """Facts of all customers, and the last run over them; as text it is the name of the store."""

    def latest_run(self) -> RunRecord | None:
        """Return the run that was started last; None where there was none."""
        ...

    def read_permitted(self, use: Use, read: Callable[[PermittedFacts], T]) -> T:
        """Return the answer of a function that reads the permitted facts, all as of one moment."""
        ...


def preview_rule(
    store: PreviewStore,
    checked: CheckedRule,
    live: Ruleset | None,
    as_of: Date | None,
    purposes: frozenset[str],
    today: Date,
    threads: int,
    advance: Advance = no_advance,
) -> tuple[Preview, Date]:
    """Find out what a rule would do for everybody, and return it with the as-of date.

    Args:
        store: The store.
        checked: The rule.
        live: The live rules; those of the last run where it is None.
        as_of: The date that rules take for today; that of the last run where it is None.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        threads: Number of threads that evaluate.
        advance: Called with the number of customers that were evaluated, again and again.

    Raises:
        UserError: No date is given, and nothing has run in the store.
    """
    if as_of is None:
        latest = store.latest_run()
        if latest is None:
            message = f"{store}: there is no run here to take the date from"
            raise UserError("preview.date", message, "give it with --as-of")
        as_of = Date(latest.as_of)
    date = as_of

    def preview(facts: PermittedFacts) -> Preview:
        return Previewer(store, facts, date, threads).preview(checked, live, advance)

    return store.read_permitted(Use(purposes, today.day, date.day), preview), date
