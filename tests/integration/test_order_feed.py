"""The learned order from a view to a model and back, with made-up people and insights."""

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.errors import UserError
from tuppence.feed.items import DAY, ItemId, ItemState
from tuppence.feed.policy import STANDARD, Policy, PolicyValue
from tuppence.feed.preferences import Preferences
from tuppence.feel.values import Date
from tuppence.relevance.ranking import is_held_out
from tuppence.relevance.scorecard import PRIOR, Scorecard
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults, Result, ResultsThatApply, State
from tuppence.rules.rule import Approval, FeedSettings, InsightKind, Message, Rule
from tuppence.usecases.build_feed import Feed, FeedRequest, build_feed, build_feeds
from tuppence.usecases.feed_ports import Kept, LoggedView, OrderedBy, Person
from tuppence.usecases.judge_order import Target, judge, live_against_hold_out
from tuppence.usecases.learn_order import fit_order, read_log, renew_models
from tuppence.usecases.order_feed import MAX_RULESETS, KnownRulesets, Model

TODAY = 20_000
POLICY = Policy(places=2)
KINDS: Sequence[InsightKind] = ("insight", "saving", "tip")


def rule(number: int) -> Rule:
    """Return a rule: the first is urgent, the second sensitive, the last promotes."""
    settings = FeedSettings(tier=1 if number == 0 else None, sensitive=number == 1)
    promotes = number == 7
    return Rule(
        f"rule_{number}",
        KINDS[number % 3],
        "T",
        "true",
        "1",
        Message("Title", "Body"),
        topic=f"topic_{number // 2}",
        communication="financial promotion" if promotes else "information",
        approval=Approval("Firm", "2020-01-01", "1") if promotes else None,
        feed=settings,
    )


RULES = {f"rule_{number}": rule(number) for number in range(8)}
NOTHING = Kept({}, Preferences(), frozenset())
MODEL = Model(PRIOR.digest, PRIOR)


def person(customer: str, numbers: Sequence[int], night: int = TODAY) -> Person:
    results = [
        Result(f"rule_{n}", State.QUALIFIED, Decimal(60 - 5 * n), {}, night - 1) for n in numbers
    ]
    day = Date(night)
    return Person(customer, results, "1", RULES, "ruleset", day, day, "", "GBP", False)


def feed(
    customer: str = "C7",
    numbers: Sequence[int] = (1, 2, 4, 6),
    kept: Kept = NOTHING,
    night: int = TODAY,
    model: Model | None = MODEL,
    policy: Policy = POLICY,
) -> Feed:
    now = night * DAY + DAY // 2
    return build_feed(
        FeedRequest(person(customer, numbers, night), kept, policy, now, "en_GB", model)
    )


HOT = msgspec.structs.replace(PRIOR, temperature=60)
"""The model whose feeds are logged: it tries much."""


def everybody(nights: int = 8, customers: int = 250, card: Scorecard = HOT) -> list[LoggedView]:
    """Return the views of people who like rule 6 best and look at the second place less."""
    views, random = [], np.random.default_rng(1)
    for night, number in itertools.product(range(nights), range(customers)):
        customer = f"C{number:04}"
        numbers = sorted(random.choice([2, 3, 4, 5, 6], 3, replace=False).tolist())
        found = feed(customer, numbers, night=TODAY + night, model=Model(card.digest, card))
        clicked = set()
        for one in found.items:
            likes = 0.6 if one.candidate.rule.id == "rule_6" else 0.2
            place = one.candidate.place or 0
            if random.random() < likes * (1, 0.6)[place]:
                clicked.add(one.candidate.item)
        views.append(LoggedView(customer, f"{night}", found.view, frozenset(clicked)))
    return views


@pytest.fixture(scope="module")
def logged() -> list[LoggedView]:
    return everybody()


def by(found: Feed) -> OrderedBy | None:
    return None if found.view.order is None else found.view.order.by


def test_without_a_model_a_feed_is_in_rule_order_and_logs_what_can_be_learned_from() -> None:
    found = feed(model=None)
    assert [one.candidate.rule.id for one in found.items] == ["rule_1", "rule_2"]
    assert found.view.order is None
    assert all(one.features and one.points is None for one in found.view.candidates)
    assert {one.kind for one in found.view.candidates} == {"saving", "tip", "insight"}


