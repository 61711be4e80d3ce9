"""Checks who may open which page of a team's console."""

import pytest

from tuppence.services.console.permissions import NEEDS, STEPS, may, may_step
from tuppence.usecases.team import OWNER, ROLES, Person

MAY: dict[str, set[tuple[str, str]]] = {
    "author": {("POST", "/rule"), ("GET", "/new"), ("POST", "/example"), ("POST", "/versions")},
    "reviewer": {("POST", "/example"), ("POST", "/versions")},
    "publisher": {("POST", "/publish")},
    "operator": set(),
    "support": {("GET", "/customer"), ("GET", "/customers"), ("GET", "/reason")},
}
"""Pages and actions that each role has for itself, written down independently."""
LIMITED = {one for pages in MAY.values() for one in pages}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_opens_its_pages_and_no_others(role: str) -> None:
    person = Person("https://id.example", "ann", "Ann", frozenset({role}))
    assert {one for one in LIMITED if may(person, one[1], one[0])} == MAY[role]
    assert may(person, "/reviews")
    assert not may(person, "/reviews", "DELETE")
    assert not may(person, "/nothing")


def test_nobody_without_a_role_opens_anything() -> None:
    person = Person("https://id.example", "ann", "Ann", frozenset())
    assert not any(may(person, path, method) for method, path in NEEDS)
    assert not any(may_step(person, step) for step in STEPS)
    assert all(may(OWNER, path, method) for method, path in NEEDS)
