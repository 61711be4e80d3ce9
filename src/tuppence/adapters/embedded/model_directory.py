"""Models of the order of feeds in a directory: one file each, named by its digest."""

from pathlib import Path

from tuppence.adapters.embedded.digest_directory import DigestDirectory
from tuppence.adapters.embedded.files import disk_errors
from tuppence.errors import UserError
from tuppence.relevance.scorecard import read_scorecard
from tuppence.usecases.order_feed import Model


class ModelDirectory(DigestDirectory):
    """Models in a directory. Implements the port ModelStore.

    Args:
        folder: The directory; created with the first model.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._known: Model | None = None

    def unknown(self, digest: str) -> UserError:
        """Return the error that there is no such model."""
        hint = "tuppence relevance show lists the models"
        return UserError("model.unknown", f"there is no model {digest}", hint)

    def damaged(self, path: Path, problem: str) -> UserError:
        """Return the error that a model's file is damaged."""
        hint = "remove the file, then fit and publish a model again"
        return UserError("model.corrupt", f"{path}: {problem}", hint)

    def published(self) -> Model | None:
        """Return the published model; None if feeds are in rule order."""
        digest = self.current()
        if digest is None:
            return None
        known = self._known
        if known is None or known.digest != digest:
            try:
                content = self.get(digest)
            except UserError:
                if self.current() == digest:
                    raise
                return self.published()  # another process has published, or destroyed it, meanwhile
            known = self._known = Model(digest, read_scorecard(content))
        return known

    def withdraw(self) -> None:
        """Let feeds be in rule order again."""
        path = self._folder / "current"
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def destroy(self) -> int:
        """Remove all models, and return their number."""
        self.withdraw()
        digests = self.digests()
        for digest in digests:
            path = self._folder / f"{digest}.json"
            with disk_errors(path):
                path.unlink(missing_ok=True)
        return len(digests)