def test_feeds_that_are_built_together_are_those_that_are_built_alone() -> None:
    """Of several people, some of whom have a model, another ruleset, or no such locale."""
    seen = ItemState(seen=(TODAY - 3, TODAY - 1), opened=(TODAY - 1) * DAY)
    kept = Kept({ItemId("rule_2", TODAY - 1): seen}, Preferences(), frozenset())
    fewer = {name: RULES[name] for name in ("rule_1", "rule_2", "rule_3")}
    asked = [
        FeedRequest(who._replace(rules=rules), memory, POLICY, TODAY * DAY, locale, model)
        for number, numbers in enumerate(([1, 2, 4], [], [2, 3, 6, 7]))
        for who in [person(f"C{number}", numbers)]
        for rules in (RULES, fewer)
        for memory in (kept, NOTHING)
        for locale, model in (("en_GB", None), ("de_DE", MODEL), ("xx_XX", None))
    ]
    together = build_feeds(asked)
    for one, found in zip(asked, together, strict=True):
        if one.locale == "xx_XX" and one.person.results:
            assert isinstance(found, UserError)
            with pytest.raises(UserError, match="there is no locale xx_XX"):
                build_feed(one)
        else:
            assert isinstance(found, Feed)
            assert found._replace(order=None) == build_feed(one)._replace(order=None)
    assert len({str(one.view) for one in together if isinstance(one, Feed)}) > 10


def test_rulesets_are_prepared_once_for_the_feeds_of_all_and_the_last_ones_are_kept() -> None:
    known = KnownRulesets()
    others = [dict(RULES) for _ in range(MAX_RULESETS)]
    first = known.insights(RULES, None)
    assert known.insights(RULES, None) is first
    assert known.insights(RULES, Model("other", HOT)) is not first
    assert all(known.insights(one, None) is not first for one in others[2:])
    assert known.insights(RULES, None) is first
    assert all(known.insights(one, None) is not first for one in others)
    assert known.insights(RULES, None) is not first, "rules and scorecards are not kept forever"


def test_damaged_results_of_one_person_refuse_nobody_else() -> None:
    damaged = ResultsThatApply(CustomerResults("C1", TODAY, Layout("r", (("rule_1", ()),)), b"x"))
    good, bad = person("C0", [1]), person("C1", [1])._replace(results=damaged)
    asked = [FeedRequest(one, NOTHING, POLICY, TODAY * DAY) for one in (good, bad)]
    one, other = build_feeds(asked)
    assert isinstance(one, Feed)
    assert isinstance(other, UserError)
    assert other.code == "store.corrupt"


def test_a_twentieth_stays_in_rule_order_and_so_does_who_chooses_it() -> None:
    names = [f"C{number:04}" for number in range(200)]
    held = [name for name in names if is_held_out(name)]
    assert held
    assert all((by(feed(name)) is OrderedBy.HOLD_OUT) == (name in held) for name in names)
    chosen = Kept({}, Preferences(rule_order=True), frozenset())
    other = next(name for name in names if name not in held)
    assert (by(feed(other)), by(feed(other, kept=chosen))) == (OrderedBy.MODEL, OrderedBy.CHOICE)
    assert by(feed(held[0], kept=chosen)) is OrderedBy.HOLD_OUT
    for one in (feed(held[0]), feed(other, kept=chosen)):
        assert [item.candidate.rule.id for item in one.items] == ["rule_1", "rule_2"]
        for candidate in one.view.candidates:
            assert candidate.points is None
            assert candidate.chance == (candidate.place is not None), "1 or 0, as nothing was drawn"


def test_what_has_no_part_in_a_draw_has_no_chance() -> None:
    withdrawn = Kept({}, Preferences(), frozenset({"rule_4"}))
    chances = {one.item.rule_id: one.chance for one in feed(kept=withdrawn).view.candidates}
    assert chances["rule_4"] == 0
    assert all(chance for rule_id, chance in chances.items() if rule_id != "rule_4")


def test_chances_of_a_view_add_up_to_its_places_and_points_to_their_parts() -> None:
    found = feed(numbers=(0, 2, 3, 4, 5, 6))
    drawn = [one for one in found.view.candidates if one.points is not None]
    assert sum(one.chance or 0 for one in drawn) == pytest.approx(2, abs=1e-4)
    (urgent,) = (one for one in drawn if one.tier == 1)
    assert (urgent.place, urgent.chance) == (0, 1)
    assert found.order is not None
    for candidate, parts in zip(found.candidates, found.order.parts(found.candidates), strict=True):
        assert candidate.draw is not None
        assert candidate.draw.points == sum(parts.points)
        assert len(parts.names) == len(parts.points)


