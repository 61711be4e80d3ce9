"""Balances of accounts at the end of a day whose transactions are in any order."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import day, frame
from tests.examples import examples

from tuppence.derived.balances import MAX_OF_A_DAY, account_balances, reference_balances
from tuppence.facts.batch import NULL_MONEY, FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

Booked = tuple[int, int, int | None]
"""A day in June, an amount and the balance after it."""


def batch_of(*accounts: Sequence[Booked]) -> FactBatch:
    booked = [(str(n), row) for n, rows in enumerate(accounts) for row in rows]
    rows: list[dict[str, object]] = [
        {
            "id": str(sequence),
            "account": account,
            "sequence": sequence,
            "booking date": day(f"2026-06-{on:02}"),
            "amount": amount,
            "balance": balance,
            "own transfer": False,
        }
        for sequence, (account, (on, amount, balance)) in enumerate(booked)
    ]
    tables = {
        "customers": frame("customers", [{"id": "ann", "currency": "GBP"}]),
        "accounts": frame(
            "accounts",
            [{"id": str(n), "customer": "ann", "type": "current"} for n in range(len(accounts))],
        ),
        "transactions": frame("transactions", rows),
    }
    return batch_from(ordered(coded(tables, Schema())), Schema())


def balances(*accounts: Sequence[Booked]) -> list[int | None]:
    """Return the balances at the end of June, on which the reference must agree."""
    batch = batch_of(*accounts)
    found = account_balances(batch, Date(day("2026-06-30"))).tolist()
    assert found == reference_balances(batch, sum(map(len, accounts))).tolist()
    return [None if one == NULL_MONEY else one for one in found]


def test_the_order_of_rows_within_a_day_does_not_matter() -> None:
    before: list[Booked] = [(22, 500, 500), (23, -500, 0)]
    of_day: list[Booked] = [(24, 100_000, 100_000), (24, -90_000, 10_000), (24, -2_000, 8_000)]
    for rows in itertools.permutations(of_day):
        assert balances([*before, *rows]) == [8_000]


def test_amounts_that_the_bank_rounds_do_not_matter() -> None:
    """The interest of 123.43 is shown as 123.40."""
    of_day: list[Booked] = [(24, -1_460, 98_540), (24, 12_340, 110_883)]
    for rows in itertools.permutations(of_day):
        assert balances([(1, 100_000, 100_000), *rows]) == [110_883]


def test_a_day_that_changes_nothing_has_the_balance_of_the_day_before() -> None:
    of_day: list[Booked] = [(24, -700, 1_300), (24, 700, 2_000)]
    for rows in itertools.permutations(of_day):
        assert balances([(1, 2_000, 2_000), *rows]) == [2_000]
        assert balances([(1, 2_000, 2_000), (23, -1, None), *rows]) == [2_000]
    assert balances(of_day) == [2_000]


def test_of_two_balances_that_fit_as_well_the_latest_counts() -> None:
    assert balances([(1, 0, -1), (1, -1, 0), (1, 1, -1)]) == [-1]


def test_rows_without_a_balance_and_other_accounts_do_not_matter() -> None:
    one: list[Booked] = [(24, -90_000, 10_000), (24, 100_000, 100_000), (25, -5, None)]
    other: list[Booked] = [(24, 7, 7)]
    assert balances(one, other, [(24, 1, None)]) == [10_000, 7, None]


@pytest.mark.parametrize("size", [2**52, 2**63 - 1])
def test_a_day_with_oversized_sums_has_the_balance_of_its_last_row(size: int) -> None:
    assert balances([(24, 5, size), (24, -5, 10), (24, 3, 11)]) == [11]


def test_a_day_with_very_many_rows_has_the_balance_of_its_last_row() -> None:
    rows: list[Booked] = [(24, 1, n) for n in range(MAX_OF_A_DAY, 0, -1)]
    assert balances(rows) == [MAX_OF_A_DAY]
    assert balances([*rows, (24, 1, 0)]) == [0]


small = st.integers(-3, 3)


@examples(50, 6_000)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3), small, st.none() | small), max_size=8),
        min_size=1,
        max_size=3,
    )
)
def test_both_implementations_agree(accounts: list[list[Booked]]) -> None:
    assert len(balances(*accounts)) == len(accounts)
