"""When two FEEL values are equal (DMN 1.5, 10.3.2.7 and table 53)."""

from typing import Any


def equal(left: Any, right: Any) -> bool | None:
    """True or false, or None where the values are of kinds that cannot be compared."""
    if left is None or right is None:
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            equal(a, b) is True for a, b in zip(left, right, strict=True)
        )
    if type(left) is not type(right):
        return None
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            equal(value, right[name]) is True for name, value in left.items()
        )
    return bool(left == right)
