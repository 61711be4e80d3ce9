"""The roles that each page of the console needs where several people use it."""

from collections.abc import Mapping
from typing import Final

from tuppence.usecases.team import ROLES, Person

OPEN: Final = frozenset({"/sign-in", "/sign-in/begin", "/callback", "/healthz"})
"""Pages for people who have not signed in."""
_WRITERS: Final = frozenset({"author"})
_READERS_OF_EFFECTS: Final = frozenset({"author", "reviewer"})
_OPERATORS: Final = frozenset({"operator"})
_SUPPORTERS: Final = frozenset({"support"})
_PUBLISHERS: Final = frozenset({"publisher"})
NEEDS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("GET", "/"): ROLES,
    ("GET", "/rule"): ROLES,
    ("POST", "/rule"): _WRITERS,
    ("GET", "/new"): _WRITERS,
    ("POST", "/new"): _WRITERS,
    ("POST", "/check"): ROLES,
    ("POST", "/complete"): ROLES,
    ("POST", "/preview"): ROLES,
    ("POST", "/more"): _READERS_OF_EFFECTS,
    ("POST", "/example"): _READERS_OF_EFFECTS,
    ("GET", "/customers"): _SUPPORTERS,
    ("GET", "/customer"): _SUPPORTERS,
    ("POST", "/customer"): _SUPPORTERS,
    ("POST", "/customer/proof"): _SUPPORTERS,
    ("POST", "/customer/export"): _SUPPORTERS,
    ("POST", "/customer/erase"): _SUPPORTERS,
    ("GET", "/reason"): _SUPPORTERS,
    ("GET", "/nights"): ROLES,
    ("GET", "/nights/events"): ROLES,
    ("POST", "/nights/compare"): _READERS_OF_EFFECTS,
    ("POST", "/nights/replay"): _OPERATORS,
    ("GET", "/relevance"): ROLES,
    ("POST", "/relevance"): ROLES,
    ("GET", "/versions"): ROLES,
    ("POST", "/versions"): _READERS_OF_EFFECTS,
    ("GET", "/reviews"): ROLES,
    ("GET", "/review"): ROLES,
    ("POST", "/review"): ROLES,
    ("GET", "/publish"): ROLES,
    ("POST", "/publish"): _PUBLISHERS,
    ("GET", "/audit"): ROLES,
    ("POST", "/sign-out"): ROLES,
}
"""Roles of which one is needed, by method and path; nobody may do what is not listed."""
STEPS: Final[Mapping[str, frozenset[str]]] = {
    "submit": _WRITERS,
    "restore": _WRITERS,
    "approve": frozenset({"reviewer"}),
    "return": _READERS_OF_EFFECTS,
    "retire": frozenset({"reviewer"}),
    "comment": ROLES,
}
"""Roles of which one is needed for a step of a definition, as in the database."""


def may(person: Person, path: str, method: str = "GET") -> bool:
    """Return whether a person may open a page, or send it a form."""
    return person.may(*NEEDS.get((method, path), ()))


def may_step(person: Person, step: str) -> bool:
    """Return whether a person may take a step with a definition."""
    return person.may(*STEPS[step])
