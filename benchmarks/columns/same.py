"""Evaluates ten rules over payments in one engine, for all customers of a file.

python same.py ENGINE FILE SECONDS
python same.py polars-many FILE RULES

The latter evaluates more rules, whose conditions a JSON file gives as FEEL by name.

The file is Parquet: customer, day, amount, category, merchant, type; own transfers are left out and
amounts are positive. Prints, as JSON, the number of customers who qualify for each rule, the number
of customers evaluated, and the seconds that it took.
"""

import functools
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.feel.rules import RULES

LAST = 20_000
Counts = dict[str, int]


def days_of(rule: str, last: int) -> str:
    """Return a rule with the last day of the file in place of its own."""
    return rule.replace(str(LAST), str(last))


def polars(path: str) -> tuple[Counts, int]:
    """Evaluate in Polars, streaming, with filters inside aggregations."""
    import polars as pl

    lazy = pl.scan_parquet(path)
    last = lazy.select(pl.max("day")).collect().item()
    day, amount = pl.col("day"), pl.col("amount")
    category = pl.col("category")

    def where(*asked: Any) -> Any:
        return amount.filter(*asked)

    eating = category == "eating out"
    rules = {
        "bills": where(category == "energy", day > last - 365).count() >= 3,
        "spent": where(category == "groceries", day > last - 30).sum() > 100,
        "largest": where(day > last - 90).max() > 200,
        "small": where(pl.col("type") == "card", amount < 10, day > last - 7).count() >= 2,
        "rise": where(eating, day > last - 30).sum()
        > 1.25 * where(eating, day > last - 120).sum() / 4,
        "any": amount.max() > 490,
        "habit": where(pl.col("merchant") == "Bean Yard").count() > 5,
        "last": amount.last() > 20,
        "fare": (where(category == "transport").min() < 5) & (pl.len() > 100),
        "cash": where(pl.col("type") == "cash").sum() > 0.25 * amount.sum(),
    }
    held = lazy.group_by("customer").agg(**rules).select(pl.len().alias("n"), *(
        pl.col(name).fill_null(value=False).sum() for name in rules
    ))  # fmt: skip
    found = held.collect(engine="streaming").row(0, named=True)
    customers = found.pop("n")
    return found, customers


def _put(
    made: list[Any],
    asked: Callable[[str], Any],
    build: Callable[[Any], Any],
    found: re.Match[str],
) -> str:
    made.append(build(asked(found[1])))
    return f"X[{len(made) - 1}]"


def polars_many(path: str, conditions: dict[str, str]) -> tuple[Counts, int]:
    """Evaluate many rules of `rules.py` in Polars, with their conditions translated."""
    import polars as pl

    lazy = pl.scan_parquet(path)
    last = lazy.select(pl.max("day")).collect().item()

    def asked(text: str) -> Any:
        parts = []
        for part in text.split(" and "):
            if found := re.fullmatch(r'(\w+) = "(.*)"', part):
                parts.append(pl.col(found[1]) == found[2])
            elif found := re.fullmatch(r"(\w+) in \((.*)\)", part):
                parts.append(pl.col(found[1]).is_in(json.loads(f"[{found[2]}]")))
            elif found := re.fullmatch(r"amount > (\d+)", part):
                parts.append(pl.col("amount") > int(found[1]))
            elif part == "merchant != null":
                parts.append(pl.col("merchant").is_not_null())
            elif found := re.fullmatch(r'booking date (<=|>) today\(\) - @"P(\d+)D"', part):
                day = last - int(found[2])
                parts.append(pl.col("day") <= day if found[1] == "<=" else pl.col("day") > day)
            else:
                raise ValueError(part)
        return pl.all_horizontal(parts)

    amount, merchant = pl.col("amount"), pl.col("merchant")
    forms: dict[str, Callable[[Any], Any]] = {
        r"count\(distinct values\(payments\[([^\]]*)\]\.merchant\)\)": lambda c: merchant.filter(
            c
        ).n_unique(),
        r"count\(payments\[([^\]]*)\]\)": lambda c: amount.filter(c).count(),
        r"total\(payments\[([^\]]*)\]\.amount\)": lambda c: amount.filter(c).sum(),
        r"max\(payments\[([^\]]*)\]\.amount\)": lambda c: amount.filter(c).max(),
        r"mean\(payments\[([^\]]*)\]\.amount\)": lambda c: amount.filter(c).mean(),
        r"payments\[([^\]]*)\]\[-1\]\.amount": lambda c: amount.filter(c).last(),
        r"payments\[([^\]]*)\]\[-2\]\.amount": lambda c: amount.filter(c).slice(-2, 1).first(),
    }
    rules = {}
    for name, text in conditions.items():
        made: list[Any] = []
        plain = text
        for form, build in forms.items():
            put = functools.partial(_put, made, asked, build)
            plain = re.sub(form, put, plain)
        parts = [eval(part, {"X": made}) for part in plain.split(" and ")]  # noqa: S307 - our own
        rules[name] = pl.all_horizontal(parts)
    held = lazy.group_by("customer").agg(**rules).select(
        pl.len().alias("n"), *(pl.col(name).fill_null(value=False).sum() for name in rules)
    )  # fmt: skip
    found = held.collect(engine="streaming").row(0, named=True)
    customers = found.pop("n")
    return found, customers


