"""Runs items that are divided by rules, so that each pair of customer and rule has its own item."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from tests.building import catalogue
from tests.conftest import Run
from tests.results import new_table

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.results import DynamoResults
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, parse_date
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.serving.answering import answer_requests, evaluate_kept
from tuppence.usecases.serving.messages import Answer, Request
from tuppence.usecases.serving.ruleset_cache import RulesetCache

DAYS = ("2026-06-27", "2026-06-28", "2026-06-29")
GROUP = 5


def date(text: str) -> Date:
    found = parse_date(text)
    assert found is not None
    return found


class Facts:
    """All customers of a store with one partition, as a `CustomerFacts`."""

    def __init__(self, store: FactStore) -> None:
        ((name, _),) = store.partitions()
        self._whole = store.read(name)
        self.customers = self._whole.customer_ids

    def schema(self) -> Schema:
        return Schema()

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        del as_of, fields
        assert tuple(customer_ids) == self.customers
        return self._whole

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        return [customer for customer in customer_ids if customer not in self.customers]

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        raise NotImplementedError


@pytest.mark.usefixtures("aws")
def test_a_run_divided_by_rules_gives_the_results_of_an_undivided_run(
    tmp_path: Path, tuppence: Run
) -> None:
    tuppence("synth", "--store", tmp_path / "store", "--customers", 8, "--until", DAYS[-1])
    facts = Facts(FactStore(tmp_path / "store"))
    customers = facts.customers
    directory = RulesetDirectory(tmp_path / "rulesets")
    ruleset = make_ruleset(catalogue().rules[::3])
    directory.put(ruleset)
    cache = RulesetCache(directory, Schema)
    names = [one.rule.id for one in ruleset.rules]
    groups = [frozenset(names[n : n + GROUP]) for n in range(0, len(names), GROUP)]

    def results() -> DynamoResults:
        table = new_table("customer_id", "rule_id")
        layout = cache.engine(ruleset.digest, date(DAYS[0])).plan.layout
        return DynamoResults(client("dynamodb"), table, lambda _: layout)

    whole, parts = results(), results()
    evaluated: set[str] = set()
    for day in DAYS:
        engine = cache.engine(ruleset.digest, date(day))
        (expected,) = evaluate_kept(engine, [Request(customers)], facts, whole)
        changed = qualified = 0
        for group in groups:
            (answer,) = answer_requests(
                cache,
                ruleset.digest,
                date(day),
                [Request(customers, rules=group)],
                facts,
                lambda: parts,
            )
            assert isinstance(answer, Answer)
            assert answer.evaluations == len(customers) * len(group)
            evaluated |= group
            rows = parts.get(customers).values()
            assert {result.rule_id for row in rows for result in row.results} == evaluated
            changed += answer.changed or 0
            qualified += answer.qualified
        assert (changed, qualified) == (expected.changed, expected.qualified)
        there, here = whole.get(customers), parts.get(customers)
        assert {name: row.results for name, row in here.items()} == {
            name: row.results for name, row in there.items()
        }
    assert qualified
    whole.close()
    parts.close()
