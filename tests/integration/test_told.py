"""The insights of the catalogue make sense to people who are paid in different ways and places.

Invented people are evaluated on several days. Their whole money is known, so that it can be
compared with what they are told.
"""

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import pytest
from tests import building
from tests.people import TODAY, batch, due_between, people

from tuppence.bankdata.synthetic import population
from tuppence.engine.columnar import Engine
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, parse_date
from tuppence.plan.plan import make_plan
from tuppence.results.result import Result, State
from tuppence.rules.message import render
from tuppence.rules.ruleset import Ruleset

DAYS: Final = [
    *(TODAY - datetime.timedelta(days=number) for number in (0, 3, 6, 12, 21)),
    *(datetime.date(2026, 6, number) for number in (4, 20)),
]
"""Days before and after the offers of the catalogue begin."""
FEED: Final = 5
"""Number of insights of a feed, where a person does not ask for more."""
LATER: Final = 120
"""Days during which people keep what they qualify for."""
BRITISH: Final = re.compile(
    r"£|\b(tenner|pence|quid|ISA|GB)\b|Gift Aid|GamCare|railcard|seven working days|5 April"
)
CONTRADICTIONS: Final = (
    ({"pay_arrived"}, {"pay_late", "pay_stopped"}),
    ({"spare_at_pay_day", "pay_day_saving", "idle_money", "offer_savings_account"},
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
    return building.catalogue()


class Evening(NamedTuple):
    """The results of everybody on a day, and what is in their accounts."""

    day: datetime.date
    results: list[tuple[str, tuple[Result, ...]]]
    balances: dict[str, int]


@pytest.fixture(scope="module")
def evenings(catalogue: Ruleset) -> list[Evening]:
    everybody, found = people(), list[Evening]()
    for day in DAYS:
        facts = batch(everybody, day)
        balances = facts.transactions.columns["balance"].values
        ends = (facts.transactions.offsets[1:] - 1).tolist()
        last = dict(zip(facts.customer_ids, balances[ends].tolist(), strict=True))
        found.append(Evening(day, list(evaluated(catalogue, facts, day_of(day))), last))
    return found


@pytest.fixture(scope="module")
def told(catalogue: Ruleset, evenings: list[Evening]) -> list[Told]:
    by_name = {one.name: one for one in people()}
    return [
        Told(person, evening.day, result, wordings(catalogue, result, by_name[person].currency))
        for evening in evenings
        for person, results in evening.results
        for result in results
        if result.state is State.QUALIFIED
    ]


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
        shown = {one.rule_id for one in building.ranked(results, rules, day.day, 100)}
        for left, right in CONTRADICTIONS:
            found += [(name, a, b) for a in left & shown for b in right & shown]
    return found


def test_the_table_of_contradictions_names_rules(catalogue: Ruleset) -> None:
    ids = {one.rule.id for one in catalogue.rules}
    assert {name for pair in CONTRADICTIONS for side in pair for name in side} <= ids


def test_invented_people_are_told_many_things(told: list[Told]) -> None:
    by_rule = Counter(one.result.rule_id for one in told)
    expected = {
        "pay_arrived", "pay_day_saving", "idle_money", "bills_next_week",
        "commitments_share", "gambling_share", "bank_fees", "charity_year", "small_purchases",
        "travel_money", "week_in_review", "energy_costs", "overdrawn",
    }  # fmt: skip
    assert expected <= by_rule.keys()


def test_each_offer_and_reward_is_shown_to_somebody(
    catalogue: Ruleset, evenings: list[Evening]
) -> None:
    """Insights of a higher tier or score come first, until they have expired or were dismissed."""
    rules = {one.rule.id: one.rule for one in catalogue.rules}

    def shown_in_turn(results: Sequence[Result], day: int) -> Iterator[str]:
        """Yield what a person sees who dismisses whatever is shown."""
        while names := {one.rule_id for one in building.ranked(results, rules, day, FEED)}:
            yield from names
            results = [one for one in results if one.rule_id not in names]

    shown = {
        name
        for evening in evenings
        for _, results in evening.results
        for later in range(0, LATER, 5)
        for name in shown_in_turn(results, day_of(evening.day).day + later)
    }
    wanted = {name for name, rule in rules.items() if rule.kind in {"offer", "reward"}}
    assert sorted(wanted - shown) == []


def test_nobody_outside_the_united_kingdom_reads_of_british_things(told: list[Told]) -> None:
    abroad = [one for one in told if not one.person.endswith("-GB")]
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


def test_what_is_to_spare_is_not_due_on_pay_day(told: list[Told], evenings: list[Evening]) -> None:
    everybody = {one.name: one for one in people()}
    balances = {evening.day: evening.balances for evening in evenings}
    seen = Counter[str]()
    for one in told:
        rule = one.result.rule_id
        if rule in {"spare_at_pay_day", "pay_day_saving"}:
            spare = one.result.values["spare"] * 100
            first, last = (one.day + datetime.timedelta(days=ahead) for ahead in (1, 8))
            due = due_between(first, last, everybody[one.person].habit)
            assert spare <= balances[one.day][one.person] - due, one
            seen[rule] += 1
        if rule == "spare_at_pay_day":
            assert everybody[one.person].pay not in {"weekly", "fortnightly"}, one
    assert min(seen[rule] for rule in ("spare_at_pay_day", "pay_day_saving")) > 2


def test_feeds_of_invented_people_do_not_contradict_themselves(
    catalogue: Ruleset, evenings: list[Evening]
) -> None:
    for evening in evenings:
        found = contradictions(catalogue, iter(evening.results), day_of(evening.day))
        assert (evening.day, found) == (evening.day, [])


def test_feeds_of_the_synthetic_population_do_not_contradict_themselves(
    catalogue: Ruleset,
) -> None:
    last = day_of(datetime.date(2026, 6, 30))
    for _, rows in population(200, 5, last, 13):
        assert rows.customers is not None
        assert rows.accounts is not None
        assert rows.transactions is not None
        tables = {
            "customers": rows.customers, "accounts": rows.accounts,
            "transactions": rows.transactions,
        }  # fmt: skip
        facts = batch_from(ordered(coded(tables, Schema())), Schema())
        for before in (0, 3, 10, 30):
            date = Date(last.day - before)
            assert contradictions(catalogue, evaluated(catalogue, facts, date), date) == []
