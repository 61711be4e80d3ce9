"""A preview counts as a run would, and compares with what the last run stored."""

import random
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.building import TODAY, bank, batch, ranked, rule, together
from tests.previews import NoRuns

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.nights import night_dependencies
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import Schema
from tuppence.facts.source import LoadedFacts
from tuppence.feed.policy import STANDARD
from tuppence.feel.values import Date
from tuppence.results.result import State
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Approval, FeedSettings, Message, Rule
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.previewer import Comparison, Difference, Previewer
from tuppence.usecases.run_night import run_night

USE = Use(PURPOSES, TODAY, TODAY)


def permitted(facts: LoadedFacts, left_out: Sequence[str] = ()) -> PermittedFacts:
    return PermittedFacts(facts, {name: frozenset() for name in left_out})


def test_a_preview_counts_as_a_run_would() -> None:
    batches = {f"p{n}": batch(*[(-100 * (i + n),) * 2 for i in range(30)]) for n in range(3)}
    source = LoadedFacts(Schema(), "digest", batches)
    checked = rule("total(payments.amount) > 20", "total(payments.amount)", name="new")
    live = make_ruleset([rule("total(payments.amount) > 50", name="other"),
                         rule("customer.birth year > 1990", name="unknown"),
                         rule("count(payments[merchant = text]) = 0", name="slow")])  # fmt: skip
    found = Previewer(NoRuns(), permitted(source), Date(TODAY), threads=2).preview(checked, live)
    totals = [Decimal(2 * (i + n)) for n in range(3) for i in range(30)]
    qualified = [total for total in totals if total > 20]
    assert (found.customers, found.qualified, found.unknown) == (90, len(qualified), 0)
    assert sum(found.scores) == len(qualified)
    assert found.scores[2] == sum(20 <= total < 30 for total in qualified)
    assert {o.rule_id: o.both for o in found.overlaps} == {
        "other": sum(total > 50 for total in totals), "slow": len(qualified), "unknown": 0,
    }  # fmt: skip
    assert len(found.examples) == 10
    assert found.columns
    nobody = Previewer(NoRuns(), permitted(source), Date(TODAY)).preview(
        rule("count(payments[merchant = text]) > 5")
    )
    assert (nobody.qualified, nobody.examples, nobody.columns) == (0, (), False)
    assert source.find("c003").customer_ids == ("c003",)


def test_a_preview_of_nobody_is_empty() -> None:
    source = LoadedFacts(Schema(), "digest", {"p": batch((-100,), (-200,))})
    left_out = source.read("p").customer_ids
    checked = rule("total(payments.amount) > 20", "total(payments.amount)", name="new")
    live = make_ruleset([rule("total(payments.amount) > 50", name="other")])
    for source_, lapsed in ((source, left_out), (LoadedFacts(Schema(), "digest", {}), ())):
        facts = permitted(source_, lapsed)
        found = Previewer(NoRuns(), facts, Date(TODAY)).preview(checked, live)
        assert (found.customers, found.qualified, found.unknown) == (0, 0, 0)
        assert (found.scores, found.examples) == ((0,) * 10, ())
        assert [(o.rule_id, o.both, o.other) for o in found.overlaps] == [("other", 0, 0)]


def live_rule(
    name: str, when: str, score: str, topic: str | None = None, **fields: Any
) -> CheckedRule:
    written = Rule(name, "tip", name, when, score, Message("x", "x"), topic=topic, **fields)
    return check_rule(written, Schema(), load_definitions())[0]


