"""Compares orders of feeds in invented worlds: python benchmarks/relevance/run.py WORLD SEED [POLICY…].

It prints a line for each policy and adds it to build/bench/relevance.json. LightGBM and Vowpal
Wabbit are left out where they are not installed: see requirements/relevance.txt.
"""

import json
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from benchmarks.relevance.policies import POLICIES  # noqa: E402
from benchmarks.relevance.world import NIGHTS, WORLDS, World  # noqa: E402

BUILD = Path(__file__).parent.parent.parent / "build/bench"


def simulate(world_name: str, seed: int, policy_name: str) -> dict[str, object]:
    """Let a policy order the feeds of a world for all nights."""
    world = World(WORLDS[world_name], seed)
    policy = POLICIES[policy_name](world)
    clicks, expected, dismissed, views = [], [], [], []
    for number in range(NIGHTS):
        night = world.night(number)
        outcome = world.show(night, policy.show(night))
        policy.learn(night, outcome)
        clicks.append(int(outcome.clicked.sum()))
        expected.append(outcome.expected)
        dismissed.append(outcome.dismissed)
        views.append(len(night.customers))
    return {
        "world": world_name,
        "seed": seed,
        "policy": policy_name,
        "views": views,
        "clicks": clicks,
        "expected": expected,
        "dismissed": dismissed,
        "seconds": round(policy.seconds, 1),
    }


def main() -> None:
    """Run the policies that are named, or all."""
    world, seed = sys.argv[1], int(sys.argv[2])
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / "relevance.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else []
    for policy in sys.argv[3:] or POLICIES:
        try:
            found = simulate(world, seed, policy)
        except ImportError as error:
            print(f"{policy} is left out: {error}")
            continue
        kept = [
            one
            for one in kept
            if (one["world"], one["seed"], one["policy"]) != (world, seed, policy)
        ]
        kept.append(found)
        path.write_text(json.dumps(kept), "utf-8")
        late = sum(found["expected"][NIGHTS // 2 :])  # type: ignore[index]
        seen = sum(found["views"][NIGHTS // 2 :])  # type: ignore[index]
        print(
            f"{world:20} {seed} {policy:14} {late / seen:.4f} clicks a view, {found['seconds']} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
