"""Compares orders of feeds in invented worlds.

    python -m benchmarks.relevance.run WORLD SEED [POLICY…]

It prints a line for each policy, or for all, and adds it to build/bench/relevance.json. LightGBM
and Vowpal Wabbit are installed in a folder of their own, or left out.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from benchmarks.relevance.policies import POLICIES  # noqa: E402
from benchmarks.relevance.world import NIGHTS, WORLDS, World  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build/bench"


def install_peers() -> None:
    """Install the packages of peers, unless they are there."""
    peers = BUILD / "peers"
    if not peers.exists():
        uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        where = ["--python", sys.executable, "--target", str(peers)]
        try:
            subprocess.run(  # noqa: S603
                [*command, *where, "-r", ROOT / "requirements/relevance.txt"], check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the peers' packages cannot be installed: {error}")
    sys.path.append(str(peers))


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
    install_peers()
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
