"""Composes nights over a store in a folder."""

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.adapters.embedded.workers import Workers
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.usecases.run_night import NightDependencies


def night_dependencies(store: StoreFolder, use: Use) -> NightDependencies:
    """Return the dependencies of a run over the facts that consents allow to be used."""
    facts = store.facts()
    limited = store.consents.limited(use)
    workers = Workers(store.path, facts.digest, limited)
    return NightDependencies(PermittedFacts(facts, limited), workers, store.rulesets, store.results)
