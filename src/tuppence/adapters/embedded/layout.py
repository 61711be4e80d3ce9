"""Names of the files and folders of a store, which are defined only here.

facts/              partitions of customers, named in `facts/manifest.json`
census.json         figures about many customers, which rules read
rejects/            rows that imports rejected
rulesets/           the rulesets of runs, each named by its digest
models/             models of the order of feeds, each named by its digest
results.sqlite      results, and the ledger of runs
consents.sqlite     consents of customers
feed.sqlite         views of feeds, what people did with them, and their preferences
reads.jsonl         whose data were seen in the console, and why, by pseudonyms
corrections.json    corrections of categories
identifiers.key     the secret from which tokens of identifiers are made
lock                held by a command that changes the store
"""

from typing import Final

FACTS: Final = "facts"
MANIFEST: Final = "manifest.json"
CENSUS: Final = "census.json"
REJECTS: Final = "rejects"
RULESETS: Final = "rulesets"
MODELS: Final = "models"
RESULTS: Final = "results.sqlite"
CONSENTS: Final = "consents.sqlite"
FEED: Final = "feed.sqlite"
READS: Final = "reads.jsonl"
CORRECTIONS: Final = "corrections.json"
IDENTIFIER_KEY: Final = "identifiers.key"
LOCK: Final = "lock"
