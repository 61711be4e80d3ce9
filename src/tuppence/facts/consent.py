"""What customers agreed to, and which of their facts may be read for a use.

`readable` decides. docs/explanation/consents.md has its rules as a table; the database says the
same in the function `tuppence.readable`, and a test holds the two together.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

PURPOSE: Final = "insights"
"""The purpose that imports and commands record."""
PURPOSES: Final = frozenset({PURPOSE})
"""The purposes for which facts are used, unless another set is configured."""
TRANSACTIONS: Final = "transactions"
BALANCES: Final = "balances"
SCOPE: Final = ("accounts", BALANCES, TRANSACTIONS)
"""The scope of a consent that is recorded without one."""
_UK_TRANSACTIONS: Final = frozenset(
    {"ReadTransactionsDetail", "ReadTransactionsCredits", "ReadTransactionsDebits"}
)
"""The permissions of UK Open Banking without which transactions are not known in full:
https://openbankinguk.github.io/read-write-api-site3/v3.1.11/profiles/account-and-transaction-api-profile.html
"""

Access = frozenset[str]
"""What may be read of a customer: `transactions` and `balances`, each of all accounts, or of one
where it is named, as in `balances:GB33BUKB20201555555555`. Empty where nothing may be read."""
EVERYTHING: Final[Access] = frozenset({TRANSACTIONS, BALANCES})
NOTHING: Final[Access] = frozenset()


class Use(NamedTuple):
    """A use of facts, which consents allow or not.

    Attributes:
        purposes: A consent counts if its purpose is one of these.
        today: The clock's day, in days since 1970-01-01.
        as_of: The day that rules take for today, likewise.
    """

    purposes: frozenset[str]
    today: int
    as_of: int


class Consent(msgspec.Struct, frozen=True):
    """What a customer agreed to; dates are days since 1970-01-01.

    Attributes:
        customer: Identifier of the customer.
        id: Unique among the customer's; the bank's, where it came from one.
        purpose: What the facts may be used for.
        scope: What may be read, in the words of whoever asked.
        jurisdiction: Whose law it is under, ISO 3166 alpha-2 or EU.
        granted: Its first day.
        confirmed: When it was last confirmed again; None where it never was.
        expires: The first day without it; None where it has no end.
        withdrawn: The day of its withdrawal; None where it stands.
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
        """Return True if it is for that purpose and is alive both today and on the as-of date.

        Once withdrawn it allows nothing, whatever the dates.
        """
        if self.withdrawn is not None or self.purpose not in use.purposes:
            return False
        has_begun = self.granted <= min(use.today, use.as_of)
        return has_begun and (self.expires is None or max(use.today, use.as_of) < self.expires)

    @property
    def access(self) -> Access:
        """What its scope gives; words that nobody here knows give nothing.

        The scope is in our words, in permissions of UK Open Banking, or in keys of the Berlin
        Group's `access`. Credits without debits, or transactions without their details, would make
        rules say something wrong, so they give no transactions.
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
        """Return this consent with what an earlier document said of it.

        It keeps the earliest beginning that is known, and a withdrawal.
        """
        if earlier is None:
            return self
        withdrawn = earlier.withdrawn if self.withdrawn is None else self.withdrawn
        begun = min(self.granted, earlier.granted)
        return msgspec.structs.replace(self, granted=begun, withdrawn=withdrawn)

    @property
    def end(self) -> int | None:
        """The first day without it; None where there is none yet."""
        return min((d for d in (self.expires, self.withdrawn) if d is not None), default=None)


def readable(consents: Iterable[Consent], use: Use) -> Access:
    """Return what the consents of one customer let be read for a use.

    It is what the consents that allow the use give together; nothing where none of them gives
    transactions, since without any every rule about them would have to be unknown.
    """
    given = [consent.access for consent in consents if consent.allows(use)]
    found = frozenset().union(*given)
    has_transactions = any(word.partition(":")[0] == TRANSACTIONS for word in found)
    return found if has_transactions else NOTHING


def is_readable(access: Access, word: str, account: str) -> bool:
    """Return True if the transactions, or the balances, of an account may be read."""
    return word in access or f"{word}:{account}" in access


def scope_of(key: str, accounts: Sequence[str] | None) -> list[str]:
    """Return the words of a scope for a permission that is for some accounts.

    Args:
        key: The permission.
        accounts: Their identifiers; None where it is for all.
    """
    return [key] if accounts is None else [f"{key}:{account}" for account in accounts]
