"""Compares estimates of other orders with the truth.

    python -m benchmarks.relevance.off_policy SEED TEMPERATURE

A scorecard learns for 20 nights of the base world. Its feeds of the next 40 nights are drawn again
and again, and from each log six orders are estimated, of which the truth is known exactly. It
prints the relative error of each (root mean square), and how often the 95 % interval holds.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from benchmarks.relevance.policies import Learned  # noqa: E402
from benchmarks.relevance.world import LOOKS, WORLDS, Night, World  # noqa: E402

from tuppence.relevance.chances import chances  # noqa: E402
from tuppence.relevance.estimates import Views, estimate  # noqa: E402
from tuppence.relevance.features import SCORE  # noqa: E402
from tuppence.relevance.fitting import Shown, fit  # noqa: E402
from tuppence.relevance.ranking import Deck, keys, noise, ranked  # noqa: E402
from tuppence.relevance.scorecard import PRIOR, contributions  # noqa: E402

BUILD = Path(__file__).parent.parent.parent / "build/bench"
LEARNING, LOGGED, DRAWS = 20, 40, 25


def collect(world: World, policy: Learned) -> list[tuple[Night, Any, Any]]:
    """Return the feeds of the logged nights, with their features and points."""
    found = []
    for number in range(LEARNING + LOGGED):
        night = world.night(number)
        outcome = world.show(night, policy.show(night))
        if number < LEARNING:
            policy.learn(night, outcome)
        else:
            policy.remember(night, outcome)
            found.append((night, policy.found, policy.points))
    return found


def main() -> None:
    """Print the errors of six targets."""
    seed, temperature = int(sys.argv[1]), int(sys.argv[2])
    world = World(WORLDS["base"], seed)
    policy = Learned(world, temperature=temperature)
    nights = collect(world, policy)
    counts = np.concatenate([np.diff(night.starts) for night, *_ in nights])
    starts = np.concatenate([[0], np.cumsum(counts)])
    rule = np.concatenate([night.cards.rule for night, *_ in nights])
    found = np.concatenate([features for _, features, _ in nights])
    points = np.concatenate([points for *_, points in nights])
    group = np.concatenate([night.group for night, *_ in nights])
    customer = np.concatenate([night.customers for night, *_ in nights])
    number = np.concatenate([np.full(len(night.customers), night.number) for night, *_ in nights])
    truth = 1 / (1 + np.exp(-np.concatenate([night.logit for night, *_ in nights])))
    places, view = world.settings.places, np.repeat(np.arange(len(counts)), counts)
    looks = LOOKS[:places]
    deck = Deck(starts, rule * 0 + 2, group, rule < 0, points, rule)
    drawn = chances(deck, temperature, places)
    tips = np.array([kind == "tip" for kind in world.insights.kinds])[rule]
    score = found[:, SCORE] // 50
    early = contributions(PRIOR, world.insights, rule, found).sum(axis=1)
    targets = {
        "the same": (points, temperature),
        "less chance": (points, max(5, temperature // 2)),
        "tips worth 1.5": (points + 41 * tips, temperature),
        "the untaught card": (early, 20),
        "softened rule order": (score, 40),
        "random": (points * 0, 10),
    }
    wanted = {
        name: chances(deck._replace(points=values), heat, places)
        for name, (values, heat) in targets.items()
    }
    value = {
        name: float((chance * truth[:, None] * looks).sum() / len(counts))
        for name, chance in wanted.items()
    }
    random = np.random.default_rng(seed)
    estimates: dict[str, list[Any]] = {name: [] for name in targets}
    clicks = 0.0
    for draw in range(DRAWS):
        codes = (number * 100_000 + customer)[view].astype(np.uint64)
        place = ranked(
            deck, keys(deck, temperature, noise(draw, 0, codes, rule.astype(np.uint64))), places
        )
        shown = place >= 0
        clicked = shown & (random.random(len(rule)) < truth * looks[np.maximum(place, 0)])
        clicks += clicked.sum() / DRAWS
        rows = (view, number[view], rule, place, found, clicked)
        card = fit(Shown(*(column[shown] for column in rows)), world.insights)
        logits = contributions(card, world.insights, rule, found).sum(axis=1)[:, None]
        model = 1 / (1 + np.exp(-(logits + card.place_points(places)) / 100))
        views = Views(
            view, customer, place, clicked.astype(float), drawn, model, card.looks(places)
        )
        for name, chance in wanted.items():
            estimates[name].append(estimate(views, chance))
    print(f"seed {seed}, temperature {temperature}: {len(counts):,} views, {clicks:,.0f} clicks")
    table = []
    for name, all_of in estimates.items():
        errors = np.array([one.value / value[name] - 1 for one in all_of])
        holds = np.mean([one.low < value[name] < one.high for one in all_of])
        known = np.mean([not one.unknown for one in all_of])
        error = float(np.sqrt((errors**2).mean()))
        table.append([seed, temperature, name, error, float(holds), float(known), all_of[0].at_cap])
        print(f"  {name:20} error {error:.2%}, interval holds {holds:.0%}, known {known:.0%}, "
              f"at cap {all_of[0].at_cap:.2%}")  # fmt: skip
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / "relevance-off-policy.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else []
    kept = [row for row in kept if row[:2] != [seed, temperature]]
    path.write_text(json.dumps([*kept, *table]), "utf-8")


if __name__ == "__main__":
    main()
