"""Access that consents give: the table of docs/explanation/consents.md, and its laws."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import bank, day, frame
from tests.consents import consents, uses

from tuppence.errors import UserError
from tuppence.facts.batch import NULL_MONEY, FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import (
    EVERYTHING,
    NOTHING,
    PURPOSES,
    Access,
    Consent,
    Use,
    is_readable,
    readable,
)
from tuppence.facts.permitted import PermittedFacts, restrict
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.facts.source import LoadedFacts

UK = ("ReadTransactionsDetail", "ReadTransactionsCredits", "ReadTransactionsDebits")


def consent(**changes: Any) -> Consent:
    """Return a consent from day 20 to day 40 for everything, with changes."""
    given: dict[str, Any] = {"granted": 20, "expires": 40, "scope": ("balances", "transactions")}
    about = {"customer": "ann", "id": "1", "purpose": "insights", "jurisdiction": "GB"}
    return Consent(**(about | given | changes))


@pytest.mark.parametrize(
    ("changes", "today", "as_of", "is_allowed"),
    [
        ({}, 30, 30, True),
        ({}, 30, 20, True),
        ({}, 30, 19, False),  # it was not granted then
        ({}, 19, 30, False),  # it is not granted yet
        ({}, 30, 39, True),
        ({}, 30, 40, False),  # it will have ended then
        ({}, 40, 30, False),  # it has ended: a date in the past does not bring it back
        ({"expires": None}, 4_000, 30, True),
        ({"confirmed": 39}, 40, 30, False),  # a confirmation without a new end
        ({"withdrawn": 35}, 30, 30, False),  # a withdrawal counts for every day
        ({"purpose": "marketing by others"}, 30, 30, False),
    ],
)
def test_a_consent_allows_the_uses_of_the_table(
    changes: dict[str, Any], today: int, as_of: int, is_allowed: bool
) -> None:
    assert consent(**changes).allows(Use(PURPOSES, today, as_of)) is is_allowed
    assert bool(readable([consent(**changes)], Use(PURPOSES, today, as_of))) is is_allowed


@pytest.mark.parametrize(
    ("scope", "access"),
    [
        (("accounts", "balances", "transactions"), EVERYTHING),
        (("transactions",), {"transactions"}),
        (("balances",), NOTHING),
        (("accounts",), NOTHING),
        ((), NOTHING),
        (("Transactions",), NOTHING),
        (("transactions:A", "balances:A", "accounts:A"), {"transactions:A", "balances:A"}),
        (("balances:A",), NOTHING),
        (("allPsd2",), EVERYTHING),
        (("availableAccountsWithBalance",), NOTHING),
        (UK, {"transactions"}),
        ((*UK, "ReadBalances", "ReadAccountsBasic"), EVERYTHING),
        (UK[:2], NOTHING),  # no debits
        (("ReadTransactionsBasic", *UK[1:]), NOTHING),  # no details
        (("ReadBalances",), NOTHING),
    ],
)
def test_a_scope_gives_the_access_of_the_table(scope: tuple[str, ...], access: Access) -> None:
    assert readable([consent(scope=scope)], Use(PURPOSES, 30, 30)) == access


def test_access_is_the_union_of_consents_and_empty_without_one() -> None:
    use = Use(PURPOSES, 30, 30)
    parts = [consent(scope=("balances",)), consent(scope=("transactions:A",))]
    assert readable(parts, use) == {"balances", "transactions:A"}
    assert readable([], use) == NOTHING


@given(consents("ann"), uses(), st.integers(0, 60))
def test_an_earlier_date_never_gives_more_than_today(
    known: list[Consent], use: Use, earlier: int
) -> None:
    now = readable(known, use._replace(as_of=use.today))
    assert readable(known, use._replace(as_of=min(earlier, use.today))) <= now


@given(consents("ann"), uses(), st.data())
def test_a_restriction_never_widens_the_access(
    known: list[Consent], use: Use, data: st.DataObject
) -> None:
    """Remove a consent, a purpose or a word of a scope, or withdraw a consent."""
    before = readable(known, use)
    assert readable(known, use._replace(purposes=frozenset())) == NOTHING
    for place, one in enumerate(known):
        others = known[:place] + known[place + 1 :]
        narrower = tuple(data.draw(st.sets(st.sampled_from(one.scope)))) if one.scope else ()
        assert readable(others, use) <= before
        narrowed = msgspec.structs.replace(one, scope=narrower)
        assert readable([*others, narrowed], use) <= before
        withdrawn = msgspec.structs.replace(one, withdrawn=one.granted)
        assert readable([*others, withdrawn], use) == readable(others, use)


def two_customers() -> FactBatch:
    """Return Ann with the accounts A and B, and Bob with C; each account has two transactions."""
    accounts: list[dict[str, object]] = [
        {"id": name, "customer": customer, "type": "current", "credit limit": 900}
        for name, customer in (("A", "ann"), ("B", "ann"), ("C", "bob"))
    ]
    transactions: list[dict[str, object]] = [
        {"id": f"{name}{n}", "account": name, "booking date": n, "amount": -n, "balance": 10 * n,
         "own transfer": False, "sequence": n}
        for name in "ABC" for n in (1, 2)
    ]  # fmt: skip
    people: list[dict[str, object]] = [{"id": name, "currency": "GBP"} for name in ("ann", "bob")]
    rows = Rows(
        frame("customers", people),
        frame("accounts", accounts),
        frame("transactions", transactions),
    )
    return batch_from(ordered(coded(rows.tables(), Schema())), Schema())


def contents(batch: FactBatch) -> tuple[list[Any], list[Any]]:
    """Return accounts with their limits, and transactions with their balances."""
    tables = []
    for table, key, value in (
        (batch.accounts, "id", "credit limit"),
        (batch.transactions, "account", "balance"),
    ):
        names, money = table.columns[key], table.columns[value].values
        rows = zip(names.values, money.tolist(), strict=True)
        tables.append([(names.dictionary[n], None if m == NULL_MONEY else m) for n, m in rows])
    return tables[0], tables[1]


def test_a_restricted_batch_has_only_permitted_facts() -> None:
    whole = two_customers()
    accounts, transactions = contents(whole)
    assert restrict(whole, {}) is whole
    assert restrict(whole, {"nobody": NOTHING}) is whole
    some = contents(restrict(whole, {"ann": frozenset({"transactions", "balances:B"})}))
    assert some[0] == [("A", None), ("B", 900), ("C", 900)]
    assert [row for row in some[1] if row[0] != "A"] == [r for r in transactions if r[0] != "A"]
    assert [row for row in some[1] if row[0] == "A"] == [("A", None)] * 2
    one = restrict(whole, {"ann": frozenset({"transactions:B", "balances"})})
    assert contents(one) == (accounts[1:], [row for row in transactions if row[0] != "A"])
    assert one.accounts.offsets.tolist() == [0, 1, 2]
    assert one.transactions.offsets.tolist() == [0, 2, 4]
    none = restrict(whole, {"ann": NOTHING, "bob": EVERYTHING})
    assert contents(none) == (accounts[2:], [row for row in transactions if row[0] == "C"])
    assert contents(whole) == (accounts, transactions), "the batch itself is as it was"


@given(st.sets(st.sampled_from(["transactions", "balances", "transactions:A", "balances:B"])))
def test_a_batch_has_no_row_and_no_balance_beyond_the_access(words: set[str]) -> None:
    access = frozenset(words)
    accounts, transactions = contents(restrict(two_customers(), {"ann": access}))
    for account, money in accounts + transactions:
        if account != "C":
            assert is_readable(access, "transactions", account)
            assert money is None or is_readable(access, "balances", account)


def test_the_digest_of_facts_depends_on_the_access_to_them() -> None:
    facts = LoadedFacts(Schema(), "digest", {"p": two_customers()})
    assert PermittedFacts(facts, {}).digest == "digest"
    limited = [{"ann": NOTHING}, {"ann": frozenset({"transactions"})}, {"bob": NOTHING}]
    names = {PermittedFacts(facts, one).digest for one in limited}
    assert len(names | {"digest"}) == 4


def test_a_customer_without_consent_is_not_found() -> None:
    batch = batch_from(
        ordered(
            coded(bank([{"booking date": day("2026-06-01"), "amount": -1}]).tables(), Schema())
        ),
        Schema(),
    )
    facts = PermittedFacts(LoadedFacts(Schema(), "digest", {"p": batch}), {"ann": NOTHING})
    assert facts.left_out == {"ann"}
    with pytest.raises(UserError, match="no consent of customer ann") as caught:
        facts.find("ann")
    assert caught.value.code == "consent.none"
