"""A census says nothing about a person, and finds what was planted for many."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.building import day, some_rules
from tests.conftest import Report
from tests.payments import frame
from tests.planted import planted, with_raised_prices

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.derived.peers import among_peers
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import Census
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import PURPOSES, Access, Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Schema
from tuppence.facts.source import LoadedFacts
from tuppence.feel.values import Date
from tuppence.usecases import take_census as taking
from tuppence.usecases.take_census import (
    FEW,
    LEAST,
    ROUND,
    parts_to_count,
    renew_census,
    stable_median,
    take_census,
)

Row = dict[str, Any]
NOTHING: Access = frozenset()
FIRST = Date(day("2026-06-01"))
LAST = Date(day("2026-06-30"))


def rounded_median(values: list[float]) -> int:
    return int(ROUND[np.searchsorted(ROUND, sorted(values)[len(values) // 2])])


def test_no_figure_depends_on_few_people() -> None:
    random = np.random.default_rng(1)
    figures = 0
    for _ in range(2_000):
        values = np.sort(np.rint(random.lognormal(6, 0.2, int(random.integers(40, 120)))))
        figure = stable_median(values.astype(np.int64))
        if figure is None:
            continue
        figures += 1
        assert len(values) >= LEAST + FEW
        leaving = int(random.integers(0, FEW + 1))
        first = int(random.choice((0, (len(values) - leaving) // 2, len(values) - leaving)))
        left = np.delete(values, range(first, first + leaving))
        joining = random.choice((1, 400, 1_000_000), int(random.integers(0, FEW + 1 - leaving)))
        assert rounded_median([*left, *joining]) == figure
    assert figures > 300


def test_a_figure_is_about_fifty_people_and_is_rounded_up() -> None:
    assert stable_median(np.full(54, 4_900)) is None
    assert stable_median(np.full(55, 4_900)) == 5_000
    assert stable_median(np.full(55, 5_001)) == 6_300
    assert stable_median(np.zeros(55, np.int64)) is None
    halves = np.repeat([4_900, 9_000], [30, 30])
    assert stable_median(halves) is None  # the median may be either
    assert stable_median(np.repeat([4_900, 9_000], [33, 27])) == 5_000


# -- of some people --------------------------------------------------------------------------------


def many(count: int, risen: int) -> FactBatch:
    """Return the facts of people who earn and spend alike, and whose bill rose for some."""
    tables: dict[str, list[Row]] = {"customers": [], "accounts": [], "transactions": []}
    for number in range(count):
        name = f"c{number:03}"
        tables["customers"].append({"id": name, "currency": "GBP", "birth year": 1990})
        tables["accounts"].append({"id": f"{name}-1", "customer": name, "type": "current"})
        price = 3_500 if number < risen else 3_250
        rows = [(370 - 30 * n, 150_000, "income", "salary", "Employer") for n in range(12)]
        rows += [(30 * n + 5, -4_900, "eating out", "card", "Bean Yard") for n in range(3)]
        rows += [(30 * n + 9, -3_250, "broadband", "direct debit", "Quickline") for n in (1, 2, 3)]
        rows.append((9, -price, "broadband", "direct debit", "Quickline"))
        for ago, amount, category, kind, merchant in rows:
            count_of = len(tables["transactions"])
            tables["transactions"].append(
                {"id": str(count_of), "sequence": count_of, "account": f"{name}-1",
                 "booking date": FIRST.day - 1 - ago, "amount": amount, "category": category,
                 "type": kind, "merchant": merchant, "own transfer": False}
            )  # fmt: skip
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    return batch_from(ordered(coded(frames, Schema())), Schema())


def counted_at(facts: PermittedFacts, first: Date = FIRST) -> Census:
    return take_census(facts, first, parts_to_count(facts, first))


def census_of(batch: FactBatch, limited: Mapping[str, Access] | None = None) -> Census:
    facts = LoadedFacts(Schema(), "digest", {"p1": batch})
    return counted_at(PermittedFacts(facts, limited or {}))


def test_a_census_has_what_fifty_people_and_five_more_have_in_common() -> None:
    people = many(60, 55)
    found = Census(FIRST.day, {"GBP 1 1": {"eating out": 5_000}}, {"GBP": {"Quickline": 800}})
    assert census_of(people) == found
    assert census_of(people.slice(0, 54)) == Census(FIRST.day)


def test_a_price_rose_for_many_if_it_rose_for_most() -> None:
    assert census_of(many(100, 55)).rises == {"GBP": {"Quickline": 800}}
    assert census_of(many(101, 55)).rises == {}


def test_of_many_people_whole_partitions_are_drawn_by_month(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = many(60, 60)
    batches = {f"p{number}": people for number in range(5)}
    facts = PermittedFacts(LoadedFacts(Schema(), "digest", batches), {})
    read: list[str] = []

    def permitted(name: str, _: Collection[str]) -> FactBatch:
        read.append(name)
        return people

    monkeypatch.setattr(facts, "read", permitted)
    monkeypatch.setattr(taking, "MOST", 150)
    counted: list[int] = []
    census = take_census(
        facts, FIRST, parts_to_count(facts, FIRST), threads=2, advance=counted.append
    )
    assert census == census_of(people)
    assert counted == [60, 60, 60]
    drawn = set(read)
    assert len(drawn) == len(read) == 3
    months = set[frozenset[str]]()
    for month in range(1, 7):
        read.clear()
        counted_at(facts, Date(day(f"2026-{month:02}-01")))
        months.add(frozenset(read))
    assert drawn in months
    assert len(months) > 1


def test_people_whose_consents_allow_nothing_are_in_no_figure() -> None:
    people = many(60, 60)
    assert census_of(people, dict.fromkeys(people.customer_ids[:5], NOTHING)).usual
    assert census_of(people, dict.fromkeys(people.customer_ids[:6], NOTHING)) == Census(FIRST.day)


@pytest.mark.long
def test_planted_cases_are_found_in_a_population(report: Report) -> None:
    people = planted(10_000, 6, LAST, share=0.02, kinds=("peers",))
    raised = with_raised_prices(people, {"Quickline": 1.09, "Riverside Water": 1.04}, FIRST)
    census = census_of(raised.batch)
    told = among_peers(replace(people.batch, census=census), LAST)["above peers"].values
    truth = np.isin(np.array(people.batch.customer_ids), list(people.cases["peers"]))
    known = told != 2
    precision = float(((told == 1) & truth).sum() / (told == 1).sum())
    by_chance = float(((told == 1) & ~truth).sum() / (known & ~truth).sum())
    report("above peers: known", float(known.mean()))
    report("above peers: told", float((told == 1).mean()))
    report("above peers: precision", precision)
    report("above peers: recall", float(((told == 1) & truth).sum() / (truth & known).sum()))
    report("above peers: told by chance", by_chance)
    assert census.rises == {"GBP": {"Quickline": 1_000, "Riverside Water": 400}}
    assert census_of(people.batch).rises == {}  # no price rises for many by chance
    assert by_chance <= 0.01
    assert precision >= 0.6


# -- in a store ------------------------------------------------------------------------------------


def test_a_census_is_taken_once_a_month_if_a_rule_reads_it(store: Path) -> None:
    held = StoreFolder(store)
    rules = some_rules("spending_above_peers")

    def night(text: str) -> bool:
        return renew_census(held, rules, Use(PURPOSES, day(text), day(text)))

    other = some_rules("bank_fees")
    assert not renew_census(held, other, Use(PURPOSES, LAST.day, LAST.day))
    before = held.facts().digest
    nights = ("2026-06-01", "2026-06-30", "2026-07-01", "2026-06-30")
    assert [night(text) for text in nights] == [True, False, True, False]
    assert held.census() == Census(day("2026-07-01"))
    assert held.facts().digest != before
    (name, _) = held.facts().partitions()[0]
    assert held.facts().read(name).census == held.census()


def test_an_erasure_removes_the_census(store: Path) -> None:
    held = StoreFolder(store)
    held.keep_census(Census(FIRST.day))
    facts = held.facts()
    facts.erase(facts.customers()["id"][0])
    assert facts.census is held.census() is None
