"""Waiting for an event, instead of for a time."""

import time
from collections.abc import Callable

from local.servers import PATIENCE


def wait_until(happened: Callable[[], bool], why_not: Callable[[], str] = str) -> None:
    """Wait, far longer than needed, until a condition holds.

    Args:
        happened: The condition.
        why_not: Returns more about what happened instead, for the message of the failure.
    """
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen\n{why_not()}"
        time.sleep(0.02)
