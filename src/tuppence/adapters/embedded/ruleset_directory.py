"""Rulesets in a directory: one file each, named by its digest."""

from pathlib import Path

from tuppence.adapters.embedded.digest_directory import DigestDirectory
from tuppence.errors import UserError


class RulesetDirectory(DigestDirectory):
    """Rulesets in a directory. Implements the port RulesetStore."""

    def unknown(self, digest: str) -> UserError:
        """Return the error that there is no such ruleset."""
        return UserError("ruleset.unknown", f"there is no ruleset {digest}")

    def damaged(self, path: Path, problem: str) -> UserError:
        """Return the error that a ruleset's file is damaged."""
        hint = "remove the file, then run or publish the rules again, which recreates it"
        return UserError("ruleset.corrupt", f"{path}: {problem}", hint)
