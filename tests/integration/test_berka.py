"""Checks a real bank's data, by the shipped mapping, against the bank's own books and lists."""

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import polars as pl
import pytest
from tests.building import ROOT, SHARED, TOKENS, day
from tests.conftest import Report

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.derived.balances import account_balances
from tuppence.derived.streams import find_streams
from tuppence.engine.columnar import Engine
from tuppence.engine.reference import evaluate
from tuppence.engine.rule_tests import try_examples
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.files import read_rules
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset

BERKA = SHARED / "data" / "berka"
EXAMPLE = ROOT / "examples" / "berka"

pytestmark = pytest.mark.skipif(
    not BERKA.exists(), reason="the Berka data are not part of this project; see examples/berka"
)

DATES = [Date(day("1995-06-30") + 67 * n) for n in range(20)]
"""Twenty dates over the whole period, on different days of the month."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FactStore:
    store = FactStore.create(tmp_path_factory.mktemp("berka"), Schema())
    for table in ("accounts", "transactions"):
        mapping = read_mapping(EXAMPLE / f"{table}.yaml", Schema())
        owners = Owners(store.customers(), store.owners())
        today = datetime.date(2000, 1, 1)
        reading = read_table(BERKA / f"{table}.csv", mapping, Schema(), owners, today, TOKENS)
        assert reading.rejects.height == 0
        store.append(reading.rows)
    return store


@pytest.fixture(scope="module")
def books() -> pl.DataFrame:
    """Return the bank's own rows: account, day, signed amount and balance in hellers, category."""
    frame = pl.read_csv(BERKA / "transactions.csv", infer_schema=False)
    hellers = [
        (pl.col(n).cast(pl.Float64) * 100).round().cast(pl.Int64) for n in ("amount", "balance")
    ]
    return frame.with_columns(hellers).select(
        account="account_id",
        day=pl.col("date").str.to_date().cast(pl.Int32),
        signed=pl.when(pl.col("credit") == "true").then("amount").otherwise(-pl.col("amount")),
        balance="balance",
        category="category",
        operation="operation",
    )


def ruleset(values: dict[str, str]) -> Ruleset:
    plain = {
        "id": "sums", "kind": "insight", "title": "Sums", "when": "true", "score": "1",
        "message": {"title": "x", "body": "x"}, "values": values,
    }  # fmt: skip
    checked, findings = check_rule(msgspec.convert(plain, Rule), Schema(), load_definitions())
    assert not [f for f in findings if not f.diagnostic.warning]
    return make_ruleset([checked])


def computed(
    store: FactStore, rules: Ruleset, dates: Sequence[Date]
) -> Iterator[tuple[Date, str, dict[str, Decimal | None]]]:
    batches = [store.read(name) for name, _ in store.partitions()]
    for date in dates:
        plan = make_plan(rules, date, store.schema)
        columnar = Engine(plan)
        for batch in batches:
            found = evaluate(plan, batch).results
            assert columnar.evaluate(batch).results.data.tobytes() == found.data.tobytes()
            for row in found.rows():
                yield date, row.customer_id, dict(row.results[0].values)


@pytest.fixture(scope="module")
def totals(store: FactStore) -> list[tuple[Date, str, Decimal]]:
    """Return the sum of each account's transactions at each date."""
    found = computed(store, ruleset({"sum": "total(transactions.amount)"}), DATES)
    totals = [(date, account, values["sum"]) for date, account, values in found]
    return [(date, account, total) for date, account, total in totals if total is not None]


def end_of_day(rows: list[tuple[int, int]], before: int) -> int:
    """Return the bank's balance after a day's rows of (signed, balance), which are in no order.

    It is the balance that no other row of the day begins from; where interest was rounded in the
    rows, the nearest to what the day must have come to.
    """
    expected = before + sum(signed for signed, _ in rows)
    return min((balance for _, balance in rows), key=lambda balance: abs(balance - expected))


@pytest.fixture(scope="module")
def closing(books: pl.DataFrame) -> dict[str, list[tuple[int, int, int]]]:
    """Return for each account its days, the bank's balance after each, and the rounded rows."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    by_day = books.group_by("account", "day", maintain_order=True).agg(
        "signed", "balance", rounded=(pl.col("operation") == "interest").sum()
    )
    for account, on, signed, balances, rounded in by_day.sort("account", "day").iter_rows():
        days = found.setdefault(account, [(-(10**6), 0, 0)])
        _, before, drift = days[-1]
        after = end_of_day(list(zip(signed, balances, strict=True)), before)
        days.append((on, after, drift + rounded))
    return found


def texts(batch: FactBatch, table: str, name: str) -> list[str | None]:
    found = batch.accounts if table == "accounts" else find_streams(batch, END).table
    column = found.columns[name]
    return [column.dictionary[code] for code in column.values.tolist()]


END = Date(day("1999-01-01"))


def test_balances_are_those_at_the_end_of_the_day(
    store: FactStore, closing: dict[str, list[tuple[int, int, int]]], report: Report
) -> None:
    """Within a day the rows stand in no order: only their balances say which is the last."""
    right = wrong = 0
    for batch in [store.read(name) for name, _ in store.partitions()]:
        for date in (*DATES, END):
            balances = account_balances(batch, date).tolist()
            for account, balance in zip(texts(batch, "accounts", "id"), balances, strict=True):
                assert account is not None
                on, expected, _ = [row for row in closing[account] if row[0] <= date.day][-1]
                if on > 0:
                    right += balance == expected
                    wrong += balance != expected
    report("balances", right / (right + wrong))
    assert right > 4_000
    assert right / (right + wrong) >= 0.99


def test_standing_orders_are_found(store: FactStore, report: Report) -> None:
    """Compare outgoing streams with the bank's list of orders; each payee is an account number."""
    streams = pl.concat(
        pl.DataFrame(
            {
                **{name: texts(batch, "streams", name) for name in ("account", "payee", "kind")},
                "amount": find_streams(batch, END).table.columns["amount"].values,
            }
        )
        for batch in [store.read(name) for name, _ in store.partitions()]
    ).filter(pl.col("kind") != "income")
    key = ["account", "payee", "amount"]
    hellers = (pl.col("amount").cast(pl.Float64) * 100).round().cast(pl.Int64)
    listed = pl.read_csv(BERKA / "standing_orders.csv", infer_schema=False)
    orders = listed.select(account="account_id", payee="account_to", amount=hellers)
    rows = pl.read_csv(BERKA / "transactions.csv", infer_schema=False)
    thrice = (
        rows.filter(credit="false")
        .group_by(account="account_id", payee="partner_account", amount=hellers)
        .len()
        .filter(pl.col("len") >= 3)
    )
    in_data = orders.join(thrice, on=key, how="semi").unique()
    precision = streams.join(orders, on=key, how="semi").height / streams.height
    recall = in_data.join(streams, on=key, how="semi").height / in_data.height
    report("precision", precision)
    report("recall", recall)
    assert streams.height > 400
    assert precision >= 0.99
    assert recall >= 0.99


