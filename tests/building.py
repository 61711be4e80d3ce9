"""Facts for tests, written briefly."""

import functools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.tabular import Owners
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import POLARS_TYPES, Rows, columns
from tuppence.facts.schema import Schema
from tuppence.feed.choice import Moment, Outcome, Reader, choose
from tuppence.feed.items import DAY
from tuppence.feed.policy import STANDARD
from tuppence.feel.values import parse_date
from tuppence.results.result import Result
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.files import read_rules
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset

ROOT = Path(__file__).parent.parent
RULES = len(list((ROOT / "catalogue").glob("*.yaml")))
"""In the catalogue."""
SHARED = ROOT.parent / "shared"
TOKENS = Tokens(lambda: b"a secret of tests")
NOBODY = Owners(
    pl.DataFrame(schema={"id": pl.String, "currency": pl.String}),
    pl.DataFrame(schema=dict.fromkeys(("id", "customer", "currency"), pl.String)),
)
"""The owners of a new store."""
ONE_BY_ONE = """
id: kinds
kind: insight
title: Several kinds
score: 40
when: count(distinct values(for account in accounts return account.type + "s")) > 1
message: {title: Several kinds, body: You have several kinds of accounts.}
"""
"""A rule that is no column, so that the interpreter evaluates it, in several processes."""


@functools.cache
def catalogue() -> Ruleset:
    """The catalogue, for facts without fields of a bank's own; read once a process."""
    return make_ruleset(read_rules(ROOT / "catalogue", Schema()).usable())


def some_rules(*names: str) -> Ruleset:
    """Some rules of the catalogue: checking and planning all of them takes a second or two."""
    rules: list[CheckedRule] = []
    for name in names:
        rules += read_rules(ROOT / "catalogue" / f"{name}.yaml", Schema()).usable()
    return make_ruleset(rules)


def ranked(
    results: Iterable[Result], rules: Mapping[str, Rule], day: int, limit: int
) -> list[Result]:
    """Return what the feed of somebody who has seen nothing yet shows, by the standard policy."""
    policy = msgspec.structs.replace(STANDARD, places=limit)
    chosen = choose(results, rules, Reader(), policy, Moment(day, day, day * DAY))
    return [one.result for one in chosen if one.outcome is Outcome.SHOWN]


def copy_rules(folder: Path, *names: str) -> Path:
    """Copy some rules of the catalogue to a new folder, and return it."""
    folder.mkdir()
    for name in names:
        shutil.copy(ROOT / "catalogue" / f"{name}.yaml", folder)
    return folder


def day(text: str) -> int:
    """Days since 1970-01-01."""
    date = parse_date(text)
    assert date is not None
    return date.day


def frame(
    table: str, rows: Sequence[dict[str, object]], schema: Schema | None = None
) -> pl.DataFrame:
    """Rows of a table as a store takes them; what is left out is null."""
    types = {n: POLARS_TYPES[f.kind] for n, f in columns(table, schema or Schema()).items()}
    data = {name: [row.get(name) for row in rows] for name in types}
    return pl.DataFrame(data, schema=types)


def bank(transactions: Sequence[Mapping[str, Any]], customer: str = "ann") -> Rows:
    """One customer with one account, and its transactions."""
    filled = [
        {"id": str(i), "sequence": i, "own transfer": False, "account": f"{customer}-1", **row}
        for i, row in enumerate(transactions)
    ]
    return Rows(
        frame("customers", [{"id": customer, "currency": "GBP", "country": "GB"}]),
        frame("accounts", [{"id": f"{customer}-1", "customer": customer, "type": "current"}]),
        frame("transactions", filled),
    )


TODAY = day("2026-06-30")


def together(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several customers as those of one import."""
    found = [part.tables() for part in parts]
    return Rows(**{name: pl.concat(one[name] for one in found) for name in found[0]})


def rule(when: str, score: str = "1", name: str = "r", **values: str) -> CheckedRule:
    written = Rule(name, "tip", name, when, score, Message("x", "x"), values)
    return check_rule(written, Schema(), load_definitions())[0]


def batch(*amounts: Sequence[int], currency: str = "GBP") -> FactBatch:
    """A customer for each list of signed amounts, a day apart, the last one today."""
    frames: dict[str, list[Any]] = {"customers": [], "accounts": [], "transactions": []}
    for number, of_one in enumerate(amounts):
        name = f"c{number:03d}"
        frames["customers"].append({"id": name, "currency": currency})
        frames["accounts"].append({"id": name, "customer": name, "type": "current"})
        frames["transactions"] += [
            {"id": f"{name}-{i}", "sequence": i, "account": name, "own transfer": False,
             "booking date": TODAY - len(of_one) + 1 + i, "amount": amount, "merchant": "M"}
            for i, amount in enumerate(of_one)
        ]  # fmt: skip
    tables = {name: frame(name, rows) for name, rows in frames.items()}
    return batch_from(ordered(coded(tables, Schema())), Schema())
