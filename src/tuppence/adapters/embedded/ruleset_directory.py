"""Rulesets in a directory: one file each, named by its digest."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from tuppence.adapters.embedded.files import PUBLIC, disk_errors, read_file, write_atomically
from tuppence.errors import UserError
from tuppence.rules.ruleset import Ruleset


class RulesetDirectory:
    """Rulesets in a directory. Implements the port RulesetStore.

    Args:
        folder: The directory; created with the first ruleset.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, ruleset: Ruleset) -> None:
        """Store a ruleset."""
        path = self._folder / f"{ruleset.digest}.json"
        if not path.exists():
            with disk_errors(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, ruleset.content, PUBLIC)

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a ruleset.

        Raises:
            UserError: There is no such ruleset, or its file is damaged.
        """
        path = self._folder / f"{digest}.json"
        if not re.fullmatch("[0-9a-f]{16}", digest) or not path.is_file():
            raise UserError("ruleset.unknown", f"there is no ruleset {digest}")
        content = self._read(path)
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            hint = "remove the file, then run or publish the rules again, which recreates it"
            raise UserError("ruleset.corrupt", f"{path}: damaged", hint)
        return content

    def digests(self) -> Sequence[str]:
        """Return the digests of all rulesets in the directory."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def current(self) -> str | None:
        """Return the digest of the ruleset that was published last, or None."""
        path = self._folder / "current"
        if not path.is_file():
            return None
        digest = self._read(path).decode("ascii", "replace").strip()
        if not re.fullmatch("[0-9a-f]{16}", digest):
            message = f"{path}: damaged: it does not name a ruleset"
            raise UserError("ruleset.corrupt", message, "publish the rules again")
        return digest

    def publish(self, digest: str) -> None:
        """Make a stored ruleset the current one."""
        self.get(digest)
        path = self._folder / "current"
        with disk_errors(path):
            write_atomically(path, digest.encode() + b"\n", PUBLIC)

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return read_file(path)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise UserError("store.unreadable", message) from None
