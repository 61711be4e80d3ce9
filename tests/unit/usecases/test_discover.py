"""Drafts of rules that data suggests."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.building import day, frame

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.engine.columnar import Engine
from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Access, Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.packed import QUALIFIED
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.discover import Discovered, chance_of, discover, measures_of
from tuppence.usecases.drafts import Draft, Tried, draft_text

AS_OF = Date(day("2026-06-30"))
USE = Use(PURPOSES, AS_OF.day, AS_OF.day)
Row = dict[str, Any]


class Store:
    """A store of facts, of which some customers may be left out."""

    def __init__(self, facts: FactStore, limited: dict[str, Access]) -> None:
        self._facts = facts
        self._limited = limited

    def read_permitted(self, _: Use, read: Callable[[PermittedFacts], Any]) -> Any:
        return read(PermittedFacts(self._facts, self._limited))


def made(folder: Path, people: int = 600, limited: int = 0, **more: int) -> Store:
    """Return a store whose people rent or own; `more` says how many of 100 spend 400 on travel."""
    choices = random.Random(7)  # noqa: S311 - test data
    tables: dict[str, list[Row]] = {"customers": [], "accounts": [], "transactions": []}
    for number in range(people):
        who, home = f"C{number:04}", ("rent", "own")[number % 2]
        tables["customers"].append({"id": who, "currency": "GBP", "home": home, "birth year": 1990})
        tables["accounts"].append({"id": f"{who}-1", "customer": who, "type": "current"})
        rows = [
            {"booking date": AS_OF.day - 91, "amount": 100, "category": "income"},
            {
                "booking date": AS_OF.day - 5,
                "amount": -100 * choices.randint(10, 60),
                "category": "groceries",
            },
        ]
        if choices.randrange(100) < more.get(home, 4):
            rows.append({"booking date": AS_OF.day - 4, "amount": -40_000, "category": "travel"})
        rows.append({"booking date": AS_OF.day - 3, "amount": -9_900, "category": "health"})
        given = {"account": f"{who}-1", "own transfer": False, "type": "card"}
        for row in rows:
            place = len(tables["transactions"])
            tables["transactions"].append(given | row | {"id": str(place), "sequence": place})
    tables["transactions"].sort(key=lambda row: (row["account"], row["booking date"]))
    store = FactStore.create(folder, Schema())
    store.append(Rows(**{name: frame(name, rows) for name, rows in tables.items()}))
    return Store(store, {f"C{number:04}": frozenset() for number in range(limited)})


def found(store: Store, live: Ruleset | None = None, most: int = 50) -> Discovered:
    return discover(store, USE, live, most)


def named(drafts: Discovered) -> dict[str, Draft]:
    return {draft.rule_id: draft for draft in drafts.drafts}


def test_a_measure_that_few_exceed_becomes_a_draft_at_a_round_threshold(tmp_path: Path) -> None:
    draft = named(found(made(tmp_path / "s")))["draft_travel_spent"]
    assert draft.customers == 600
    assert 0.01 <= draft.above / 600 <= 0.1
    assert draft.threshold in (100, 200, 300)
    assert [one.threshold for one in draft.tried] == sorted(one.threshold for one in draft.tried)
    assert draft.median == 400


def test_a_measure_that_many_or_hardly_any_exceed_becomes_none(tmp_path: Path) -> None:
    assert "draft_travel_spent" not in named(found(made(tmp_path / "a", rent=40, own=40)))
    assert "draft_travel_spent" not in named(found(made(tmp_path / "b", rent=0, own=0)))


def test_a_segment_that_differs_becomes_a_draft_with_both_shares(tmp_path: Path) -> None:
    drafts = named(found(made(tmp_path / "s", rent=14, own=1)))
    draft = drafts["draft_travel_spent_home_rent"]
    assert draft.segment == ("home", "rent")
    assert draft.inside[0] == draft.outside[0] == 300
    assert draft.inside[1] + draft.outside[1] == draft.above
    text = draft_text(draft, "GBP", AS_OF, "s")
    assert f"# Where home is rent, {draft.inside[1] / 3:.1f} % of" in text
    assert '  and customer.home = "rent"' in text
    assert "draft_travel_spent_home_own" not in drafts


def test_segments_that_do_not_differ_and_people_by_age_become_none(tmp_path: Path) -> None:
    drafts = found(made(tmp_path / "s", rent=5, own=5)).drafts
    assert drafts
    assert [draft.segment for draft in drafts] == [None] * len(drafts)


def test_sensitive_categories_have_no_drafts(tmp_path: Path) -> None:
    assert not [one for one in named(found(made(tmp_path / "s"))) if "health" in one]


def test_live_rules_cover_drafts(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    (tmp_path / "live.yaml").write_text(
        "id: trips\nkind: insight\ntitle: Trips\nscore: 1\n"
        'when: total(payments[category = "travel"].amount) > 150\n'
        "message: {title: Trips, body: Trips}\n"
    )
    live = make_ruleset(read_rules(tmp_path / "live.yaml", Schema()).usable())
    without, covered = found(store), found(store, live)
    assert "draft_travel_spent" in named(without)
    assert "draft_travel_spent" not in named(covered)
    assert covered.left_out == len(without.drafts) - len(covered.drafts) > 0


def test_drafts_are_valid_rules_whose_tests_pass(tmp_path: Path) -> None:
    drafts = found(made(tmp_path / "s", rent=14, own=1))
    assert len(drafts.drafts) >= 4
    for draft in drafts.drafts:
        path = tmp_path / "drafts" / f"{draft.rule_id}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(draft_text(draft, drafts.currency, AS_OF, "s"))
    files = read_rules(tmp_path / "drafts", Schema())
    assert files.problems == ()
    for rule in files.usable():
        verdicts = try_examples(rule, Schema())
        assert len(verdicts) == 2
        assert [one.failures for one in verdicts] == [(), ()]


def test_a_draft_finds_as_many_people_as_its_evidence_says(tmp_path: Path) -> None:
    store = made(tmp_path / "s", rent=14, own=1)
    for name in ("draft_travel_often", "draft_travel_spent_home_rent"):
        draft = named(found(store))[name]
        (tmp_path / "draft.yaml").write_text(draft_text(draft, "GBP", AS_OF, "s"))
        ruleset = make_ruleset(read_rules(tmp_path / "draft.yaml", Schema()).usable())
        engine = Engine(make_plan(ruleset, AS_OF, Schema()))

        def count(facts: PermittedFacts, engine: Engine = engine) -> int:
            parts = [facts.read(name) for name, _ in facts.partitions()]
            return sum(int((engine.grid(part).states == QUALIFIED).sum()) for part in parts)

        qualified = store.read_permitted(USE, count)
        assert qualified == (draft.above if draft.segment is None else draft.inside[1]) > 0


def test_counts_of_fewer_than_ten_are_not_shown(tmp_path: Path) -> None:
    draft = named(found(made(tmp_path / "s")))["draft_travel_spent"]
    shown = draft_text(replace(draft, tried=(Tried(draft.threshold, 9),)), "GBP", AS_OF, "s")
    assert f"{draft.threshold:>9,}        < 10   < 1.7 %   <- this draft" in shown
    shown = draft_text(replace(draft, tried=(Tried(draft.threshold, 10),)), "GBP", AS_OF, "s")
    assert f"{draft.threshold:>9,}          10     1.7 %   <- this draft" in shown


def test_people_whose_facts_may_not_be_read_do_not_count(tmp_path: Path) -> None:
    assert found(made(tmp_path / "s", limited=200)).customers == 400


def test_a_few_people_suggest_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="99 customers") as caught:
        found(made(tmp_path / "s", people=99))
    assert caught.value.code == "discover.few"


def test_the_most_striking_drafts_are_kept(tmp_path: Path) -> None:
    store = made(tmp_path / "s", rent=14, own=1)
    all_of_them = found(store).drafts
    assert found(store, most=2).drafts == all_of_them[:2]
    assert all_of_them[0].segment is not None


def test_measures_of_equal_words_have_drafts_of_their_own() -> None:
    slugs = [one.slug for one in measures_of(["a b", "a-b"])]
    assert slugs[:3] == slugs[3:]  # their drafts are numbered


@pytest.mark.parametrize(
    ("given", "chance"),
    [((0, 5, 3, 10), 1.0), ((3, 5, 3, 10), 10 / 120), ((1, 1, 1, 4), 0.25)],
)
def test_the_chance_is_that_of_fishers_test(given: Any, chance: float) -> None:
    assert chance_of(*given) == pytest.approx(chance)
