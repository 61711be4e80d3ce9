"""The columnar engine at ties, at extremes, in parts; previews; what it gathers, in words."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.building import TODAY, bank, batch, frame, rule
from tests.generative.comparing import assert_same, planned
from tests.generative.making import Maker, facts

from tuppence import compiled
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.derived.context import customer_context
from tuppence.derived.tables import DerivedTables
from tuppence.engine import classes, columnar, reference, table_binding
from tuppence.engine.columnar import BoundPlan, Engine, feature_values
from tuppence.engine.explanation import explain
from tuppence.engine.kernel.outputs import UNSURE_STATE
from tuppence.errors import UserError
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import TABLES, FieldType, Schema
from tuppence.feel.values import Date
from tuppence.plan import predicates
from tuppence.plan.plan import Plan, make_plan
from tuppence.results.result import State
from tuppence.rules.checking import CheckedRule
from tuppence.rules.ruleset import make_ruleset


def plan_of(*rules: CheckedRule) -> Plan:
    return make_plan(make_ruleset(rules), Date(TODAY), Schema())


TIES = {
    "payments[-1].amount > 1.1 * payments[-2].amount": ((-10_000, -11_000), (-10_000, -11_001)),
    "payments[-1].amount >= 1.1 * payments[-2].amount": ((-10_000, -11_000), (-10_000, -10_999)),
    "mean(payments.amount) > 33.33": ((-3333, -3333, -3333), (-3333, -3333, -3334)),
    "mean(payments.amount) = 100 / 3": ((-3333, -3333, -3334), (-10_000,)),
    "total(payments.amount) * 0.1 = 0.7": ((-700,), (-701,)),
    "0.1 * payments[-1].amount + 0.2 * payments[-1].amount = 0.3 * payments[-1].amount": (
        (-100,), (-33,),
    ),
    "sum(payments.amount) / 3 * 3 = sum(payments.amount)": ((-100,), (-300,), (-1,)),
    "percentage(payments[1].amount, total(payments.amount)) >= 33.3": ((-333, -667), (-333, -668)),
    "total(payments.amount) > 1.25 * total(receipts.amount)": ((), (-125, 100), (-126, 100)),
    "median(payments.amount) = 0.15": ((-10, -20), (-15,), (-10, -21)),
}  # fmt: skip


@pytest.mark.parametrize("when", TIES)
def test_ties_come_out_as_decimals_do(when: str) -> None:
    for currency in ("GBP", "JPY", "KWD"):
        assert_same(plan_of(rule(when)), batch(*TIES[when], currency=currency))


@pytest.mark.parametrize(
    "score",
    ["payments[1].amount / 8", "payments[1].amount * 0.00005", "payments[1].amount / 3 / 10000",
     "100 - payments[1].amount / 30000", "0.00015 * count(payments)", "1 / 30000"],
)  # fmt: skip
def test_scores_at_the_edge_of_rounding_come_out_as_decimals_do(score: str) -> None:
    customers = [(-amount,) for amount in (1, 3, 4, 5, 7, 12, 100, 150, 300, 5000, 10_000, 15_000)]
    assert_same(plan_of(rule("count(payments) > 0", score, v=score)), batch(*customers))


def test_few_pairs_are_unsure_and_they_are_the_ties() -> None:
    made = plan_of(rule("payments[-1].amount > 1.1 * payments[-2].amount"))
    customers = [(-10_000, -11_000 - cents) for cents in range(-50, 51)]
    states = BoundPlan(made.columns, batch(*customers)).run(0, 101).states
    assert np.flatnonzero(states[0] == UNSURE_STATE).tolist() == [50]


def test_amounts_too_large_for_floats_are_the_references() -> None:
    largest = 2**63 - 1
    customers = [(-largest,), (largest, largest), (-(10**10),), (-(10**10) - 1,), (-1, largest)]
    whens = ("sum(transactions.amount) > 5", "max(payments.amount) > 1", "count(payments) = 1")
    made = plan_of(*(rule(when, name=f"r{n}") for n, when in enumerate(whens)))
    facts_ = batch(*customers)
    assert_same(made, facts_)
    states = BoundPlan(made.columns, facts_).run(0, len(customers)).states
    assert (states[0] == UNSURE_STATE).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_many_rows(count: int) -> None:
    random_ = random.Random(1)
    many = [random_.randrange(-10_000, 10_000) for _ in range(count)]
    made = plan_of(
        rule("sum(transactions.amount) > 0", name="a", m="median(payments.amount)"),
        rule('count(payments[merchant = "M"]) > 5', "mean(payments.amount) / 100", name="b"),
    )
    facts_ = batch(many, many[:3])
    assert_same(made, facts_)


def test_a_rule_that_is_too_dear_for_many_rows_is_the_references() -> None:
    heavy = " + ".join(f"count(payments[amount > {n}])" for n in range(60))
    made = plan_of(rule(f"{heavy} >= 3"))
    limit = int(made.columns.program.limits[0])
    assert limit < 10_000
    facts_ = batch([-100] * (limit + 1), [-100] * 3)
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 2).states[0].tolist() == [UNSURE_STATE, 1]


@pytest.mark.parametrize(
    ("when", "states"),
    [
        ('count(payments) > 1 and string(count(payments)) = "2"', [0, UNSURE_STATE, UNSURE_STATE]),
        ('count(payments) > 2 or string(count(payments)) = "2"', [UNSURE_STATE, UNSURE_STATE, 1]),
        ('payments[2].amount > 1 and string(count(payments)) = "2"', [UNSURE_STATE, 0, 0]),
        ('string(count(payments)) = "2" and count(payments) > 1', [UNSURE_STATE] * 3),
        (
            'count(payments) > 1 and (count(payments) > 2 or string(count(payments)) = "2")',
            [0, UNSURE_STATE, 1],
        ),
        (
            '(count(payments) > 1 or string(count(payments)) = "2") and count(payments) > 9',
            [UNSURE_STATE] * 3,
        ),
    ],
)
def test_the_interpreter_evaluates_what_a_condition_leaves_open(
    when: str, states: list[int]
) -> None:
    made = plan_of(rule(when, "count(payments)", n="count(payments)"))
    facts_ = batch(*([-100] * count for count in (1, 2, 3)))
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 3).states[0].tolist() == states


def test_a_condition_that_exceeds_its_budget_is_unknown_whatever_follows() -> None:
    dear = "count(for p in payments, q in payments return p.amount + q.amount) > 1"
    made = plan_of(rule(f"{dear} and count(payments) = 0"), rule(f"{dear} or true", name="b"))
    (row,) = assert_same(made, batch([-1] * 2_000)).rows()
    assert [result.state for result in row.results] == [State.UNKNOWN, State.UNKNOWN]


def test_pairs_that_others_interpret_are_put_beside_the_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columnar, "MAX_INTERPRETED", 1)
    made = plan_of(
        rule("count(payments) > 0", name="a", n="payments[1]", t='string("é")'),
        rule('string(count(payments)) = "2"', "count(payments)", name="b", d="today()"),
        rule("count(payments) > 1", "count(payments)", name="c", n="count(payments)"),
    )
    facts_ = batch((-500,), (-100, -200), (), (-1, -2, -3))
    engine, asked = Engine(made), list[columnar.Pair]()

    def beside(pairs: Sequence[columnar.Pair]) -> columnar.Interpretation:
        asked.extend(pairs)
        return Engine(made).interpret(facts_, pairs)

    monkeypatch.setattr(columnar, "MAX_SHARE", 4)  # of few pairs for each customer, none is shared
    engine.evaluate(facts_, beside)
    assert asked == []
    monkeypatch.setattr(columnar, "MAX_SHARE", 0.25)
    found, wanted = engine.evaluate(facts_, beside), reference.evaluate(made, facts_)
    assert found.results.data.tobytes() == wanted.results.data.tobytes()
    assert found.problems == wanted.problems
    assert asked == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (3, 0), (3, 1)]


def test_the_interpreter_sees_the_same_rows_with_what_columns_derive() -> None:
    facts_ = facts(random.Random(3), 40, 60)
    derived = DerivedTables(facts_, Date(TODAY), ())
    for customer in range(len(facts_)):
        given = derived.of(customer, transactions=True, streams=True)
        found, wanted = (
            customer_context(facts_, customer, Date(TODAY), streams=True, derived=one)
            for one in (given, None)
        )
        assert repr(found) == repr(wanted)


def test_rows_of_tables_that_a_rule_does_not_read_leave_it_in_columns() -> None:
    heavy = " + ".join(f'count(accounts[balance > {n} or type = "x"])' for n in range(60))
    of_accounts, of_payments = rule(f"{heavy} >= 0", name="a"), rule("count(payments) > 0")
    made = plan_of(of_accounts, of_payments)
    facts_ = batch([-100] * (int(made.columns.program.limits[0]) + 1))
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 1).states.tolist() == [[1], [1]]


@pytest.mark.parametrize(
    "when",
    [
        "count(payments[floor(amount) = amount]) > 0",
        "count(payments[modulo(amount, 2) = 1 and amount > 3]) = 1",
        "count(payments[amount in (5, 7)]) = 2",
        "count(payments[not(amount in ([1..5], > 9))]) = 1",
        "count(transactions[balance in (1, null)]) = 3",
        "odd(customer.history days) or customer.history days = 2",
    ],
)
def test_numbers_are_asked_in_any_way(when: str) -> None:
    made = plan_of(rule(when))
    assert all(one.whole for one in made.columns.rules)
    assert_same(made, batch((-500, -700, 300), (-999, -1000)))


def test_what_a_filter_asks_of_each_row_costs_the_interpreter_steps() -> None:
    """With so many rows the interpreter gives up, and says unknown: so must the columns."""
    asked = " and ".join(['contains(merchant, "M")'] * 12)
    made, facts_ = plan_of(rule(f"count(payments[{asked}]) > 0")), batch([-1] * 12_000, [-1])
    (row, _) = assert_same(made, facts_).rows()
    assert row.results[0].state is State.UNKNOWN
    plain = plan_of(rule("count(payments) > 0"))
    assert plain.columns.program.limits[0] > 4 * made.columns.program.limits[0]


def test_customers_can_be_looked_at_again() -> None:
    counts = "count(distinct values(payments.merchant)) = 1"
    prepared = BoundPlan(plan_of(rule(counts)).columns, batch((-1, -2), (-3,)))
    for start, stop in ((0, 1), (0, 1), (0, 2), (1, 2), (0, 2)):
        assert prepared.run(start, stop).states[0].tolist() == [1] * (stop - start)


def test_accounts_of_one_type_are_one() -> None:
    frames = {
        "customers": frame("customers", [{"id": "c", "currency": "GBP"}]),
        "accounts": frame("accounts", [
            {"id": f"c{n}", "customer": "c", "type": kind, "opened": 19_000 if n else None}
            for n, kind in enumerate(("current", "savings", "current"))
        ]),
        "transactions": frame("transactions", [
            {"id": str(n), "sequence": n, "account": f"c{n}", "own transfer": False,
             "amount": -1, "booking date": TODAY} for n in range(3)
        ]),
    }  # fmt: skip
    facts_ = batch_from(ordered(coded(frames, Schema())), Schema())
    made = plan_of(
        rule("count(distinct values(payments.account type)) = 2", name="a"),
        rule("count(distinct values(accounts.opened)) = 2", name="c"),
        rule('payments[-2].account type = "savings"', name="b", t="payments[1].account type"),
    )
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 1).states[:, 0].tolist() == [1, 1, 1]


def test_repeated_is_the_same_amount_merchant_and_account_within_two_days() -> None:
    rows = [
        (0, "a", "M", -500), (2, "a", "M", -500), (5, "a", "M", -500), (5, "a", "M", -500),
        (6, "b", "M", -500), (6, "a", "N", -500), (6, "a", "M", -501), (7, "a", None, -9),
        (7, "a", None, -9), (8, "a", "M", -501),
    ]  # fmt: skip
    frames = {
        "customers": frame("customers", [{"id": "c", "currency": "GBP"}]),
        "accounts": frame("accounts", [
            {"id": account, "customer": "c", "type": "current"} for account in "ab"
        ]),
        "transactions": frame("transactions", [
            {"id": str(n), "sequence": n, "account": account, "own transfer": False,
             "amount": amount, "merchant": merchant, "booking date": TODAY - 8 + days}
            for n, (days, account, merchant, amount) in enumerate(rows)
        ]),
    }  # fmt: skip
    facts_ = batch_from(ordered(coded(frames, Schema())), Schema())
    made = plan_of(
        rule("count(transactions[repeated]) = 3", name="a"),
        rule("count(payments[repeated and amount = 5]) = 2", name="b"),
        rule("payments[repeated][-1].amount = 5.01", name="c"),
    )
    assert made.transaction_fields is not None
    assert "merchant" in made.transaction_fields
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 1).states[:, 0].tolist() == [1, 1, 1]


def test_repeated_is_found_among_thousands_of_a_day_and_not_in_others_rows() -> None:
    ann = [-amount for amount in range(1, 6_000)]
    people = {"ann": [*ann, ann[0]], "bob": ann[:10]}
    frames = {
        "customers": frame("customers", [{"id": one, "currency": "GBP"} for one in people]),
        "accounts": frame("accounts", [
            {"id": one, "customer": one, "type": "current"} for one in people
        ]),
        "transactions": frame("transactions", [
            {"id": str(n), "sequence": n, "account": one, "own transfer": False,
             "amount": amount, "merchant": "M", "booking date": TODAY}
            for one, amounts in people.items() for n, amount in enumerate(amounts)
        ]),
    }  # fmt: skip
    facts_ = batch_from(ordered(coded(frames, Schema())), Schema())
    made = plan_of(rule("count(payments[repeated]) = 1"))
    assert_same(made, facts_)
    assert BoundPlan(made.columns, facts_).run(0, 2).states[0].tolist() == [1, 0]


def test_nobody_and_nothing() -> None:
    made = plan_of(rule("count(payments) = 0 and sum(payments.amount) = null"))
    assert_same(made, batch(()))
    assert len(Engine(made).evaluate(batch()).results) == 0
    nothing = plan_of()
    assert_same(nothing, batch((-1,)))


@pytest.mark.parametrize("seed", range(6))
def test_a_memo_that_is_full_begins_anew(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_binding, "MEMO_SIZE", 8)
    source = random.Random(1000 + seed)
    assert_same(planned(source, 25), facts(source, customers=4, most_rows=80))


def test_rules_that_ask_too_much_at_once_are_refused() -> None:
    letters = "abcdefghijkl"
    whens = [
        f'count(payments[contains({field}, "{letter}")]) > 0'
        for field in ("category", "merchant", "text", "type", "country")
        for letter in letters
    ]
    made = plan_of(*(rule(when, name=f"r{n}") for n, when in enumerate(whens)))
    frames = {
        "customers": frame("customers", [{"id": "c", "currency": "GBP"}]),
        "accounts": frame("accounts", [{"id": "c", "customer": "c", "type": "current"}]),
        "transactions": frame("transactions", [
            {"id": f"{i}", "sequence": i, "account": "c", "own transfer": False, "amount": -1,
             "booking date": TODAY, "category": text, "merchant": text, "text": text,
             "type": text, "country": text}
            for i in range(4096)
            for text in ["".join(letter for n, letter in enumerate(letters) if i >> n & 1)]
        ]),
    }  # fmt: skip
    wide = batch_from(ordered(coded(frames, Schema())), Schema())
    with pytest.raises(UserError, match="too many different conditions on transactions") as caught:
        Engine(made).evaluate(wide)
    assert caught.value.code == "plan.too-wide"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_from_batch_to_batch_changes_no_result(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_binding, "MEMO_SIZE", 64)
    monkeypatch.setattr(classes, "MAX_KNOWN", 20)
    source = random.Random(2000 + seed)
    made = planned(source, 25)
    engine = Engine(made)
    for size in (1, 1, 3, 1, 4, 2):
        assert_same(made, facts(source, customers=size, most_rows=60), engine)


def test_an_engine_serves_several_threads() -> None:
    source = random.Random(11)
    made = planned(source, 25)
    batches = [facts(source, customers=3, most_rows=40) for _ in range(12)]
    wanted = [reference.evaluate(made, one).results.data.tobytes() for one in batches]
    engine = Engine(made)
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda one: engine.evaluate(one).results.data.tobytes(), batches * 3)
        assert list(found) == wanted * 3


def test_currencies_may_alternate() -> None:
    made = plan_of(rule("total(payments.amount) = 5", v="total(payments.amount)"))
    engine = Engine(made)
    frames = {
        "customers": frame("customers", [
            {"id": f"{n}", "currency": ("GBP", "JPY", "KWD")[n % 3]} for n in range(9)
        ]),
        "accounts": frame("accounts", [
            {"id": f"{n}", "customer": f"{n}", "type": "current"} for n in range(9)
        ]),
        "transactions": frame("transactions", [
            {"id": f"{n}", "sequence": n, "account": f"{n}", "own transfer": False,
             "amount": -5 * 10 ** (n // 3), "booking date": TODAY} for n in range(9)
        ]),
    }  # fmt: skip
    mixed = batch_from(ordered(coded(frames, Schema())), Schema())
    for one in (mixed, batch((-500,)), mixed):
        assert_same(made, one, engine)
    states = [
        row.results[0].state is State.QUALIFIED for row in engine.evaluate(mixed).results.rows()
    ]
    assert states == [False, True, False, False, False, False, True, False, False]


def test_classes_of_other_batches_take_no_room() -> None:
    letters = "abcdefghijkl"
    fields = ("category", "merchant", "text", "type", "country")
    whens = [
        f'count(payments[contains({f}, "{letter}")]) > 0' for f in fields for letter in letters
    ]
    made = plan_of(*(rule(when, name=f"r{n}") for n, when in enumerate(whens)))
    engine = Engine(made)
    for start in range(0, 4096, 512):
        texts = [
            "".join(x for n, x in enumerate(letters) if i >> n & 1)
            for i in range(start, start + 512)
        ]
        frames = {
            "customers": frame("customers", [{"id": "c", "currency": "GBP"}]),
            "accounts": frame("accounts", [{"id": "c", "customer": "c", "type": "current"}]),
            "transactions": frame("transactions", [
                {"id": text, "sequence": i, "account": "c", "own transfer": False, "amount": -1,
                 "booking date": TODAY, **dict.fromkeys(fields, text)}
                for i, text in enumerate(texts)
            ]),
        }  # fmt: skip
        assert_same(made, batch_from(ordered(coded(frames, Schema())), Schema()), engine)


def test_answers_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicates, "MAX_ANSWERS", 3)
    asked: list[int] = []

    def answer(value: int) -> bool:
        asked.append(value)
        return value > 1

    ask = predicates.MemoizedPredicate(answer, {})
    assert [ask(value) for value in (1, 2, 1, 3, 4, 1)] == [False, True, False, True, True, False]
    assert len(ask.known) <= 3
    assert asked == [1, 2, 3, 4, 1]


def test_parts_of_a_batch_are_as_the_whole() -> None:
    source = random.Random(7)
    made = planned(source, 25)
    whole = facts(source, customers=9, most_rows=30)
    prepared = BoundPlan(made.columns, whole)
    outputs = prepared.run(0, 9)
    for start, stop in ((0, 1), (3, 7), (8, 9), (5, 5)):
        part = prepared.run(start, stop)
        for one, other in zip(outputs, part, strict=True):
            assert (one[:, start:stop] == other).all()


def test_machine_code_is_kept_by_the_content_of_its_sources(tmp_path: Path) -> None:
    """Files of the same time and size, as releases have them, are not mistaken for each other."""
    for name in ("engine/kernel/compute.py", "plan/instructions.py", "feel/parser.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("A = 1")
    before = compiled.source_digest(tmp_path)
    (tmp_path / "feel/parser.py").write_text("A = 2")
    assert compiled.source_digest(tmp_path) == before
    (tmp_path / "plan/instructions.py").write_text("A = 2")
    assert compiled.source_digest(tmp_path) != before


def test_a_plan_reads_only_the_fields_it_needs(tmp_path: Any) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.append(bank([{"booking date": TODAY, "amount": -500, "category": "a", "balance": 7}]))
    made = plan_of(
        rule('count(payments[category = "a" and account type = "current"]) = 1', name="a"),
        rule("count(accounts[balance > 0]) = 1", name="b"),
    )
    fields = made.transaction_fields
    assert fields is not None
    assert "text" not in fields
    part = store.read("p00000", fields)
    assert set(part.transactions.columns) == fields
    engine = Engine(made)
    found = engine.evaluate(part).results.data.tobytes()
    assert found == engine.evaluate(store.read("p00000")).results.data.tobytes()
    assert plan_of(rule("count(payments[category = text]) = 1")).transaction_fields is None


def test_an_explanation_names_what_was_gathered() -> None:
    checked = rule(
        'count(payments[merchant = "M"]) >= 2 and total(payments.amount) > 5'
        ' and payments[-1].merchant = "M" and payments[1].booking date < today()'
    )
    facts_ = batch((-500, 700, -250))
    found = explain(checked, facts_, Date(TODAY), Schema())
    assert found.result.state is State.QUALIFIED
    gathered = dict(found.features)
    assert [str(gathered[text]) for text in sorted(gathered)] == [
        "2026-06-28", "M", "2", "-7.50",
    ]  # fmt: skip
    traced = {part.text: part.value for clause in found.clauses for part in clause.parts}
    (counted,) = (v for text, v in found.features if text.startswith("number of"))
    (summed,) = (v for text, v in found.features if text.startswith("sum of"))
    assert traced['count(payments[merchant = "M"])'] == counted
    assert traced["total(payments.amount)"] == -summed
    assert (
        explain(
            rule("count(payments[text = merchant]) = 0"), facts_, Date(TODAY), Schema()
        ).features
        == ()
    )


def test_what_is_gathered_is_what_the_interpreter_finds() -> None:
    made = plan_of(
        rule("median(payments.amount) > 0 and max(receipts.booking date) < today()", name="a"),
        rule(
            "transactions[1].own transfer or count(distinct values(payments.amount)) > 1", name="b"
        ),
    )
    found = {
        text.partition(" of transactions")[0]: v
        for text, v in feature_values(made.columns, batch((-100, 300, -200)), 0)
    }
    assert found["twice the median amount"] == Decimal("-3.00")
    assert found["number of different amount"] == 2


def test_rules_are_made_of_every_kind() -> None:
    """The generator's rules reach all that the planner knows."""
    source = random.Random(11)
    texts = [str(Maker(source).rule("a")) for _ in range(400)]
    for word in ("median", "largest", "some t in", "distinct", "[-2]", "between", "weekday"):
        assert any(word in text for text in texts), word


