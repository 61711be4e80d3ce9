"""Forecasts of accounts' balances on pay day."""

from typing import Any

import numpy as np
import pytest
from tests.building import bank, day
from tests.conftest import Report, Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.synthetic import population
from tuppence.derived.balances import account_balances
from tuppence.derived.context import customer_context
from tuppence.derived.forecasts import forecasts
from tuppence.derived.streams import find_streams
from tuppence.engine.columnar import Engine
from tuppence.engine.reference import evaluate
from tuppence.facts.batch import NULL_DATE, NULL_MONEY, Array, FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel import Date, feel_text
from tuppence.plan.plan import make_plan
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import make_ruleset

AS_OF = "2026-06-15"
PAY: list[dict[str, Any]] = [
    {"booking date": day(date), "amount": 100_000, "merchant": "Employer", "type": "salary"}
    for date in ("2026-02-27", "2026-03-27", "2026-04-28", "2026-05-28")
]
RENT: list[dict[str, Any]] = [
    {"booking date": day(date), "amount": -30_000, "merchant": "Rent", "type": "standing order"}
    for date in ("2026-03-20", "2026-04-20", "2026-05-20")
]
SHOPS: list[dict[str, Any]] = [
    {"booking date": day(date), "amount": -amount, "merchant": name, "type": "card"}
    for date, amount, name in (
        ("2026-03-18", 9_000, "Stall"),
        ("2026-04-18", 8_000, "Market"),
        ("2026-05-18", 7_000, "Shop"),
    )
]  # fmt: skip
BAND = {"middle": "", "low": " low", "high": " high"}
NOW: dict[str, Any] = {
    "booking date": day("2026-06-14"), "amount": -100, "balance": 50_000, "merchant": "Kiosk",
}  # fmt: skip


@pytest.fixture(scope="module")
def people() -> FactBatch:
    """Return people other than those on whom the width of the band was calibrated."""
    ((_, rows),) = population(600, 11, Date(day("2026-06-30")), 18)
    return batch_of(rows)


def batch_of(rows: Rows) -> FactBatch:
    return batch_from(ordered(coded(rows.tables(), Schema())), Schema())


def forecast(*transactions: dict[str, Any], as_of: str = AS_OF) -> tuple[str | None, ...]:
    rows = sorted(transactions, key=lambda row: row["booking date"])
    context = customer_context(batch_of(bank(rows)), 0, Date(day(as_of)), streams=True)
    names = ("pay day", "forecast", "forecast low", "forecast high")
    values = (context["accounts"][0][name] for name in names)
    return tuple(None if value is None else feel_text(value) for value in values)


def test_the_forecast_is_the_balance_less_due_and_usual_payments() -> None:
    found = forecast(*PAY, *RENT, *SHOPS, NOW)
    assert found == ("2026-06-26", "120.00", "110.00", "200.00")
    assert forecast(*PAY, *SHOPS, NOW) == ("2026-06-26", "420.00", "410.00", "500.00")
    assert forecast(*PAY, *RENT, NOW) == ("2026-06-26", "200.00", "200.00", "200.00")


def test_a_late_bill_is_still_due_but_a_stopped_one_is_not() -> None:
    late = [row for row in RENT if row["booking date"] != day("2026-05-20")]
    assert forecast(*PAY, *RENT, NOW, as_of="2026-06-22")[1] == "200.00"
    assert forecast(*PAY, *late, NOW, as_of="2026-06-22")[1] == "500.00"


@pytest.mark.parametrize(
    "rows",
    [
        [*RENT, *SHOPS, NOW],
        [*PAY, *RENT, {**NOW, "balance": None}],
        [*PAY[2:], *SHOPS[2:], NOW],
        [NOW],
    ],
)
def test_without_income_balance_or_history_there_is_no_forecast(rows: list[dict[str, Any]]) -> None:
    assert forecast(*rows)[1:] == (None, None, None)


@pytest.mark.parametrize("balance", [2**52, -(2**52), -(2**63) + 1, 2**63 - 1])
def test_balances_near_overflow_have_no_forecast(balance: int) -> None:
    rows = sorted([*PAY, *SHOPS, {**NOW, "balance": balance}], key=lambda row: row["booking date"])
    batch, as_of = batch_of(bank(rows)), Date(day(AS_OF))
    balances = account_balances(batch, as_of)
    assert balances.tolist() == [balance]
    found = forecasts(find_streams(batch, as_of), batch, balances, as_of)
    assert found["pay day"].values.tolist() == [day("2026-06-26")]
    assert found["forecast"].values.tolist() == [NULL_MONEY]


def test_a_stream_of_oversized_amounts_is_left_out_of_the_forecast() -> None:
    large = [row | {"amount": -(2**43)} for row in RENT]
    assert forecast(*PAY, *large, NOW) == ("2026-06-26", "500.00", "500.00", "500.00")


def test_late_pay_is_not_counted_before_it_arrives() -> None:
    assert forecast(*PAY, NOW, as_of="2026-06-28")[:2] == ("2026-06-29", "500.00")


