"""Consents of customers, and the facts that they allow to be read.

`readable` decides. docs/explanation/consents.md has its rules as a table; the database has the same
rules in the function `tuppence.readable`, and a test checks that both agree.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

PURPOSE: Final = "insights"
"""The purpose that imports and commands record."""
PURPOSES: Final = frozenset({PURPOSE})
"""The purposes that facts are used for, unless others are configured."""
TRANSACTIONS: Final = "transactions"
BALANCES: Final = "balances"
SCOPE: Final = ("accounts", BALANCES, TRANSACTIONS)
"""The scope of a consent that is recorded without one."""
_UK_TRANSACTIONS: Final = frozenset(
    {"ReadTransactionsDetail", "ReadTransactionsCredits", "ReadTransactionsDebits"}
)
"""The permissions of UK Open Banking that are all needed to read transactions in full:
https://openbankinguk.github.io/read-write-api-site3/v3.1.11/profiles/account-and-transaction-api-profile.html
"""

Access = frozenset[str]
"""The facts of a customer that may be read.

Its words are `transactions` and `balances`, for all accounts, or for one that is named, as in
`balances:GB33BUKB20201555555555`. It is empty if nothing may be read.
"""
EVERYTHING: Final[Access] = frozenset({TRANSACTIONS, BALANCES})
NOTHING: Final[Access] = frozenset()


class Use(NamedTuple):
    """A use of facts, which consents may allow.

    Attributes:
        purposes: Purposes of the use; a consent counts if its purpose is one of these.
        today: The current date, in days since 1970-01-01.
        as_of: The date of evaluation, in days since 1970-01-01.
    """

    purposes: frozenset[str]
    today: int
    as_of: int


class Consent(msgspec.Struct, frozen=True):
    """A customer's consent; dates are days since 1970-01-01.

    Attributes:
        customer: Identifier of the customer.
        id: Identifier, unique among the customer's consents; that of the bank, if it has one.
        purpose: Purpose that the facts may be used for.
        scope: Facts that may be read, in the words of the request.
        jurisdiction: Law that the consent is under: ISO 3166 alpha-2, or EU.
        granted: The first day of the consent.
        confirmed: Day when it was last reconfirmed, if it ever was.
        expires: The first day after its end; None for no end.
        withdrawn: Day when it was withdrawn; None if it was not.
    """

    customer: str
    id: str
    purpose: str
    scope: tuple[str, ...]
    jurisdiction: str
    granted: int
    confirmed: int | None = None
    expires: int | None = None
    withdrawn: int | None = None

    def allows(self, use: Use) -> bool:
        """Return whether the consent has the purpose and is valid both today and as of the date.

        A withdrawn consent allows nothing, whatever the dates.
        """
        if self.withdrawn is not None or self.purpose not in use.purposes:
            return False
        has_begun = self.granted <= min(use.today, use.as_of)
        return has_begun and (self.expires is None or max(use.today, use.as_of) < self.expires)

    @property
    def access(self) -> Access:
        """The access that the scope gives; unknown words give none.

        The scope consists of the words of `Access`, permissions of UK Open Banking, or keys of the
        Berlin Group's `access`. Credits without debits, or transactions without details, give no
        access to transactions, because rules would draw wrong conclusions from them.
        """
        scope = frozenset(self.scope)
        found = {word for word in scope if word.partition(":")[0] in EVERYTHING}
        if "allPsd2" in scope:
            found |= EVERYTHING
        if scope >= _UK_TRANSACTIONS:
            found.add(TRANSACTIONS)
        if "ReadBalances" in scope:
            found.add(BALANCES)
        return frozenset(found)

    def after(self, earlier: "Consent | None") -> "Consent":
        """Return this consent merged with an earlier record of it.

        The earliest known start is kept, and a withdrawal.
        """
        if earlier is None:
            return self
        withdrawn = earlier.withdrawn if self.withdrawn is None else self.withdrawn
        begun = min(self.granted, earlier.granted)
        return msgspec.structs.replace(self, granted=begun, withdrawn=withdrawn)

    @property
    def end(self) -> int | None:
        """The first day without the consent, or None."""
        return min((d for d in (self.expires, self.withdrawn) if d is not None), default=None)


def readable(consents: Iterable[Consent], use: Use) -> Access:
    """Return the access that the consents of one customer give for a use.

    It is the union of what all consents that allow the use give. Without transactions it is
    nothing, because every rule about them would have to be unknown.
    """
    accesses = [consent.access for consent in consents if consent.allows(use)]
    found = frozenset().union(*accesses)
    has_transactions = any(word.partition(":")[0] == TRANSACTIONS for word in found)
    return found if has_transactions else NOTHING


def limited_access(consents: Iterable[Consent], use: Use) -> dict[str, Access]:
    """Return the access by customer, for those with a consent whose facts may not all be read."""
    by_customer: dict[str, list[Consent]] = {}
    for consent in consents:
        by_customer.setdefault(consent.customer, []).append(consent)
    access = {name: readable(own, use) for name, own in by_customer.items()}
    return {name: words for name, words in access.items() if not words >= EVERYTHING}


def is_readable(access: Access, word: str, account: str) -> bool:
    """Return whether the transactions, or the balances, of an account may be read."""
    return word in access or f"{word}:{account}" in access


def scope_of(key: str, accounts: Sequence[str] | None) -> list[str]:
    """Return the words of a scope that give a permission for some accounts.

    Args:
        key: The permission.
        accounts: Identifiers of the accounts; None for all.
    """
    return [key] if accounts is None else [f"{key}:{account}" for account in accounts]
