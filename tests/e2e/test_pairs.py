"""Runs two commands on one store at once, in both orders, killed at any moment."""

import itertools
import random
import sys
from collections import Counter

import pytest
from tests.e2e.pairs import COMMANDS, READERS, WRITERS, Bench, Pair, make_pair

PAIRS = [
    Pair("forget", "run", 0, (None, None)),
    Pair("run", "forget", 1, (4, None)),
    Pair("import theirs", "forget", 2, (None, None)),
    Pair("consent theirs", "forget", 0, (None, 6)),
    Pair("run", "run other rules", 0, (None, None)),
    Pair("forget", "export theirs", 2, (None, None)),
    Pair("import", "compact", 2, (3, None)),
]

PARTS = 4
"""Number of parts of the long test, which several processes can share."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("pairs"))


@pytest.mark.parametrize("name", WRITERS)
def test_a_command_that_changes_a_store_waits_for_another(bench: Bench, name: str) -> None:
    assert "waiting for tuppence test" in bench.try_beside_a_writer(name)


@pytest.mark.parametrize("name", READERS)
def test_a_command_that_reads_does_not_wait(bench: Bench, name: str) -> None:
    assert "waiting for" not in bench.try_beside_a_writer(name)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.first}, {pair.second}")
def test_a_pair_of_commands_leaves_a_whole_store(bench: Bench, pair: Pair) -> None:
    bench.try_pair(pair)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_all_pairs_in_both_orders_leave_a_whole_store(
    bench: Bench, part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs every writer with every command, in both orders, up to three times; many are killed."""
    one_way = list(itertools.product(WRITERS, COMMANDS))
    both_ways = [*one_way, *((b, a) for a, b in one_way if b in READERS)]
    rng = random.Random(20)  # noqa: S311 - reproducible
    chosen = [make_pair(*names, rng) for names in rng.sample(both_ways * 3, 520)]
    outcomes: Counter[str] = Counter()
    for pair in chosen[part::PARTS]:
        outcomes[bench.try_pair(pair)] += 1
    with capsys.disabled():
        sys.stdout.write(f"\npart {part}: {outcomes.total()} pairs: {dict(outcomes)}\n")
    assert min(outcomes["killed"], outcomes["waited"]) > 0
