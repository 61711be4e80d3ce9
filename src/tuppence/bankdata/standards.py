"""Recognises the standard of a document, to name it where it was given as one of another."""

from typing import Any

from tuppence.bankdata.records import elements

_OF_PLAID = frozenset({"account_id", "transaction_id"})
_SYNC = frozenset({"added", "modified", "removed"})


def standard_of(content: Any) -> str | None:
    """Return the command that imports a document like this one; None if that cannot be told.

    Args:
        content: Decoded JSON.
    """
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("Data"), dict):
        return "open-banking"
    transactions = content.get("transactions")
    if isinstance(transactions, dict) and {"booked", "pending"} & transactions.keys():
        return "berlin-group"
    listed = [one for key in ("accounts", "transactions", *_SYNC) for one in elements(content, key)]
    if any(isinstance(one, dict) and _OF_PLAID & one.keys() for one in listed):
        return "plaid"
    owned = [content.get("account"), *elements(content, "accounts")]
    names = {"iban", "bban", "resourceId"}
    if any(isinstance(one, dict) and names & one.keys() for one in owned):
        return "berlin-group"
    return None
