"""Composes imports into a store."""

from datetime import date

import polars as pl

from tuppence.adapters.embedded.fact_store import FactStore, is_store
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.tabular import Owners
from tuppence.facts.schema import Schema
from tuppence.usecases.import_bank_data import ImportDependencies
from tuppence.usecases.propose_mapping import ProposalDependencies


def import_dependencies(store: StoreFolder, facts: FactStore, today: date) -> ImportDependencies:
    """Return the dependencies of an import into a store.

    Args:
        store: The store.
        facts: Facts of the store.
        today: Latest allowed date of a row.
    """
    enricher = Enricher(store.corrections.all())
    return ImportDependencies(facts, store.rejects, store.consents, store.tokens, enricher, today)


def proposal_dependencies(store: StoreFolder, schema: Schema, today: date) -> ProposalDependencies:
    """Return the dependencies of a proposal for a store, which need not exist yet.

    Args:
        store: The store.
        schema: Schema of a store that does not exist.
        today: Latest allowed date of a row.
    """
    if is_store(store.path):
        facts = store.facts()
        owners = Owners(facts.customers(), facts.owners())
        return ProposalDependencies(facts.schema, owners, Enricher(), today)
    names = {"customers": ("id", "currency"), "accounts": ("id", "customer", "currency")}
    tables = {
        key: pl.DataFrame(schema=dict.fromkeys(value, pl.String)) for key, value in names.items()
    }
    return ProposalDependencies(schema, Owners(**tables), Enricher(), today)