def test_the_order_stays_while_somebody_looks_and_changes_by_night() -> None:
    seen = ItemState(seen=(TODAY,), opened=TODAY * DAY + 5)
    kept = Kept({ItemId("rule_6", TODAY - 1): seen}, Preferences(), frozenset())
    assert feed(kept=kept).view == feed().view
    later = feed(kept=kept, night=TODAY + 1)
    (found,) = (one for one in later.view.candidates if one.item.rule_id == "rule_6")
    assert found.features != feed(night=TODAY + 1).view.candidates[-1].features
    orders = {
        tuple(one.candidate.rule.id for one in feed(night=TODAY + night).items)
        for night in range(60)
    }
    assert len(orders) > 1


def test_values_change_points_and_no_tier() -> None:
    values = [PolicyValue("insight", "rule_6", 100.0), PolicyValue("kind", "tip", 0.5)]
    policy = msgspec.structs.replace(POLICY, values=values)
    before, after = feed(numbers=(0, 2, 4, 6)), feed(numbers=(0, 2, 4, 6), policy=policy)
    points = [{one.item.rule_id: one.points for one in f.view.candidates} for f in (before, after)]
    assert {name: (points[1][name] or 0) - (points[0][name] or 0) for name in points[0]} == {
        "rule_0": 0,
        "rule_2": -69,
        "rule_4": 0,
        "rule_6": 461,
    }
    assert [one.candidate.rule.id for one in after.items] == ["rule_0", "rule_6"]
    with pytest.raises(ValueError, match="no kind"):
        PolicyValue("kind", "rule_6", 2.0)


def test_a_log_in_any_order_gives_the_same_model(logged: list[LoggedView]) -> None:
    card = fit_order(read_log(logged))
    mixed = [logged[one] for one in np.random.default_rng(5).permutation(len(logged))]
    assert fit_order(read_log(mixed)).content == card.content
    assert max(card.rule, key=lambda name: card.rule[name]) == "rule_6"
    assert card.place[1] < -20
    assert card.fitted is not None
    assert card.fitted.views == len(logged)


def test_urgent_and_sensitive_insights_are_not_learned() -> None:
    views = []
    for number in range(60):
        found = feed(f"C{number}", (0, 1, 2))
        views.append(LoggedView(f"C{number}", "1", found.view, frozenset()))
    everything = frozenset(one.item for one in views[0].view.candidates)
    card = fit_order(read_log(views))
    urgent = {item for item in everything if item.rule_id in {"rule_0", "rule_1"}}
    clicked = fit_order(read_log(one._replace(clicked=frozenset(urgent)) for one in views))
    assert card.content == clicked.content
    assert "rule_1" not in card.rule


def test_what_another_order_brings_is_told_from_the_draws(logged: list[LoggedView]) -> None:
    log = read_log(logged)
    card = fit_order(log, until=TODAY + 2)
    targets = [
        Target("learned", card, POLICY, 30),
        Target("as it was", PRIOR, POLICY, 60),
        Target("rule order", None, POLICY, 0),
    ]
    learned, same, rules = (one.estimate for one in judge(log, card, targets))
    assert same.change == pytest.approx(0, abs=0.03)
    assert same.mean_weight == pytest.approx(1, abs=0.02)
    assert same.at_cap == 0
    assert learned.change > 0.05 > rules.change
    assert not learned.unknown
    assert learned.change_low < learned.change < learned.change_high


def test_what_was_never_shown_is_not_known(logged: list[LoggedView]) -> None:
    log = read_log(everybody(3, card=msgspec.structs.replace(PRIOR, temperature=5)))
    values = [PolicyValue("insight", "rule_6", 100.0)]
    target = Target("rule 6", PRIOR, msgspec.structs.replace(POLICY, places=1, values=values), 5)
    (found,) = judge(log, fit_order(log, until=TODAY), [target])
    assert "hardly ever shown" in found.estimate.unknown
    assert found.document()["change"] is found.document()["high"] is None
    few = read_log(logged[:40])
    (found,) = judge(few, PRIOR, [target._replace(policy=POLICY)])
    assert "are needed" in found.estimate.unknown
    with pytest.raises(UserError) as caught:
        judge(read_log([]), PRIOR, [target])
    assert caught.value.code == "relevance.no-draws"