def duckdb(path: str) -> tuple[Counts, int]:
    """Evaluate in DuckDB, as one query."""
    import duckdb as library

    query = f"""
    WITH last AS (SELECT max(day) AS d FROM '{path}'), c AS (
      SELECT customer,
        count(*) FILTER (category = 'energy' AND day > d - 365) >= 3 AS bills,
        sum(amount) FILTER (category = 'groceries' AND day > d - 30) > 100 AS spent,
        max(amount) FILTER (day > d - 90) > 200 AS largest,
        count(*) FILTER (type = 'card' AND amount < 10 AND day > d - 7) >= 2 AS small,
        sum(amount) FILTER (category = 'eating out' AND day > d - 30) > 1.25 *
          sum(amount) FILTER (category = 'eating out' AND day > d - 120) / 4 AS rise,
        max(amount) > 490 AS "any",
        count(*) FILTER (merchant = 'Bean Yard') > 5 AS habit,
        last(amount ORDER BY file_row_number) > 20 AS "last",
        min(amount) FILTER (category = 'transport') < 5 AND count(*) > 100 AS fare,
        sum(amount) FILTER (type = 'cash') > 0.25 * sum(amount) AS cash
      FROM read_parquet('{path}', file_row_number = true), last GROUP BY customer)
    SELECT count(*), {", ".join(f'count(*) FILTER ("{r.name}")' for r in RULES)} FROM c
    """  # noqa: S608 - our own path
    (row,) = library.sql(query).fetchall()
    return dict(zip((rule.name for rule in RULES), row[1:], strict=True)), row[0]


def rows_of(path: str, most: int) -> tuple[list[list[dict[str, Any]]], int]:
    """Return the payments of some customers as contexts, and the last day of the file."""
    import polars as pl

    frame = pl.read_parquet(path)
    few = frame["customer"].unique(maintain_order=True).head(most)
    parts = frame.filter(pl.col("customer").is_in(few)).partition_by("customer")
    return [part.drop("customer").to_dicts() for part in parts], frame.select(pl.max("day")).item()


def one_by_one(
    path: str, seconds: float, compile_all: Callable[[int], dict[str, Callable[[Any], Any]]]
) -> tuple[Counts, int, float]:
    """Evaluate one customer after another, until the time is up or all are done."""
    customers, last = rows_of(path, 2000)
    rules = compile_all(last)
    counts = dict.fromkeys(rules, 0)
    began, done = time.perf_counter(), 0
    for payments in customers:
        for name, evaluate in rules.items():
            try:
                counts[name] += evaluate(payments) is True
            except Exception:  # noqa: S112 - such as the minimum of an empty list: not qualified
                continue
        done += 1
        if time.perf_counter() - began > seconds and done >= 20:
            break
    return counts, done, time.perf_counter() - began


