"""What a store holds of one person: all of it for them to read, and erasing it, with a proof."""

from pathlib import Path
from typing import Any, NamedTuple

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.locking import consistent, locked
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.sqlite import has_content
from tuppence.adapters.embedded.traces import look_for
from tuppence.errors import UserError
from tuppence.facts.consent import Consent
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults
from tuppence.rules.ruleset import Ruleset, read_ruleset
from tuppence.usecases.privacy import held


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        accounts: Number of accounts.
        transactions: Number of transactions.
        results: Whether there were results.
        consents: Number of consents.
        rejects: Number of rows that imports had set aside.
        files: Number of files that were read afterwards.
        mentions: Rows of other people, and files about nobody, in which one of the names occurs.
    """

    accounts: int
    transactions: int
    results: bool
    consents: int
    rejects: int
    files: int
    mentions: int


class _Kept(NamedTuple):
    """What a store keeps of a customer beside the facts, and the digest of all facts."""

    digest: str
    consents: list[Consent]
    results: CustomerResults | None
    rejects: list[dict[str, Any]]


def held_in_store(store: Path, customer: str) -> dict[str, Any]:
    """Return all that a store holds of a customer, for JSON, with the reason of every result.

    It is read twice, until nothing changes in between: so it is what the store held at one moment.

    Raises:
        UserError: Nothing is held of such a customer.
    """
    rows, kept = consistent(lambda: _read(store, customer))
    while (again := consistent(lambda: _read(store, customer)))[1] != kept:
        rows, kept = again
    if rows.customers is None and not (kept.consents or kept.rejects):
        raise _unknown(store, customer)
    schema = FactStore(store).schema
    evaluated = None
    if rows.customers is not None and kept.results is not None:
        evaluated = _ruleset(store, kept.results, schema), Date(kept.results.as_of)
    found = held(rows, schema, kept.consents, evaluated)
    return found | {"set aside": kept.rejects}


def erase(store: Path, customer: str) -> Erased:
    """Erase a customer from a store, then read all of it again.

    The store stays locked meanwhile. Begun again after it was broken off, it goes on: the facts,
    which tell whose accounts are whose, are erased last.

    Raises:
        UserError: There is no such customer, or something of them is still there.
    """
    with locked(store, "forget"):
        facts = FactStore(store)
        facts.remove_unnamed()
        rows = _rows(facts, customer)
        accounts = _accounts(rows)
        had_results = False
        if has_content(store / layout.RESULTS):
            with Database(store / layout.RESULTS) as database:
                had_results = database.erase(customer)
        consents = Consents(store).erase(customer)
        rejects = Rejects(store).erase(customer, accounts)
        if rows.customers is not None:
            facts.erase(customer)
        traces = look_for(store, customer, accounts)
        if traces.left:
            message = f"{store}: something of this customer is still in {', '.join(traces.left)}"
            raise UserError("privacy.left", message, "nothing else is: have a look at these files")
        if rows.customers is None and not (had_results or consents or rejects):
            raise _unknown(store, customer)
    return Erased(
        len(accounts),
        0 if rows.transactions is None else rows.transactions.height,
        had_results,
        consents,
        rejects,
        traces.files,
        traces.mentions,
    )


def _read(store: Path, customer: str) -> tuple[Rows, _Kept]:
    facts = FactStore(store)
    rows = _rows(facts, customer)
    results = None
    if has_content(store / layout.RESULTS):
        with Database(store / layout.RESULTS, reading=True) as database:
            results = database.get([customer]).get(customer)
    rejects = Rejects(store).of(customer, _accounts(rows))
    return rows, _Kept(facts.digest, Consents(store).of(customer), results, rejects)


def _rows(facts: FactStore, customer: str) -> Rows:
    """Return the facts of a customer; no rows at all where there is no such customer."""
    try:
        return facts.rows_of(customer)
    except UserError as error:
        if error.code != "facts.unknown-customer":
            raise
        return Rows()


def _accounts(rows: Rows) -> frozenset[str]:
    return frozenset(() if rows.accounts is None else rows.accounts["id"])


def _ruleset(store: Path, results: CustomerResults, schema: Schema) -> Ruleset:
    content = RulesetDirectory(store / layout.RULESETS).get(results.ruleset)
    return read_ruleset(content, schema)


def _unknown(store: Path, customer: str) -> UserError:
    message = f"{store}: there is no customer {customer}"
    return UserError("facts.unknown-customer", message, "tuppence results lists the customers")