LIVE = (
    live_rule("always", "true", "60", "b"),
    live_rule("big", "total(payments.amount) > 60", "total(payments.amount)"),
    live_rule(
        "deal",
        "count(payments) < 4",
        "10",
        communication="financial promotion",
        approval=Approval("Firm", "2020-01-01", "1"),
    ),
    live_rule("few", "count(payments) < 3", "50 + count(payments)", "a"),
    live_rule("largest", "max(payments.amount) > 20", "max(payments.amount)", "a"),
    live_rule("many", "count(payments) > 1", "50"),
    live_rule("odd", "modulo(count(payments), 2) = 1", "null"),
    live_rule("some", "total(payments.amount) > 10", "50", "b"),
    live_rule("thirds", "modulo(count(payments), 3) = 0", "55"),
)
DRAFTS = (
    live_rule("draft", "total(payments.amount) > 30", "54"),
    live_rule("draft", "count(payments) > 2", "total(payments.amount) / 2", "a"),
    live_rule("many", "count(payments) > 2", "52", "b"),
    live_rule("largest", "false", "1", "a"),
    live_rule("draft", "count(payments) > 3", "0"),
    live_rule(
        "draft", "if count(payments) > 1 then null else false", "1", feed=FeedSettings(tier=1)
    ),
)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> StoreFolder:
    """A store of forty customers in several partitions, in which the live rules have run."""
    random_ = random.Random(3)  # noqa: S311 - any amounts will do
    path = tmp_path_factory.mktemp("night") / "store"
    facts = FactStore.create(path, Schema())
    parts = []
    for number in range(40):
        rows = [
            {"booking date": TODAY - n, "amount": -100 * random_.randrange(1, 40)}
            for n in range(random_.randrange(1, 6))
        ]
        parts.append(bank(rows, f"c{number:02d}"))
    facts.append(together(parts), partition_size=15)
    facts.compact()
    store = StoreFolder(path)
    evaluate(store, LIVE)
    return store


def evaluate(store: StoreFolder, rules: Sequence[CheckedRule], as_of: int = TODAY) -> None:
    run_night(night_dependencies(store, USE), make_ruleset(rules), Date(as_of), 1, lambda _: None)


def previewer(store: StoreFolder, as_of: int = TODAY, budget: int = 0) -> Previewer:
    return Previewer(store, store.permitted_facts(USE), Date(as_of), 2, budget)


def feeds(store: StoreFolder) -> dict[str, list[str]]:
    """Return the rules that each customer's feed shows."""
    found = {}
    with store.read_results() as kept:
        for row in kept.scan():
            rules = store.rules(row.ruleset)
            shown = ranked(row.results, rules, TODAY, STANDARD.places)
            found[row.customer_id] = [one.rule_id for one in shown]
    return found


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda draft: draft.rule.id)
def test_a_preview_says_what_the_next_run_does(
    night: StoreFolder, tmp_path: Path, draft: CheckedRule
) -> None:
    name = draft.rule.id
    found = previewer(night).preview(draft)
    before, others = feeds(night), [one for one in LIVE if one.rule.id != name]
    was = qualified(night)
    shutil.copytree(night.path, tmp_path / "next")
    following = StoreFolder(tmp_path / "next")
    evaluate(following, [*others, draft])
    is_now, after = qualified(following), feeds(following)
    assert found.qualified == len(is_now[name])
    assert {one.rule_id: (one.both, one.other) for one in found.overlaps} == {
        one.rule.id: (len(is_now[name] & was[one.rule.id]), len(was[one.rule.id])) for one in others
    }
    own = was.get(name)
    assert found.compared == (
        None
        if own is None
        else Comparison(len(own & is_now[name]), len(is_now[name] - own), len(own - is_now[name]))
    )
    places = Counter(shown.index(name) for shown in after.values() if name in shown)
    assert found.effect is not None
    assert found.effect.places == tuple(places[place] for place in range(STANDARD.places))
    assert found.effect.before == sum(name in shown for shown in before.values())
    changes = {True: Counter[str](), False: Counter[str]()}
    for customer, shown in before.items():
        changes[True].update({*shown} - {*after[customer], name})
        changes[False].update({*after[customer]} - {*shown, name})
    assert dict(found.effect.displaced) == changes[True]
    assert dict(found.effect.promoted) == changes[False]
    assert found.live is not None
    assert (found.live.as_of, found.live.differences) == (str(Date(TODAY)), ())


