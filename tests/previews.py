"""A store for previews of facts in memory."""

from pathlib import Path

from tuppence.adapters.embedded.store_folder import StoreFolder


class NoRuns(StoreFolder):
    """A store in which nothing has run."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
