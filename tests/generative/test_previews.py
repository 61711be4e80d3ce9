"""A preview counts what the next night finds, for random rules over random facts."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.generative.comparing import planned
from tests.generative.making import SCHEMA, facts
from tests.previews import NoRuns

from tuppence.adapters.embedded.database import Database
from tuppence.engine.reference import Evaluation, evaluate
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.source import LoadedFacts
from tuppence.usecases.ledger import WorkItem
from tuppence.usecases.previewer import BINS, Previewer
from tuppence.usecases.run import run, work_items

CUSTOMERS = 24


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 60))]
)
def test_a_preview_counts_what_the_next_night_finds(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    plan = planned(source, 8)
    batch = facts(source, customers=CUSTOMERS, most_rows=30)
    held = LoadedFacts(SCHEMA, "digest", {"p": batch})

    def work(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
        for item in items:  # by the reference engine, which defines what a night finds
            yield item, evaluate(plan, batch.slice(item.start, item.stop))

    with Database(tmp_path / "results.sqlite") as kept:
        items = work_items(held, 10)
        outcome = run(held, items, plan.ruleset, plan.as_of, kept, kept, work)
        stored = list(kept.scan())
    counts = {one.rule_id: one for one in outcome.tally.by_rule}
    previewer = Previewer(NoRuns(), PermittedFacts(held, {}), plan.as_of, 2)
    for checked in plan.ruleset.rules:
        rule = checked.rule.id
        found = previewer.preview(checked)
        assert (found.customers, found.qualified, found.unknown) == (
            CUSTOMERS, counts[rule].qualified, counts[rule].unknown,
        ), checked.rule.when  # fmt: skip
        results = [one for row in stored for one in row.results if one.rule_id == rule]
        scores = [one.score for one in results if one.state == "qualified"]
        assert found.without_score == sum(score is None for score in scores)
        bins = [min(int(score // 10), BINS - 1) for score in scores if score is not None]
        assert list(found.scores) == [bins.count(number) for number in range(BINS)]