def test_a_model_is_not_judged_by_what_it_has_learned_from(logged: list[LoggedView]) -> None:
    log = read_log(logged)
    card = fit_order(log)
    with pytest.raises(UserError, match="no view is later than") as caught:
        judge(log, PRIOR, [Target("learned", card, POLICY, 30)])
    assert caught.value.code == "relevance.no-draws"


def test_nothing_is_gained_where_everybody_likes_everything_the_same() -> None:
    random = np.random.default_rng(8)
    same = [
        one._replace(
            clicked=frozenset(
                item.item
                for item in one.view.candidates
                if item.place is not None and random.random() < 0.3
            )
        )
        for one in everybody(10, 300)
    ]
    log = read_log(same)
    card = fit_order(log, until=TODAY + 4)
    (found,) = judge(log, card, [Target("learned", card, POLICY, 30)])
    assert found.estimate.change_low < 0 < found.estimate.change_high


def test_a_rule_whose_topic_has_changed_falsifies_no_log(logged: list[LoggedView]) -> None:
    last = logged[-1]
    candidates = [msgspec.structs.replace(one, topic="another") for one in last.view.candidates]
    moved = last.view.night + 1
    view = msgspec.structs.replace(last.view, candidates=candidates, night=moved, order=None)
    log = read_log([*logged, last._replace(id="later", view=view)])
    (found,) = judge(log, PRIOR, [Target("as it was", PRIOR, POLICY, 60)])
    assert found.estimate.change == pytest.approx(0, abs=0.03)


def test_views_before_the_window_change_no_model(logged: list[LoggedView]) -> None:
    first = logged[0]
    view = msgspec.structs.replace(first.view, night=first.view.night - 400)
    old = first._replace(id="old", view=view)
    assert fit_order(read_log([old, *logged])).digest == fit_order(read_log(logged)).digest


def changed(logged: Sequence[LoggedView], **fields: int) -> Iterator[LoggedView]:
    for one in logged:
        order = one.view.order
        if order is not None and order.by is OrderedBy.MODEL:
            order = msgspec.structs.replace(order, **fields)
        yield one._replace(view=msgspec.structs.replace(one.view, order=order))


@pytest.mark.parametrize("fields", [{"temperature": 120}, {"temperature": 30}, {"seed": 3}])
def test_a_falsified_log_is_detected(logged: list[LoggedView], fields: dict[str, int]) -> None:
    log = read_log(changed(logged, **fields))
    with pytest.raises(UserError) as caught:
        judge(log, PRIOR, [Target("same", PRIOR, POLICY, 10)])
    assert caught.value.code == "relevance.log"


def test_learned_feeds_are_compared_with_hold_outs_whoever_chose_rule_order() -> None:
    views = []
    random = np.random.default_rng(3)
    for number in range(3_000):
        customer = f"C{number}"
        chosen = Kept({}, Preferences(rule_order=number % 7 == 0), frozenset())
        found = feed(customer, (2, 4), chosen)
        likes = 0.3 if is_held_out(customer) else 0.6
        items = frozenset(one.candidate.item for one in found.items if random.random() < likes)
        views.append(LoggedView(customer, "1", found.view, items))
    compared = live_against_hold_out(read_log(views))
    assert 0 < compared.low < 1 < compared.high
    again = [one._replace(id="2") for one in views if not is_held_out(one.customer)]
    assert live_against_hold_out(read_log([*views, *again])) == compared, "a night counts once"
    assert "30" in live_against_hold_out(read_log(views[:100])).unknown


def test_an_erasure_destroys_models_and_publishes_one_that_never_saw_the_person(
    tmp_path: Path, logged: list[LoggedView]
) -> None:
    models = ModelDirectory(tmp_path / "models")
    card = fit_order(read_log(logged), 15, 4)
    for one in (card, PRIOR):
        models.put(one)
    models.publish(card.digest)
    without = [one for one in logged if one.customer != "C0001"]
    destroyed, digest = renew_models(models, lambda: read_log(without))
    assert destroyed == 2
    assert digest == fit_order(read_log(without), 15, 4).digest != card.digest
    assert list(models.digests()) == [digest]
    published = models.published()
    assert published is not None
    assert (published.digest, published.card.temperature) == (digest, 15)
    urgent = LoggedView("C7", "1", feed("C7", (0,)).view, frozenset())
    assert renew_models(models, lambda: read_log([urgent])) == (1, None), "nothing can be learned"
    assert models.published() is None


def test_the_standard_policy_has_no_values() -> None:
    assert STANDARD.value_points("any", "tip") == 0