def test_transactions_after_the_date_are_ignored() -> None:
    later = [row | {"booking date": row["booking date"] + 30} for row in (*SHOPS, NOW)]
    future = [row for row in later if row["booking date"] > day(AS_OF)]
    assert len(future) == 2
    assert forecast(*PAY, *RENT, *SHOPS, NOW, *future) == forecast(*PAY, *RENT, *SHOPS, NOW)


def test_both_engines_give_equal_forecasts(people: FactBatch) -> None:
    known = 'accounts[type = "current" and forecast != null and pay day > today()]'
    values = {name: f"total({known}.forecast{more})" for name, more in BAND.items()}
    rule = Rule("r", "tip", "r", f"count({known}) > 0", "1", Message("x", "x"), values)
    checked, _ = check_rule(rule, Schema(), load_definitions())
    plan = make_plan(make_ruleset([checked]), Date(day("2026-05-05")), Schema())
    assert all(planned.whole for planned in plan.columns.rules)
    few = people.slice(100, 112)  # test_recurring compares the forecasts of many
    wanted = evaluate(plan, few).results
    assert Engine(plan).evaluate(few).results.data.tobytes() == wanted.data.tobytes()
    assert sum(row.results[0].state == "qualified" for row in wanted.rows()) > 9


# -- held-out weeks --------------------------------------------------------------------------------

WEEKS = (
    *("2026-01-08", "2026-02-03", "2026-03-02", "2026-03-17"),
    *("2026-04-10", "2026-05-05", "2026-06-01"),
)


@pytest.fixture(scope="module")
def outcomes(people: FactBatch) -> dict[str, Array]:
    """For each type of account, week and account -1, 0 or 1: below, within or above the band.

    For current accounts also the chance of a shortfall, in hundredths, and whether it came.
    """
    weeks = [week_of(people, Date(day(week))) for week in WEEKS]
    return {name: np.concatenate([week[name] for week in weeks]) for name in weeks[0]}


def week_of(people: FactBatch, as_of: Date) -> dict[str, Array]:
    table = people.transactions.columns
    days, amounts = table["booking date"].values, table["amount"].values
    account = people.account_rows()[table["account"].values]
    salary = table["type"].values == table["type"].dictionary.index("salary")
    kinds = people.accounts.columns["type"]
    balances = np.full(len(kinds.values), NULL_MONEY, np.int64)
    for row in np.flatnonzero(days <= as_of.day):
        balances[account[row]] = table["balance"].values[row]
    found = forecasts(find_streams(people, as_of), people, balances, as_of)
    pay = found["pay day"].values
    until = (days > as_of.day) & (days < pay[account]) & ~salary
    held = balances + np.bincount(account[until], amounts[until], len(balances)).astype(np.int64)
    known = (found["forecast"].values != NULL_MONEY) & (pay > as_of.day + 1)
    known &= (pay != NULL_DATE) & (pay <= day("2026-06-30"))
    low, high = found["forecast low"].values, found["forecast high"].values
    outcome = np.where(held < low, -1, np.where(held > high, 1, 0))
    is_current = known & (kinds.values == kinds.dictionary.index("current"))
    return {
        "current": outcome[is_current],
        "savings": outcome[known & (kinds.values == kinds.dictionary.index("savings"))],
        "chance": found["shortfall chance"].values[is_current],
        "short": held[is_current] < 0,
    }


def test_four_of_five_balances_are_within_the_band(
    outcomes: dict[str, Array], report: Report
) -> None:
    found = outcomes["current"]
    coverage = float((found == 0).mean())
    report("coverage", coverage)
    report("below", float((found < 0).mean()))
    assert len(found) > 3_500
    assert 0.75 <= coverage <= 0.85


def test_balances_of_savings_are_within_the_band_more_often(
    outcomes: dict[str, Array], report: Report
) -> None:
    found = outcomes["savings"]
    report("coverage", float((found == 0).mean()))
    assert (found == 0).mean() > 0.85


@pytest.mark.parametrize(
    ("low", "high", "fewest", "most"),
    [(0, 5, 0, 0.05), (20, 50, 0.2, 0.5), (50, 80, 0.45, 0.8), (95, 101, 0.9, 1)],
)
def test_shortfalls_come_about_as_often_as_their_chance_says(
    outcomes: dict[str, Array], report: Report, low: int, high: int, fewest: float, most: float
) -> None:
    chosen = (outcomes["chance"] >= low) & (outcomes["chance"] < high)
    came = float(outcomes["short"][chosen].mean())
    report("accounts", int(chosen.sum()))
    report("mean chance", float(outcomes["chance"][chosen].mean() / 100))
    report("came", came)
    assert chosen.sum() > 50
    assert fewest <= came <= most


# -- the command -----------------------------------------------------------------------------------


def test_the_streams_command_shows_the_band(tuppence: Run, tmp_path: Any) -> None:
    FactStore.create(tmp_path / "money", Schema()).append(bank([*PAY, *RENT, *SHOPS, NOW]))
    done = tuppence("forecast", "ann", "--store", "money", "--as-of", AS_OF)
    for text in ("2026-06-26", "500", "120", "110.00 to 200.00"):
        assert text in done.stdout
    done = tuppence("forecast", "ann", "--store", "money", "--as-of", AS_OF, "--format", "json")
    assert '"forecast low": "110.00"' in done.stdout
