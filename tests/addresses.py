"""Stores at addresses, filled and run for tests."""

from collections.abc import Callable
from pathlib import Path

from tests.building import day
from tests.commands import command

from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.bootstrap.address import night_at_address, store_at
from tuppence.bootstrap.nights import night_dependencies
from tuppence.bootstrap.store import StoreFolder
from tuppence.facts.consent import PURPOSES, Use
from tuppence.feel.values import Date
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import Tally
from tuppence.usecases.part_night import run_by_parts
from tuppence.usecases.run import RunOutcome
from tuppence.usecases.run_night import run_night

AS_OF = "2026-06-30"
IN_PART = 10
"""Customers of a partition."""

Packed = dict[str, tuple[int, bytes]]
"""The day and the packed results of each customer."""


def use_as_of(as_of: str = AS_OF) -> Use:
    return Use(PURPOSES, day(as_of), day(as_of))


def population(folder: Path, customers: int = 60) -> StoreFolder:
    """Make a store in a folder."""
    command("synth", "--customers", customers, "--months", 2, "--store", folder)
    return StoreFolder(folder)


def share(store: StoreFolder, address: str, in_part: int = IN_PART) -> StoreAddress:
    """Put a store's facts and consents at an address, in many small partitions."""
    shared, facts = store_at(address), store.facts()
    parts = facts.whole_customers(in_part)
    shared.take(facts.schema, parts, store.consents.of_all, in_part)
    return shared


def run_here(store: StoreFolder, ruleset: Ruleset, as_of: str = AS_OF) -> RunOutcome:
    """Run rules over a store in a folder, in one process."""
    date = Date(day(as_of))
    return run_night(night_dependencies(store, use_as_of(as_of)), ruleset, date, 1, lambda _: None)


def run_there(
    shared: StoreAddress,
    ruleset: Ruleset,
    as_of: str = AS_OF,
    on: str = "",
    advance: Callable[[Tally], None] = lambda _: None,
    results: str = "",
) -> RunOutcome:
    """Run rules over a store at an address, in two threads or on a cluster."""
    shared.rulesets.put(ruleset)
    night = night_at_address(shared, use_as_of(as_of), on, 2, results)
    return run_by_parts(night, ruleset, Date(day(as_of)), advance)


def packed(store: StoreFolder | StoreAddress) -> Packed:
    """Return the results of everybody."""
    with store.read_results() as kept:
        return {row.customer_id: (row.as_of, row.packed) for row in kept.scan()}
