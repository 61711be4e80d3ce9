"""The number of generated examples: few in `make test`, many in `make test-long`."""

from typing import Any

from hypothesis import settings


def examples(few: int, many: int, **others: Any) -> settings:
    """Return settings of Hypothesis for few examples, or for many with its profile `long`."""
    is_long = settings.get_current_profile_name() == "long"
    return settings(max_examples=many if is_long else few, **others)
