"""Checks who may open which page of a team's console."""

import pytest

from tuppence.services.console.permissions import NEEDS, STEPS, may, may_step
from tuppence.usecases.team import OWNER, ROLES, Person

EVERYBODY = {
    *(("GET", path) for path in ("/", "/rule", "/nights", "/nights/events", "/relevance")),
    *(("GET", path) for path in ("/versions", "/reviews", "/review", "/publish", "/audit")),
    *(("POST", path) for path in ("/check", "/complete", "/preview", "/relevance", "/review")),
    ("POST", "/sign-out"),
}
"""Pages and actions of everybody who has a role, written down independently."""
MAY: dict[str, set[tuple[str, str]]] = {
    "author": {
        *(("POST", path) for path in ("/rule", "/new", "/more", "/example", "/versions")),
        ("POST", "/nights/compare"),
        ("GET", "/new"),
    },
    "reviewer": {("POST", path) for path in ("/more", "/example", "/versions", "/nights/compare")},
    "publisher": {("POST", "/publish")},
    "operator": {("POST", "/nights/replay")},
    "support": {
        *(("GET", path) for path in ("/customers", "/customer", "/reason")),
        *(("POST", path) for path in ("/customer", "/customer/proof")),
        *(("POST", path) for path in ("/customer/export", "/customer/erase")),
    },
}
"""Pages and actions that each role has for itself."""


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_opens_its_pages_and_no_others(role: str) -> None:
    person = Person("https://id.example", "ann", "Ann", frozenset({role}))
    allowed = {one for one in NEEDS if may(person, one[1], one[0])}
    assert allowed == EVERYBODY | MAY[role]
    assert not may(person, "/reviews", "DELETE")
    assert not may(person, "/nothing")


def test_nobody_without_a_role_opens_anything() -> None:
    person = Person("https://id.example", "ann", "Ann", frozenset())
    assert not any(may(person, path, method) for method, path in NEEDS)
    assert not any(may_step(person, step) for step in STEPS)
    assert all(may(OWNER, path, method) for method, path in NEEDS)
