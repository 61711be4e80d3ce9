"""Records what a customer of a store agreed to: consents are granted, confirmed and withdrawn."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tuppence.bankdata.masking import Tokens
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.consent import SCOPE, Consent
from tuppence.feel.values import Date
from tuppence.usecases.import_bank_data import ConsentStore


class ConsentingStore(Protocol):
    """A store of customers and their consents; as text it is the name of the store."""

    @property
    def consents(self) -> ConsentStore:
        """The consents."""
        ...

    @property
    def tokens(self) -> Tokens:
        """The names for identifiers that hold a card number."""
        ...

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def has_customer(self, customer: str) -> bool:
        """Return whether there is a customer of this name.

        Raises:
            UserError: There is no store.
        """
        ...


def list_consents(store: ConsentingStore, customer: str) -> Sequence[Consent]:
    """Return the consents of a customer."""
    return store.consents.of(store.name_of(customer))


def grant_consent(
    store: ConsentingStore,
    customer: str,
    id_: str,
    purpose: str,
    scope: Sequence[str],
    jurisdiction: str,
    granted: Date,
    expires: Date | None,
) -> Consent:
    """Record that a customer agreed, or agreed again, and return the consent as it is kept.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        id_: Identifier of the consent, unique among the customer's.
        purpose: The use that the facts may be put to.
        scope: The data that may be read; everything if empty.
        jurisdiction: The law that it is under, ISO 3166 alpha-2 or EU.
        granted: The first day.
        expires: The first day without it; None where it has no end.

    Raises:
        UserError: There is no such customer, or the consent ends before it begins.
    """
    name = store.name_of(customer)
    if not store.has_customer(name):
        message = f"{store}: there is no customer {name}"
        raise UserError("facts.unknown-customer", message, "import their data first")
    if expires is not None and expires.day <= granted.day:
        raise UserError("consent.dates", "a consent ends after the day it is granted on")
    consent = Consent(
        name,
        store.tokens.of(id_),
        masked(purpose),
        tuple(map(store.tokens.of_scope, scope or SCOPE)),
        jurisdiction,
        granted.day,
        expires=None if expires is None else expires.day,
    )
    store.consents.record([consent])
    return consent


def confirm_consent(
    store: ConsentingStore, customer: str, id_: str, day: Date, expires: Date | None
) -> Consent:
    """Record that a customer confirmed a consent again, and return it as it is kept.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        id_: Identifier of the consent.
        day: The day of the confirmation.
        expires: The new first day without it; None where that stays as it was.

    Raises:
        UserError: The customer has no such consent.
    """
    changes: dict[str, int] = {"confirmed": day.day}
    if expires is not None:
        changes["expires"] = expires.day
    return _change(store, customer, id_, **changes)


def withdraw_consent(store: ConsentingStore, customer: str, id_: str, day: Date) -> Consent:
    """Record that a customer withdrew a consent on a day, and return it as it is kept.

    Raises:
        UserError: The customer has no such consent.
    """
    return _change(store, customer, id_, withdrawn=day.day)


def _change(store: ConsentingStore, customer: str, id_: str, **changes: Any) -> Consent:
    customer, name = store.name_of(customer), store.tokens.of(id_)
    found = next((one for one in store.consents.of(customer) if one.id == name), None)
    if found is None:
        message = f"there is no consent {id_} of customer {customer}"
        raise UserError("consent.unknown", message, "tuppence consent list shows them all")
    changed = msgspec.structs.replace(found, **changes)
    store.consents.record([changed])
    return changed
