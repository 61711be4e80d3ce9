"""Corrections of categories, which win over everything else."""

import pytest
from tests.building import frame

from tuppence.bankdata.enrichment.corrections import (
    MAX_TEXT,
    Correction,
    by_key,
    checked,
    corrected,
    correction_for,
)
from tuppence.errors import UserError

ACCOUNTS = frame(
    "accounts", [{"id": "main", "customer": "ann"}, {"id": "his", "customer": "bob"}]
).select("id", "customer")
FIELDS = ("category", "category confidence", "merchant", "merchant confidence")
BANKS = {
    "category": "clothing",
    "category confidence": 100,
    "merchant": "X",
    "merchant confidence": 50,
}


def after(correction: Correction, *others: Correction, **changes: object) -> tuple[object, ...]:
    """Return the fields of a transaction after corrections."""
    row = {"id": "1", "account": "main", "amount": -100, "text": "BEAN YARD 0042 LEEDS", **BANKS}
    rows = frame("transactions", [row | changes])
    return corrected(rows, ACCOUNTS, [correction, *others]).select(FIELDS).row(0)


def test_a_correction_wins_over_what_the_bank_gives() -> None:
    correction = Correction("bean yard 7", "groceries")
    assert after(correction) == ("groceries", 100, "X", 50)
    named = Correction("BEAN YARD", "groceries", "Bean Yard")
    assert after(named) == ("groceries", 100, "Bean Yard", 100)
    assert after(Correction("BEAN YARD", "")) == (None, None, "X", 50)


def test_a_correction_holds_for_its_payee_its_direction_and_its_customer_only() -> None:
    unchanged = tuple(BANKS[name] for name in FIELDS)
    assert after(Correction("BEAN YARD TWO", "groceries")) == unchanged
    assert after(Correction("BEAN", "groceries")) == unchanged
    assert after(Correction("BEAN YARD", "groceries"), amount=100) == unchanged
    assert after(Correction("BEAN YARD", "income"), amount=100)[0] == "income"
    assert after(Correction("BEAN YARD", "groceries", customer="bob")) == unchanged
    assert after(Correction("BEAN YARD", "groceries"), text=None) == unchanged
    everyone, own = (
        Correction("BEAN YARD", "groceries"),
        Correction("BEAN YARD", "health", "", "ann"),
    )
    assert after(everyone, own)[0] == "health"
    assert after(everyone, own, account="his")[0] == "groceries"
    for customer, category in (("ann", "health"), ("bob", "groceries")):
        found = correction_for("Bean Yard 9", by_key([everyone, own]), customer, is_payment=True)
        assert found is not None
        assert found.category == category


@pytest.mark.parametrize(
    ("correction", "code", "hint"),
    [
        (Correction("BEAN YARD", "grocery"), "enrich.category", "did you mean groceries?"),
        (Correction("BEAN YARD", "zzz"), "enrich.category", "one of alcohol"),
        (Correction("0042", "groceries"), "enrich.no-payee", "name"),
        (Correction("A" * (MAX_TEXT + 1), "groceries"), "enrich.text", "payee"),
        (Correction("BEAN\x1b[2J", "groceries"), "enrich.text", "payee"),
    ],
)
def test_wrong_corrections_are_refused(correction: Correction, code: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        checked(correction)
    assert caught.value.code == code
    assert hint in (caught.value.hint or "")


def test_a_correction_keeps_no_card_number() -> None:
    kept = checked(Correction("BEAN YARD 4111111111111111", "groceries"))
    assert "4111111111111111" not in kept.text


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("SARAH PRESTON", "SARAH BRADFORD"),
        ("MR HAMILTON", "MR BRADFORD"),
        ("METRO BANK", "BANK OF SCOTLAND"),
    ],
)
def test_a_correction_for_one_name_does_not_hold_for_another(text: str, other: str) -> None:
    correction = Correction(text, "housing")
    assert correction_for(text, by_key([correction]), "ann", is_payment=True) == correction
    assert correction_for(other, by_key([correction]), "ann", is_payment=True) is None


def test_a_correction_holds_in_every_town() -> None:
    correction = Correction("BEAN YARD LEEDS", "groceries")
    assert (
        correction_for("BEAN YARD YORK", by_key([correction]), "ann", is_payment=True) == correction
    )