@pytest.mark.parametrize("country", [None, "GB"])
def test_filters_that_the_interpreter_writes_out_leave_many_rows_in_columns(
    country: str | None,
) -> None:
    whens = {
        "largest": 'largest(payments[type = "card" and amount >= 10]).merchant != null',
        "abroad": "count(payments[country != null and country != customer.country]) >= 2",
        "home": "count(payments[country = customer.country or merchant = null]) >= 2",
    }
    made = plan_of(*(rule(when, name=name) for name, when in whens.items()))
    frames = {
        "customers": frame("customers", [{"id": "c", "currency": "GBP", "country": country}]),
        "accounts": frame("accounts", [{"id": "c", "customer": "c", "type": "current"}]),
        "transactions": frame("transactions", [
            {"id": f"{n}", "sequence": n, "account": "c", "own transfer": False, "type": "card",
             "merchant": "M", "amount": -1_000 - n, "country": ("GB", "ES", None)[n % 3],
             "booking date": TODAY} for n in range(5_000)
        ]),
    }  # fmt: skip
    many = batch_from(ordered(coded(frames, Schema())), Schema())
    assert_same(made, many)
    states = BoundPlan(made.columns, many).run(0, 1).states[:, 0].tolist()
    assert UNSURE_STATE not in states


def test_a_ruleset_may_read_all_fields_of_a_table() -> None:
    numbers = {FieldType.MONEY, FieldType.NUMBER}
    for fields in TABLES.values():
        of_numbers = sum(field.kind in numbers for field in fields)
        assert of_numbers <= table_binding.NUMBER_COLUMNS
        assert len(fields) <= table_binding.CODE_COLUMNS
