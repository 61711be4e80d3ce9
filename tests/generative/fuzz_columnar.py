"""Compare both engines on as many pairs of a rule and a customer as wanted.

python -m tests.generative.fuzz_columnar --pairs 1000000
"""

import argparse
import random
import time

from tests.generative.comparing import assert_same, planned
from tests.generative.making import facts

RULES, CUSTOMERS, ROWS = 25, 12, 60


def main() -> None:
    """Compare, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1_000_000)
    options = parser.parse_args()
    done, seed, whole, began = 0, options.seed, 0, time.monotonic()
    while done < options.pairs:
        source = random.Random(seed)
        plan = planned(source, RULES)
        assert_same(plan, facts(source, CUSTOMERS, ROWS))
        whole += sum(rule.whole for rule in plan.columns.rules)
        done += RULES * CUSTOMERS
        seed += 1
        if (seed - options.seed) % 100 == 0:
            print(f"{done:,} pairs the same", flush=True)  # noqa: T201
    rulesets = seed - options.seed
    share = 100 * whole / (rulesets * RULES)
    minutes = (time.monotonic() - began) / 60
    print(  # noqa: T201
        f"{done:,} pairs of {rulesets:,} rulesets of {RULES} rules are the same on both engines; "
        f"{share:.0f} % of the rules are all columns; {minutes:.0f} minutes"
    )


if __name__ == "__main__":
    main()
