"""Checks that consents are read again exactly when their file has changed."""

from pathlib import Path

import pytest

from tuppence.adapters.embedded.consents import Consents
from tuppence.facts import consent as consent_module
from tuppence.facts.consent import PURPOSES, Consent, Use

USE = Use(PURPOSES, 20_000, 20_000)


def consent(customer: str, *, withdrawn: int | None = None) -> Consent:
    purpose, scope = min(PURPOSES), ("transactions",)
    return Consent(customer, "c1", purpose, scope, "GB", 19_000, withdrawn=withdrawn)


def test_consents_are_read_once_until_another_process_changes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = Consents(tmp_path), Consents(tmp_path)
    other.record([consent("ann"), consent("bob")])
    asked: list[Use] = []

    def readable(consents: list[Consent], use: Use) -> frozenset[str]:
        asked.append(use)
        return frozenset(word for one in consents if one.allows(use) for word in one.access)

    monkeypatch.setattr(consent_module, "readable", readable)
    for _ in range(3):
        assert store.limited(USE) == {"ann": {"transactions"}, "bob": {"transactions"}}
    assert len(asked) == 2
    for number in range(20):  # many changes in one moment of the file system's clock
        day = 19_500 if number % 2 else None
        other.record([consent("ann", withdrawn=day)])
        assert bool(store.limited(USE)["ann"]) is (day is None)
    other.erase("ann")
    assert store.limited(USE).keys() == {"bob"}
    later = Use(PURPOSES, 20_001, 20_001)
    asked.clear()
    store.limited(later)
    assert asked == [later]
