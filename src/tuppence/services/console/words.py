"""The words that people choose from: categories, types, merchants, measures."""

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tuppence.bankdata.categories import ACCOUNT_TYPES, CATEGORIES, TRANSACTION_TYPES
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Field
from tuppence.rules.completion import MAX_OPTIONS, Completion, Option, matching
from tuppence.rules.words import Known
from tuppence.services.console.page import ConsoleDependencies
from tuppence.usecases.check_rules import known_words, words_of

MEASURES: Final[Mapping[str, str]] = {
    "how much": "how much",
    "how many": "how many",
    "average": "the average of",
    "biggest": "the biggest of",
    "smallest": "the smallest of",
    "latest": "the latest of",
    "days since": "days since the last of",
    "merchants": "number of merchants of",
    "change": "change in percent of",
    "customer": "the customer's",
}
"""Measures of the form in words that can be read before `payments`."""
COMPARISONS: Final = ("at least", "at most", "more than", "less than", "exactly", "not")
COLLECTIONS: Final = (
    "payments",
    "receipts",
    "transactions",
    "accounts",
    "bills",
    "subscriptions",
    "incomes",
)
CONDITIONS: Final[Mapping[str, str]] = {
    "category": "Category",
    "not category": "Not in category",
    "merchant": "Merchant",
    "type": "Type",
    "not type": "Not of type",
    "account type": "Type of account",
    "country": "Country",
    "text": "Bank's text contains",
    "over": "Amount over",
    "under": "Amount under",
    "own transfer": "Own transfers",
    "state": "State: early, mature or stopped",
    "cadence": "Cadence, such as monthly",
}
"""Conditions on the rows of a measure, with their labels."""


class Choices:
    """The words of a store.

    Args:
        deps: The ports of the console.
    """

    def __init__(self, deps: ConsoleDependencies) -> None:
        self._deps = deps
        self._kept: tuple[str, Known] | None = None
        self.measures = MEASURES
        self.comparisons = COMPARISONS
        self.collections = COLLECTIONS
        self.conditions = CONDITIONS
        self.categories = sorted(CATEGORIES)
        self.types = sorted({*TRANSACTION_TYPES, *ACCOUNT_TYPES})

    @property
    def fields(self) -> Sequence[Field]:
        """The fields of a customer."""
        return self._deps.store.schema.customer

    def line(self, text: str, place: int, condition: str) -> Completion:
        """Return the words that may stand in a line of a condition of the form.

        Args:
            text: The words so far, a line each.
            place: The cursor.
            condition: The condition, such as `not category`.
        """
        start = text.rfind("\n", 0, place) + 1
        field = condition.removeprefix("not ")
        known = self.known()
        words = {
            word
            for table in ("transactions", "accounts", "streams")
            for word in known(table, field)
        }
        found = matching(words, text[start:place].strip())
        options = [Option(word, word, "word") for word in itertools.islice(found, MAX_OPTIONS)]
        return Completion(start, tuple(options))

    def words(self, table: str, field: str) -> Collection[str]:
        """Return the words of one field; the store is read only when they are wanted."""
        return self.known()(table, field)

    def known(self) -> Known:
        """Return the words of fields; the store's own are read again when its facts change."""
        day = self._deps.today().day

        def read(facts: PermittedFacts) -> tuple[str, Known]:
            kept = self._kept
            if kept is not None and kept[0] == facts.digest:
                return kept
            return facts.digest, functools.partial(known_words, words_of(facts))

        self._kept = self._deps.store.read_permitted(Use(self._deps.purposes, day, day), read)
        return self._kept[1]
