"""The order of rulesets that are made by processes which do not know of each other."""

from typing import NamedTuple


class Edition(NamedTuple):
    """Says which of two rulesets was made of newer definitions; it compares as a tuple does.

    Attributes:
        versions: Number of versions of all definitions that the database had when they were read.
            Versions are only ever added, so this never falls.
        as_of: The date on which the rules are valid, such as 2026-06-30.
    """

    versions: int
    as_of: str


NO_EDITION = Edition(0, "")
"""The edition of a ruleset that was published before there were editions."""
