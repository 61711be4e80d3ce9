"""Days of history of each customer, from the first transaction to a date."""

import numpy as np

from tuppence.facts.batch import Array, FactBatch
from tuppence.feel.values import Date


def history_days(batch: FactBatch, as_of: Date) -> Array:
    """Return the days from each customer's first transaction to a date.

    Returns:
        Shape (customers,); zero for customers without a transaction up to the date.
    """
    offsets = batch.transactions.offsets
    days = batch.transactions.columns["booking date"].values
    places = np.minimum(offsets[:-1], max(len(days) - 1, 0))
    first = days[places].astype(np.int64) if len(days) else np.zeros(len(places), np.int64)
    known = (batch.transactions.row_counts > 0) & (first <= as_of.day)
    found: Array = np.where(known, as_of.day - first, 0)
    return found


def reference_history_days(one: FactBatch, booked: int, as_of: Date) -> int:
    """Return the days of history of one customer, whose first `booked` transactions count."""
    return as_of.day - int(one.transactions.columns["booking date"].values[0]) if booked else 0
