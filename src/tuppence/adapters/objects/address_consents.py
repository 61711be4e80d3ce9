"""The consents of a store at an address, in an object for each group of customers.

consents/<group>.json   the consents of the customers whose identifiers have this digest

So writers of different customers seldom wait for each other, and one customer's consents are read
or erased without those of everybody.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from tuppence.adapters.objects.address_place import MAX_TRIES
from tuppence.adapters.objects.objects import Objects
from tuppence.errors import UserError
from tuppence.facts.consent import Consent

CONSENTS: Final = "consents"
GROUPS: Final = 64
"""Number of groups: a load of 10,000 customers writes as many objects."""
_AT_ONCE: Final = 16
"""Number of objects that are read or written at the same time."""
_OLD: Final = "consents.json"
"""The object in which an earlier version kept all consents."""


class AddressConsents:
    """The consents of a store at an address.

    Args:
        objects: The objects of the store.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def all(self) -> list[Consent]:
        """Return the consents of everybody.

        Raises:
            UserError: An earlier version has kept them.
        """
        self._check_version()
        names = [name for name, _ in self._objects.names(CONSENTS) if name.endswith(".json")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            groups = pool.map(self._read, sorted(names))
            return [consent for kept, _ in groups for consent in kept]

    def of(self, customer: str) -> list[Consent]:
        """Return the consents of a customer.

        Raises:
            UserError: An earlier version has kept them.
        """
        self._check_version()
        kept, _ = self._read(_group_of(customer))
        return [consent for consent in kept if consent.customer == customer]

    def record(self, consents: Iterable[Consent]) -> None:
        """Keep consents, in place of those of the same identifiers."""
        groups: dict[str, dict[tuple[str, str], Consent]] = {}
        for one in consents:
            groups.setdefault(_group_of(one.customer), {})[one.customer, one.id] = one

        def keep(group: str) -> None:
            new = groups[group]
            self._change(
                group,
                lambda kept: [*({(one.customer, one.id): one for one in kept} | new).values()],
            )

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(keep, groups):
                pass

    def erase(self, customer: str) -> int:
        """Erase the consents of a customer, and return how many there were."""
        gone = self.of(customer)
        if gone:
            self._change(
                _group_of(customer),
                lambda kept: [one for one in kept if one.customer != customer],
            )
        return len(gone)

    def _check_version(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._objects.get(_OLD)
            message = f"{self._objects}/{_OLD}: an earlier version has kept the consents here"
            hint = "load the facts and consents into a new address: tuppence load --to ADDRESS"
            raise UserError("store.version", message, hint)

    def _read(self, group: str) -> tuple[list[Consent], str]:
        """Return the consents of a group, and the version of its object."""
        try:
            data, version = self._objects.get(group)
        except FileNotFoundError:
            return [], ""
        return msgspec.json.decode(data, type=list[Consent]), version

    def _change(self, group: str, change: Callable[[Sequence[Consent]], list[Consent]]) -> None:
        """Replace the consents of a group, again and again until no other writer was faster."""
        for _ in range(MAX_TRIES):
            kept, version = self._read(group)
            changed = change(kept)
            if changed == kept:
                return
            content = msgspec.json.encode(changed)
            if (
                self._objects.replace(group, content, version)
                if version
                else self._objects.create(group, content)
            ):
                return
        message = f"{self._objects}/{group}: other writers were faster {MAX_TRIES} times"
        raise UserError("store.busy", message, "run the same command again")


def _group_of(customer: str) -> str:
    """Return the object with the consents of a customer."""
    digest = hashlib.blake2b(customer.encode("utf-8", "surrogatepass"), digest_size=2).digest()
    return f"{CONSENTS}/{int.from_bytes(digest, 'big') % GROUPS:02}.json"