def test_totals_are_the_banks_own_balances(
    totals: list[tuple[Date, str, Decimal]], closing: dict[str, list[tuple[int, int, int]]]
) -> None:
    """Rows round interest and a few deposits to a tenth of a crown; balances are exact.

    So the sum of the rows may drift from the balance by half a tenth for each rounded row, and no
    more; where no row was rounded, the two are equal to the heller.
    """
    checked = exact = 0
    for date, account, total in totals:
        _, balance, rounded = [row for row in closing[account] if row[0] <= date.day][-1]
        assert abs(total * 100 - balance) <= 5 * rounded + 10, (account, date)
        checked += 1
        exact += total * 100 == balance
    assert checked == 354 * len(DATES)
    assert exact > checked // 3


def test_totals_are_the_sum_of_the_rows_to_the_heller(
    totals: list[tuple[Date, str, Decimal]], books: pl.DataFrame
) -> None:
    for date, account, total in totals:
        expected = books.filter((pl.col("account") == account) & (pl.col("day") <= date.day))
        assert total == Decimal(int(expected["signed"].sum())).scaleb(-2)


WINDOWS = {"month": 30, "quarter": 90, "year": 365}
CATEGORIES = ("housing", "insurance", "fee")


def test_aggregates_equal_an_independent_computation(store: FactStore, books: pl.DataFrame) -> None:
    """Compares counts, sums, means, minima, maxima and last values, by category and window."""
    texts: dict[str, str] = {}
    for window, days in WINDOWS.items():
        for category in CATEGORIES:
            rows = f'payments[category = "{category}" and booking date > today() - @"P{days}D"]'
            name = f"{window}_{category}"
            texts[f"count_{name}"] = f"count({rows})"
            texts[f"last_{name}"] = f"{rows}[-1].amount"
            for function in ("sum", "mean", "min", "max"):
                texts[f"{function}_{name}"] = f"{function}({rows}.amount)"
    categories = {"household": "housing", "statement_fee": "fee", "overdraft_interest": "fee"}
    paid = (
        books.filter(pl.col("signed") < 0)
        .with_columns(pl.col("category").replace(categories), amount=-pl.col("signed"))
        .with_row_index()
        .sort("day", "index")
    )
    compared = 0
    dates = DATES[:4]
    for date, account, values in computed(store, ruleset(texts), dates):
        own = paid.filter((pl.col("account") == account) & (pl.col("day") <= date.day))
        for window, days in WINDOWS.items():
            for category in CATEGORIES:
                amounts = own.filter(
                    (pl.col("day") > date.day - days) & (pl.col("category") == category)
                )["amount"].to_list()
                name = f"{window}_{category}"
                expected: dict[str, Decimal | None] = dict.fromkeys(
                    ("sum", "mean", "min", "max", "last")
                )
                if amounts:
                    mean = Decimal(sum(amounts)) / len(amounts)
                    parts = {"sum": sum(amounts), "min": min(amounts), "max": max(amounts)}
                    parts["last"] = amounts[-1]
                    expected = {n: Decimal(v).scaleb(-2) for n, v in parts.items()}
                    expected["mean"] = round(mean.scaleb(-2), 4)
                assert values[f"count_{name}"] == len(amounts)
                for function, value in expected.items():
                    assert values[f"{function}_{name}"] == value, (account, date, function, name)
                    compared += 1
    assert compared == 354 * len(dates) * 9 * 5


def test_the_example_rules_are_right() -> None:
    rules = read_rules(EXAMPLE / "rules", Schema()).usable()
    assert [v for rule in rules for v in try_examples(rule, Schema()) if v.failures] == []


def test_repeating_an_import_changes_nothing(store: FactStore) -> None:
    before = store.digest
    mapping = read_mapping(EXAMPLE / "transactions.yaml", Schema())
    owners = Owners(store.customers(), store.owners())
    path: Path = BERKA / "transactions.csv"
    reading = read_table(path, mapping, Schema(), owners, datetime.date(2000, 1, 1), TOKENS)
    counts = store.append(reading.rows)["transactions"]
    assert (counts.new, counts.changed, counts.unchanged) == (0, 0, 30_200)
    assert store.digest == before
