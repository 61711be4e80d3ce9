"""Figures about many customers, which rules read beside the facts of one.

docs/explanation/insights-from-data.md has the exact rules.
"""

from typing import Final

import msgspec

LASTS: Final = 62
"""Days from its day until a census is no longer read."""
AGES: Final = (30, 45, 60)
"""Ages at which an age group begins, except the first."""
INCOMES: Final = (80, 120, 180, 280)
"""Monthly incomes at which a group of incomes begins, except the first, in noticeable differences:
from 1,200 to 4,200 pounds."""
COMPARED: Final = (
    "clothing", "eating out", "entertainment", "groceries", "household", "personal care",
    "transport",
)  # fmt: skip
"""Categories in which people are compared: those that many buy every month, and none that would
reveal what the law protects."""
OWN_INCOME: Final = ("benefits", "income")
"""Categories of receipts that are income."""


class Census(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures about many customers as of one day, which say nothing about any one of them.

    Attributes:
        day: The first day of a month, in days since 1970-01-01; later transactions are not in it.
        usual: Amounts by cohort and category: half of the cohort spends less than this in a month.
        rises: Rises by currency and payee, in hundredths of a percent: half of those whose price
            rose last month pay at most so much more.
    """

    day: int
    usual: dict[str, dict[str, int]] = {}
    rises: dict[str, dict[str, int]] = {}

    def holds(self, day: int) -> bool:
        """Return whether the census may be read for a day."""
        return self.day <= day < self.day + LASTS


def cohort_name(currency: str, age: int, income: int) -> str:
    """Return the name of a cohort, given the numbers of its groups of ages and incomes."""
    return f"{currency} {age} {income}"