def qualified(store: StoreFolder) -> dict[str, set[str]]:
    """Return the customers who qualify for each rule."""
    found: dict[str, set[str]] = {}
    with store.read_results() as kept:
        for row in kept.scan():
            for one in row.results:
                customers = found.setdefault(one.rule_id, set())
                if one.state is State.QUALIFIED:
                    customers.add(row.customer_id)
    return found


def test_a_draft_somewhere_changes_a_feed(night: StoreFolder) -> None:
    """The comparison above compares something."""
    effects = [previewer(night).preview(draft).effect for draft in DRAFTS]
    assert any(effect and effect.displaced for effect in effects)
    assert effects[-1] is not None
    assert [name for name, _ in effects[-1].displaced] == ["deal"], "trouble is possible"
    assert any(effect and effect.promoted for effect in effects)


def test_results_of_another_day_or_other_facts_are_named(
    night: StoreFolder, tmp_path: Path
) -> None:
    shutil.copytree(night.path, tmp_path / "other")
    other = StoreFolder(tmp_path / "other")

    def differences(as_of: int = TODAY) -> tuple[Difference, ...]:
        live = previewer(other, as_of).preview(DRAFTS[0]).live
        assert live is not None
        return live.differences

    assert differences() == ()
    assert differences(TODAY - 1) == (Difference.DAY,)
    other.facts().append(bank([{"booking date": TODAY, "amount": -100}], "zoe"))
    assert differences() == (Difference.FACTS,)
    found = previewer(other).preview(DRAFTS[0])
    assert found.live is not None
    assert (found.customers, found.live.without) == (41, 1)
    with other.results() as database:
        latest = database.latest()
        assert latest is not None
        database.start(msgspec.structs.replace(latest, run_id="other", finished=False))
    assert differences() == (Difference.FACTS, Difference.UNFINISHED)


def test_other_live_rules_are_evaluated(night: StoreFolder) -> None:
    live = make_ruleset([live_rule("other", "total(payments.amount) > 50", "1")])
    found = previewer(night).preview(DRAFTS[0], live)
    ((other),) = found.overlaps
    assert (other.rule_id, other.both, found.effect) == ("other", other.other, None)
    assert found.live is not None
    assert found.live.ruleset == live.digest
    stored = previewer(night).preview(DRAFTS[0], make_ruleset(LIVE))
    assert stored == previewer(night).preview(DRAFTS[0])


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_what_is_kept_in_memory_changes_nothing(night: StoreFolder, share: float) -> None:
    whole = previewer(night, budget=1 << 30)
    for draft in LIVE:
        whole.preview(draft)
    kept = previewer(night, budget=int(share * whole.nbytes))
    for draft in (*DRAFTS, *LIVE, *DRAFTS):
        assert kept.preview(draft) == previewer(night).preview(draft)
    assert kept.nbytes <= share * whole.nbytes
    assert (kept.nbytes > 0) == (share > 0)


def test_columns_are_read_once_if_they_fit(
    night: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = FactStore.read, list[object]()

    def counted(store: FactStore, name: str, fields: Collection[str] | None = None) -> FactBatch:
        asked.append(fields)
        return read(store, name, fields)

    monkeypatch.setattr(FactStore, "read", counted)
    kept = previewer(night, budget=1 << 30)
    kept.preview(live_rule("draft", "count(payments) > 1", "1"))
    first = len(asked)
    kept.preview(live_rule("draft", "count(payments) > 2", "1"))
    assert len(asked) == first
    kept.preview(live_rule("draft", 'count(payments[category = "housing"]) > 2', "1"))
    assert asked[first:] == [{"category"}] * 3


def test_a_preview_tells_how_far_it_is_and_can_be_cancelled(night: StoreFolder) -> None:
    steps = list[int]()
    previewer(night).preview(DRAFTS[0], advance=steps.append)
    assert sum(steps) == 40
    with pytest.raises(UserError, match="was cancelled") as ended:
        previewer(night).preview(DRAFTS[0], is_cancelled=lambda: True)
    assert ended.value.code == "preview.cancelled"
