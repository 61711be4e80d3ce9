"""Tries estimates on real clicks: python -m benchmarks.relevance.real.

The package obp carries 10,000 impressions each of three campaigns of the Open Bandit Dataset
(Saito and others, 2021), once under a random policy and once under Thompson sampling. The clicks
of the latter are estimated from the former, and compared with those that it had. With 38 to 69
clicks a log this is a smoke test: the product would say "not known".
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.relevance.run import BUILD, install_peers

from tuppence.relevance.estimates import Views, estimate

Array = npt.NDArray[np.float64]


def read(policy: str, campaign: str) -> tuple[npt.NDArray[np.int64], Array]:
    """Return the item and the click of each impression."""
    path = BUILD / f"peers/obp/dataset/obd/{policy}/{campaign}/{campaign}.csv"
    with Path(path).open(encoding="utf-8") as file:
        rows = [(int(row["item_id"]), float(row["click"])) for row in csv.DictReader(file)]
    items, clicks = zip(*rows, strict=True)
    return np.array(items), np.array(clicks)


def main() -> None:
    """Print the estimate of each campaign beside what happened."""
    install_peers()
    for campaign in ("all", "men", "women"):
        item, click = read("random", campaign)
        other_item, other_click = read("bts", campaign)
        many = 1 + max(item.max(), other_item.max())
        views = len(item)
        share = np.bincount(other_item, minlength=many) / len(other_item)
        usual = click.mean()
        seen = np.bincount(item, minlength=many)
        rate = (np.bincount(item, click, many) + 200 * usual) / (seen + 200)
        everything = np.tile(np.arange(many), views)
        view = np.repeat(np.arange(views), many)
        shown = everything == item[view]
        found = estimate(
            Views(
                view,
                np.arange(views),
                np.where(shown, 0, -1),
                np.where(shown, click[view], 0.0),
                np.full((len(view), 1), 1 / many),
                rate[everything][:, None],
                np.ones(1),
            ),
            share[everything][:, None],
        )
        truth, error = other_click.mean(), other_click.std() / np.sqrt(len(other_click))
        print(
            f"{campaign:6} random {usual:.4f}; Thompson sampling estimated {found.value:.4f} "
            f"({found.low:.4f} to {found.high:.4f}), had {truth:.4f} ± {1.96 * error:.4f}"
            f"{'; ' if found.unknown else ''}{found.unknown}"
        )


if __name__ == "__main__":
    main()
