"""Chains of payments, for whole batches: series in which each seems to follow the one before it.

docs/explanation/streams.md has the exact rules, `chains_reference` follows them in plain Python.
`dues` and `linking` find chains.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import part_of_loops
from tuppence.derived.groups import Groups

CADENCES: Final = (
    ("weekly", 7, 6, 8, 0),
    ("fortnightly", 14, 13, 15, 0),
    ("monthly", 30, 25, 36, 1),
    ("every two months", 61, 55, 67, 2),
    ("quarterly", 91, 83, 100, 3),
    ("half-yearly", 182, 174, 192, 6),
    ("yearly", 365, 353, 378, 12),
)
"""Names, days, the minimum and maximum number of days between two payments, and months.

The ranges leave room for weekends, holidays and the lengths of months.
"""
MONTHLY: Final = 2
YEARLY: Final = 6
MAX_VARIATION: Final = 60
"""Maximum percentage by which payments by mandate, and income, may differ from the one before."""
MAX_RISE: Final = 25
"""The same for other payments: a larger difference is another purchase, or a new price."""
MIN_PAYMENTS: Final = 3
"""Minimum number of payments of a stream; by mandate, or one of several dues, one fewer."""
MAX_OPEN: Final = 16
"""Maximum number of open chains of one group."""
MIN_GAPS: Final[Any] = np.array([one[2] for one in CADENCES])
MAX_GAPS: Final[Any] = np.array([one[3] for one in CADENCES])
"""Fewest and most days between two payments of each cadence."""
MIDDLE: Final[Any] = (MIN_GAPS + MAX_GAPS) // 2
MAX_GAP: Final = int(MAX_GAPS[-1])
"""Most days between two payments of any cadence."""


def _cadences_of_gaps() -> Any:
    found = np.full(MAX_GAP + 1, -1)
    for cadence, (_, _, fewest, most, _) in enumerate(CADENCES):
        found[fewest : most + 1] = cadence
    return found


def _gaps_of_cadences() -> Any:
    """Return whether a gap follows a chain of a cadence, up to two payments being left out."""
    fits = np.zeros((len(CADENCES), 3 * MAX_GAP + 1), np.bool_)
    for cadence, (_, _, fewest, most, _) in enumerate(CADENCES):
        for times in (1, 2, 3):
            fits[cadence, times * fewest : times * most + 1] = True
    return fits


CADENCE_OF: Final[Any] = _cadences_of_gaps()
"""Cadence in whose window a gap lies, by days; -1 for none."""
FITS: Final[Any] = _gaps_of_cadences()


class Chains(NamedTuple):
    """Arrays that receive the chains of some customers, by group, in order of first payments.

    Attributes:
        starts: First chain of each group, and the number of all.
        first: First payment of each chain.
        last: Last payment of each chain.
        times: Number of payments of each chain; 0 if it became a part of another.
        cadence: Cadence that the second payment, or the dues, fixed; -1 for none.
        is_due: 1 for one of several yearly dues, of which three were paid again.
        group: Group of the first payment of each chain.
        last_group: Group of the last payment of each chain.
        after: Payment of the same chain after each payment; -1 for none.
        follower: Chain that continues each chain; -1 for none.
        leader: Chain that each chain continues; -1 for none, -2 for several.
        link: Array for the next chain in the list of each chain.
        lists: Array for the first chain of each list of chains that begin with one size.
        places: Array for the open chains of a group: chain, last day, last size and cadence.
    """

    starts: Any
    first: Any
    last: Any
    times: Any
    cadence: Any
    is_due: Any
    group: Any
    last_group: Any
    after: Any
    follower: Any
    leader: Any
    link: Any
    lists: Any
    places: Any


def room_for_chains(groups: Groups) -> Chains:
    """Return room for the chains of any chunk of groups."""
    most = len(groups.rows)
    made = (np.zeros(most, np.int32) for _ in range(12))
    lists = np.full(len(groups.table), -1, np.int32)
    return Chains._make((*made, lists, np.zeros((4, MAX_OPEN), np.int64)))


@part_of_loops
def open_chain(out: Chains, chain: int, payment: int, group: int) -> None:
    """Write a chain of one payment."""
    out.first[chain] = payment
    out.last[chain] = payment
    out.times[chain] = 1
    out.cadence[chain] = -1
    out.is_due[chain] = 0
    out.group[chain] = group
    out.last_group[chain] = group
