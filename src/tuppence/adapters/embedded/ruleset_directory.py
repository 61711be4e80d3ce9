"""Rulesets in a directory: a file for each, named by its digest."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from tuppence.adapters.embedded.files import disk_errors, write_atomically
from tuppence.errors import UserError
from tuppence.rules.ruleset import Ruleset


class RulesetDirectory:
    """Implements the port RulesetStore.

    Args:
        folder: Made with the first ruleset.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, ruleset: Ruleset) -> None:
        """Keep a ruleset."""
        path = self._folder / f"{ruleset.digest}.json"
        if not path.exists():
            with disk_errors(path):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, ruleset.content)

    def get(self, digest: str) -> bytes:
        """The canonical bytes of a ruleset."""
        path = self._folder / f"{digest}.json"
        if not re.fullmatch("[0-9a-f]{16}", digest) or not path.is_file():
            raise UserError("ruleset.unknown", f"there is no ruleset {digest}")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            hint = "run the rules again: that writes it anew"
            raise UserError("ruleset.corrupt", f"{path}: damaged", hint)
        return content

    def digests(self) -> Sequence[str]:
        """What is there."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def current(self) -> str | None:
        """The digest of the ruleset that was published last."""
        path = self._folder / "current"
        return path.read_text("ascii").strip() if path.is_file() else None

    def publish(self, digest: str) -> None:
        """Make a ruleset that is there the current one."""
        self.get(digest)
        path = self._folder / "current"
        with disk_errors(path):
            write_atomically(path, digest.encode() + b"\n")