def _of_payments(evaluate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of payments that evaluates a rule over them."""
    return lambda payments: evaluate({"payments": payments})


def zen(last: int) -> dict[str, Callable[[Any], Any]]:
    """Return the rules as evaluated by ZEN, the engine of GoRules, written in Rust."""
    import zen as library

    made = {r.name: library.compile_expression(days_of(r.zen, last)) for r in RULES if r.zen}
    return {name: _of_payments(e.evaluate) for name, e in made.items()}


def cel(last: int) -> dict[str, Callable[[Any], Any]]:
    """Return the rules as evaluated by CEL, in an implementation in Rust."""
    import cel as library

    made = {r.name: library.compile(days_of(r.cel, last)) for r in RULES if r.cel}
    return {name: _of_payments(e.execute) for name, e in made.items()}


def rule_engine(last: int) -> dict[str, Callable[[Any], Any]]:
    """Return the rules as evaluated by rule-engine, written in Python."""
    import rule_engine as library

    made = {r.name: library.Rule(days_of(r.rule_engine, last)) for r in RULES if r.rule_engine}
    return {name: _of_payments(e.evaluate) for name, e in made.items()}


def python(last: int) -> dict[str, Callable[[Any], Any]]:
    """Return the rules as Python functions over lists of dicts, as one would write them by hand."""

    def total(rows: Any) -> Any:
        return sum(p["amount"] for p in rows)

    def of(payments: Any, name: str, value: str, days: int) -> list[Any]:
        return [p for p in payments if p[name] == value and p["day"] > last - days]

    everything = 1_000_000
    return {
        "bills": lambda ps: len(of(ps, "category", "energy", 365)) >= 3,
        "spent": lambda ps: total(of(ps, "category", "groceries", 30)) > 100,
        "largest": lambda ps: max(p["amount"] for p in ps if p["day"] > last - 90) > 200,
        "small": lambda ps: sum(p["amount"] < 10 for p in of(ps, "type", "card", 7)) >= 2,
        "rise": lambda ps: (
            total(of(ps, "category", "eating out", 30))
            > 1.25 * total(of(ps, "category", "eating out", 120)) / 4
        ),
        "any": lambda ps: any(p["amount"] > 490 for p in ps),
        "habit": lambda ps: len(of(ps, "merchant", "Bean Yard", everything)) > 5,
        "last": lambda ps: ps[-1]["amount"] > 20,
        "fare": lambda ps: (
            min(p["amount"] for p in of(ps, "category", "transport", everything)) < 5
            and len(ps) > 100
        ),
        "cash": lambda ps: total(of(ps, "type", "cash", everything)) > 0.25 * total(ps),
    }


def main() -> None:
    """Measure one engine once."""
    engine, path = sys.argv[1], sys.argv[2]
    if engine == "polars-many":
        conditions = json.loads(Path(sys.argv[3]).read_text("utf-8"))
        began = time.perf_counter()
        counts, customers = polars_many(path, conditions)
        elapsed = time.perf_counter() - began
        json.dump({"counts": counts, "customers": customers, "seconds": elapsed}, sys.stdout)
        return
    seconds = float(sys.argv[3])
    whole = {"polars": polars, "duckdb": duckdb}
    if engine in whole:
        began = time.perf_counter()
        counts, customers = whole[engine](path)
        elapsed = time.perf_counter() - began
    else:
        compile_all = {"zen": zen, "cel": cel, "rule_engine": rule_engine, "python": python}[engine]
        counts, customers, elapsed = one_by_one(path, seconds, compile_all)
    json.dump({"counts": counts, "customers": customers, "seconds": elapsed}, sys.stdout)


main()
