"""Exports and erases the personal data of a customer in a store, and proves the erasure."""

from pathlib import Path
from typing import Any, NamedTuple

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


class ErasureReport(NamedTuple):
    """The result of an erasure.

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


class _OtherData(NamedTuple):
    """A customer's data in a store other than facts, and the digest of all facts."""

    digest: str
    consents: list[Consent]
    results: CustomerResults | None
    rejects: list[dict[str, Any]]


def held_in_store(store: Path, customer: str) -> dict[str, Any]:
    """Return all personal data of a customer in a store, for JSON, with explained results.

    The data are read until two successive reads agree, so they are those of one moment.

    Raises:
        UserError: The store has no data of such a customer.
    """
    rows, others = consistent(lambda: _read(store, customer))
    while (again := consistent(lambda: _read(store, customer)))[1] != others:
        rows, others = again
    if rows.customers is None and not (others.consents or others.rejects):
        raise _unknown(store, customer)
    schema = FactStore(store).schema
    evaluated = None
    if rows.customers is not None and others.results is not None:
        evaluated = _ruleset(store, others.results, schema), Date(others.results.as_of)
    exported = held(rows, schema, others.consents, evaluated)
    return exported | {"set aside": others.rejects}


def erase(store: Path, customer: str) -> ErasureReport:
    """Erase a customer from a store, then read the whole store for traces.

    The store is locked meanwhile. An interrupted erasure can be repeated: the facts, which relate
    accounts to customers, are erased last.

    Raises:
        UserError: There is no such customer, or a trace of them is left.
    """
    with locked(store, "forget"):
        facts = FactStore(store)
        facts.remove_unnamed()
        rows = _rows(facts, customer)
        accounts = _accounts(rows)
        had_results = False
        if has_content(store / "results.sqlite"):
            with Database(store / "results.sqlite") as database:
                had_results = database.erase(customer)
        consents = Consents(store).erase(customer)
        rejects = Rejects(store).erase(customer, accounts)
        if rows.customers is not None:
            facts.erase(customer)
        traces = look_for(store, customer, accounts)
        if traces.left:
            message = f"{store}: traces of this customer are left in {', '.join(traces.left)}"
            hint = "everything else is erased; check these files"
            raise UserError("privacy.left", message, hint)
        if rows.customers is None and not (had_results or consents or rejects):
            raise _unknown(store, customer)
    return ErasureReport(
        len(accounts),
        0 if rows.transactions is None else rows.transactions.height,
        had_results,
        consents,
        rejects,
        traces.files,
        traces.mentions,
    )


def _read(store: Path, customer: str) -> tuple[Rows, _OtherData]:
    facts = FactStore(store)
    rows = _rows(facts, customer)
    results = None
    if has_content(store / "results.sqlite"):
        with Database(store / "results.sqlite", reading=True) as database:
            results = database.get([customer]).get(customer)
    rejects = Rejects(store).of(customer, _accounts(rows))
    return rows, _OtherData(facts.digest, Consents(store).of(customer), results, rejects)


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
    content = RulesetDirectory(store / "rulesets").get(results.ruleset)
    return read_ruleset(content, schema)


def _unknown(store: Path, customer: str) -> UserError:
    message = f"{store}: there is no customer {customer}"
    return UserError("facts.unknown-customer", message, "tuppence results lists the customers")
