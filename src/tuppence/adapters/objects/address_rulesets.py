"""Rulesets at an address: one object each, named by its digest."""

import hashlib

from tuppence.adapters.embedded import layout
from tuppence.adapters.objects.objects import Objects
from tuppence.errors import UserError
from tuppence.rules.ruleset import Ruleset


class AddressRulesets:
    """The rulesets of the runs at an address.

    Args:
        objects: The objects of the store.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, ruleset: Ruleset) -> None:
        """Keep a ruleset."""
        self._objects.create(_name(ruleset.digest), ruleset.content)

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a ruleset.

        Raises:
            UserError: There is no such ruleset, or it is damaged.
        """
        where = f"{self._objects}/{_name(digest)}"
        try:
            content, _ = self._objects.get(_name(digest))
        except FileNotFoundError:
            raise UserError("ruleset.unknown", f"{where}: there is no such ruleset") from None
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            hint = "remove it, then run the rules again, which makes it again"
            raise UserError("ruleset.corrupt", f"{where}: damaged", hint)
        return content


def _name(digest: str) -> str:
    return f"{layout.RULESETS}/{digest}.json"
