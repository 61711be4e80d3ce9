"""The insights of the catalogue make sense to people who are paid in different ways and places.

Invented people are evaluated on many days. Their whole money is known, so that what they are told can
be compared with it.
"""

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.building import ROOT
from tests.people import TODAY, Person, batch, due_between, people, transactions

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.synthetic import generate
from tuppence.engine.columnar import Engine
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feed import rank
from tuppence.feel.values import Date, parse_date
from tuppence.plan.plan import make_plan
from tuppence.results.result import Result, State
from tuppence.rules.files import read_rules
from tuppence.rules.message import render
from tuppence.rules.ruleset import Ruleset, make_ruleset

DAYS: Final = [TODAY - datetime.timedelta(days=3 * number) for number in range(11)]
BRITISH: Final = re.compile(
    r"£|\btenner|\bpence\b|\bquid\b|\bISA\b|Gift Aid|GamCare|railcard|seven working days|5 April|\bGB\b"
)
CONTRADICTIONS: Final = (
    ({"pay_arrived"}, {"pay_late", "pay_stopped"}),
    ({"spare_at_pay_day", "pay_day_saving", "idle_money"},
     {"overdrawn", "overdraft_limit", "low_balance", "short_for_bills", "low_before_pay_day",
      "pay_day_soon"}),
    ({"spare_at_pay_day"}, {"pay_day_saving", "idle_money"}),
    ({"pay_day_saving"}, {"idle_money", "saving_streak"}),
    ({"saving_slowed"}, {"saving_streak"}),
    ({"pay_rose"}, {"pay_fell", "pay_stopped"}),
    ({"eating_out_up", "takeaway_habit"}, {"eating_out_down"}),
    ({"quiet_week"}, {"week_in_review", "month_in_review"}),
    ({"bills_next_week"}, {"bill_due_soon"}),
    ({"commitments_share"}, {"housing_share"}),
    ({"many_subscriptions"}, {"subscriptions_total"}),
    ({"spending_abroad"}, {"travel_money"}),
)  # fmt: skip
"""Insights that must not stand together in a feed: any of the first with any of the second."""


class Told(NamedTuple):
    """An insight that somebody qualifies for on a day, with all its wordings."""

    person: str
    day: datetime.date
    result: Result
    texts: tuple[str, ...]


@pytest.fixture(scope="module")
def catalogue() -> Ruleset:
    return make_ruleset(read_rules(ROOT / "catalogue", Schema()).usable())


@pytest.fixture(scope="module")
def told(catalogue: Ruleset) -> list[Told]:
    everybody = people()
    by_name = {one.name: one for one in everybody}
    found = []
    for day in DAYS:
        facts = batch(everybody, day)
        for person, results in evaluated(catalogue, facts, day_of(day)):
            for result in results:
                if result.state is State.QUALIFIED:
                    texts = wordings(catalogue, result, by_name[person].currency)
                    found.append(Told(person, day, result, texts))
    return found


def day_of(day: datetime.date) -> Date:
    date = parse_date(day.isoformat())
    assert date is not None
    return date


def evaluated(
    ruleset: Ruleset, facts: FactBatch, day: Date
) -> Iterator[tuple[str, tuple[Result, ...]]]:
    """Yield the results of each customer of a batch."""
    plan = make_plan(ruleset, day, Schema())
    for row in Engine(plan).evaluate(facts).results.rows():
        yield row.customer_id, row.results


def wordings(ruleset: Ruleset, result: Result, currency: str) -> tuple[str, ...]:
    (rule,) = [one.rule for one in ruleset.rules if one.rule.id == result.rule_id]
    texts = []
    for index in range(len(rule.message.wordings)):
        shown = render(rule, result.values, currency, "en_GB", index)
        texts += [shown.title, shown.body]
    return tuple(texts)


def contradictions(
    ruleset: Ruleset, customers: Iterator[tuple[str, tuple[Result, ...]]], day: Date
) -> list[tuple[str, str, str]]:
    """Return the pairs that stand together in the feeds of some customers, and must not."""
    rules = {one.rule.id: one.rule for one in ruleset.rules}
    found = []
    for name, results in customers:
        shown = {one.rule_id for one in rank(results, rules, day.day, 100)}
        for left, right in CONTRADICTIONS:
            found += [(name, a, b) for a in left & shown for b in right & shown]
    return found


def test_the_table_of_contradictions_names_rules(catalogue: Ruleset) -> None:
    ids = {one.rule.id for one in catalogue.rules}
    assert {name for pair in CONTRADICTIONS for side in pair for name in side} <= ids


def test_invented_people_are_told_many_things(told: list[Told]) -> None:
    by_rule = Counter(one.result.rule_id for one in told)
    expected = {
        "pay_arrived", "pay_day_saving", "idle_money", "low_balance", "bills_next_week",
        "commitments_share", "gambling_share", "bank_fees", "charity_year", "small_purchases",
        "travel_money", "week_in_review", "energy_costs", "overdrawn",
    }  # fmt: skip
    assert expected <= by_rule.keys()


def test_nobody_outside_the_united_kingdom_reads_of_british_things(told: list[Told]) -> None:
    abroad = [one for one in told if "-GB-" not in one.person]
    wrong = [(one.result.rule_id, text) for one in abroad for text in one.texts
             if BRITISH.search(text)]  # fmt: skip
    assert wrong == []
    assert any(BRITISH.search(text) for one in told for text in one.texts)


def test_no_message_has_a_gap(told: list[Told]) -> None:
    for one in told:
        for text in one.texts:
            assert text.strip()
            assert not re.search(r"None|null|\bnan\b|  |-?[£€$]-|\{|\}", text), (one.result, text)


def test_bills_of_a_month_are_compared_with_the_income_of_a_month(told: list[Told]) -> None:
    monthly_pay = Decimal(2600)
    for one in told:
        values = one.result.values
        if one.result.rule_id == "pay_arrived" and values["income"]:
            assert abs(values["income"] - monthly_pay) < monthly_pay / 10, one
        if one.result.rule_id in {"commitments_share", "housing_share"}:
            assert abs(values["income"] - monthly_pay) < monthly_pay / 10, one


def test_what_is_to_spare_is_not_due_on_pay_day(told: list[Told]) -> None:
    everybody = {one.name: one for one in people()}
    seen = 0
    for one in told:
        if one.result.rule_id not in {"spare_at_pay_day", "pay_day_saving"}:
            continue
        person = everybody[one.person]
        spare = one.result.values["spare"] * 100
        tomorrow = one.day + datetime.timedelta(days=1)
        due = due_between(tomorrow, one.day + datetime.timedelta(days=8))
        assert spare <= balance(person, one.day) - due, one
        if one.result.rule_id == "spare_at_pay_day":
            assert person.pay not in {"weekly", "fortnightly"}, one
        seen += 1
    assert seen > 20


def balance(person: Person, day: datetime.date) -> int:
    rows = transactions(person, day)
    return int(rows[-1]["balance"])


def test_feeds_of_invented_people_do_not_contradict_themselves(
    catalogue: Ruleset,
) -> None:
    for day in DAYS:
        date = day_of(day)
        customers = evaluated(catalogue, batch(people(), day), date)
        assert contradictions(catalogue, customers, date) == []
